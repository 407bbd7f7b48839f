package server

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// unsafe is what is not to stand in a file's name.
var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// exportInterconnect serves the sheet of a peer, query parameter "peer", in a "format":
// pdf, the default, yaml or csv.
func exportInterconnect(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, q := r.Context(), r.URL.Query()
		if auth.FromContext(ctx) == nil {
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
			return
		}
		sheet, ok := cfg.Resolver.Interconnect(ctx, q.Get("peer"))
		if !ok {
			http.Error(w, "there is no such peer, or no node has said yet where it takes calls", http.StatusNotFound)
			return
		}
		var body []byte
		kind, format := "application/pdf", cmp.Or(q.Get("format"), "pdf")
		switch format {
		case "pdf":
			body = sheet.PDF("as of " + cfg.Resolver.Now().UTC().Format(time.RFC3339))
		case "yaml":
			kind, body = "application/yaml; charset=utf-8", []byte(sheet.YAML())
		case "csv":
			kind, body = "text/csv; charset=utf-8", []byte(sheet.CSV())
		default:
			http.Error(w, "format is pdf, yaml or csv", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="interconnect-%s.%s"`, unsafe.ReplaceAllString(sheet.Peer.ID, "_"), format))
		w.Header().Set("Cache-Control", "no-store")
		if _, err := w.Write(body); err != nil {
			cfg.Log.DebugContext(ctx, "export: a sheet was not taken", "err", err)
		}
	})
}
