package server

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

func deny(w http.ResponseWriter, cfg Config, r *http.Request, err error) {
	var domain *events.Error
	if !errors.As(err, &domain) {
		cfg.Log.ErrorContext(r.Context(), "deck file", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	status := http.StatusBadRequest
	switch domain.Code {
	case events.CodeNotFound:
		status = http.StatusNotFound
	case events.CodeUnavailable:
		w.Header().Set("Retry-After", "10")
		status = http.StatusServiceUnavailable
	}
	http.Error(w, domain.Error(), status)
}

// exportDeck writes a deck's version as CSV or XLSX, to whoever may read the deck in
// the API: partners get their own. Query parameters: deck, and
// version, by default the one in force.
func exportDeck(cfg Config, xlsx bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth.FromContext(r.Context()) == nil {
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
			return
		}
		number := uint64(0)
		if text := r.URL.Query().Get("version"); text != "" {
			var err error
			if number, err = strconv.ParseUint(text, 10, 64); err != nil || number == 0 {
				http.Error(w, "the version is a number from 1", http.StatusBadRequest)
				return
			}
		}
		rows, err := cfg.Resolver.Rows(r.Context(), r.URL.Query().Get("deck"), number)
		if err != nil {
			deny(w, cfg, r, err)
			return
		}
		write, kind, name := sheet.WriteCSV, "text/csv; charset=utf-8", "deck.csv"
		if xlsx {
			write, kind, name = sheet.WriteXLSX, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "deck.xlsx"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		w.Header().Set("Cache-Control", "no-store")
		if err := write(w, rows); err != nil {
			cfg.Log.WarnContext(r.Context(), "export: a deck cut off", "err", err)
			panic(http.ErrAbortHandler)
		}
	})
}
