package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// exportCDRs streams the CDRs that a filter takes, newest first, as CSV. The
// query parameters are named as the fields of the API's CdrFilter, and mean the
// same. Amounts are micro-units, rates nano-units, times microseconds.
func exportCDRs(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viewer := auth.FromContext(r.Context())
		if viewer == nil {
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
			return
		}
		in, err := filterOf(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		filter, ok := resolve.CdrFilter(viewer, in)
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="cdrs.csv"`)
		w.Header().Set("Cache-Control", "no-store")
		if !ok {
			return // nothing can match
		}
		ctx, cancel := context.WithTimeout(r.Context(), exportTime)
		defer cancel()
		if err := cfg.Resolver.CDRs.WriteCSV(ctx, w, filter); err != nil && !errors.Is(err, context.Canceled) {
			cfg.Log.WarnContext(ctx, "export: CDRs cut off", "err", err)
			// The status is out already: break the connection, so that nobody takes
			// the part for the whole.
			panic(http.ErrAbortHandler)
		}
	})
}

// filterOf reads the filter from query parameters, by the rules of the API.
func filterOf(q url.Values) (*model.CdrFilter, error) {
	in := &model.CdrFilter{}
	var err error
	text := func(name string, to *graphql.Omittable[*string]) {
		if v := q.Get(name); v != "" {
			*to = graphql.OmittableOf(&v)
		}
	}
	text("account", &in.Account)
	text("company", &in.Company)
	text("originator", &in.Originator)
	text("terminator", &in.Terminator)
	text("caller", &in.Caller)
	text("called", &in.Called)
	text("callId", &in.CallID)
	parse(q, "from", &in.From, model.UnmarshalDateTime, &err)
	parse(q, "to", &in.To, model.UnmarshalDateTime, &err)
	parse(q, "answered", &in.Answered, readBool, &err)
	parse(q, "recorded", &in.Recorded, readBool, &err)
	parse(q, "sipCode", &in.SipCode, readInt, &err)
	text("prefix", &in.Prefix)
	parse(q, "direction", &in.Direction, readEnum[model.Direction], &err)
	parse(q, "state", &in.State, readEnum[model.CdrState], &err)
	return in, err
}

// parse reads one parameter, if it is there, and keeps the first error.
func parse[T any](q url.Values, name string, to *graphql.Omittable[*T], read func(any) (T, error), first *error) {
	v := q.Get(name)
	if v == "" || *first != nil {
		return
	}
	value, err := read(v)
	if err != nil {
		*first = err
		return
	}
	*to = graphql.OmittableOf(&value)
}

func readBool(v any) (b bool, err error) {
	text, _ := v.(string)
	return b, json.Unmarshal([]byte(text), &b)
}

func readInt(v any) (n int, err error) {
	text, _ := v.(string)
	return strconv.Atoi(text)
}

func readEnum[T any](v any) (e T, err error) {
	reader, ok := any(&e).(graphql.Unmarshaler)
	if !ok {
		return e, errors.New("not an enum")
	}
	return e, reader.UnmarshalGQL(v)
}
