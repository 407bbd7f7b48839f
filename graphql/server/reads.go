package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

const (
	// maxReads bounds what is remembered of an hour; what is beyond is recorded without its
	// subject.
	maxReads = 20_000
	// maxSubject bounds the name of a subject, in bytes.
	maxSubject = 100
)

// moneyData are the scopes whose reading is written down, and what it is called.
var moneyData = map[wire.TokenScope]string{
	wire.TokenScope_TOKEN_SCOPE_BALANCES: "balances", wire.TokenScope_TOKEN_SCOPE_CDRS: "cdrs",
}

// subjects are the arguments that name whose money something is about.
var subjects = []string{"id", "account", "company", "call", "number", "subject"}

// read is who asked for what of whom.
type read struct{ actor, what, subject string }

// reads writes down who asks for money data: each thing once an hour.
type reads struct {
	cfg   Config
	types map[string]wire.TokenScope

	mu   sync.Mutex
	hour int64
	seen map[read]bool
}

func newReads(cfg Config) *reads {
	return &reads{cfg: cfg, types: scopesOfTypes(), seen: map[read]bool{}}
}

// ExtensionName names the extension in gqlgen's list.
func (*reads) ExtensionName() string { return "Reads" }

// Validate has nothing to look at.
func (*reads) Validate(graphql.ExecutableSchema) error { return nil }

// InterceptOperation looks at what an operation asks that may be asked.
func (r *reads) InterceptOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	if v := auth.FromContext(ctx); v != nil {
		for _, field := range fieldsOf(op.Operation.SelectionSet) {
			found := map[string]bool{}
			r.look(field, found)
			for what := range found {
				r.note(ctx, v, read{v.Actor, what, subjectOf(field, op.Variables)}, field.Name)
			}
		}
	}
	return next(ctx)
}

// look finds what kinds of money data a field gives; it is bounded by the limits, which are
// looked at before.
func (r *reads) look(f *ast.Field, found map[string]bool) {
	if what := moneyData[r.types[baseOf(f.Definition.Type.Name())]]; what != "" {
		found[what] = true
	}
	for _, inner := range fieldsOf(f.SelectionSet) {
		r.look(inner, found)
	}
}

// subjectOf is whom a field names by its arguments, or by its filter's.
func subjectOf(f *ast.Field, variables map[string]any) string {
	arguments := f.ArgumentMap(variables)
	if filter, ok := arguments["filter"].(map[string]any); ok {
		for k, v := range filter {
			if arguments[k] == nil {
				arguments[k] = v
			}
		}
	}
	for _, name := range subjects {
		if text, ok := arguments[name].(string); ok && text != "" {
			return text[:min(len(text), maxSubject)]
		}
	}
	return ""
}

// note writes one down, unless that was done in this hour.
func (r *reads) note(ctx context.Context, v *auth.Viewer, what read, field string) {
	if !r.first(&what) {
		return
	}
	address := ""
	if e := auth.ExchangeFrom(ctx); e != nil {
		address = e.Address
	}
	r.cfg.Door.Record(ctx, &wire.Event{Actor: v.Actor, Body: &wire.Event_MoneyDataRead{MoneyDataRead: &wire.MoneyDataRead{
		What: what.what, Subject: strings.ToValidUTF8(what.subject, "?"), Field: field, Address: address,
	}}})
}

// first says whether something is new in this hour.
func (r *reads) first(what *read) bool {
	hour := r.cfg.Resolver.Now().Unix() / int64(time.Hour/time.Second)
	r.mu.Lock()
	defer r.mu.Unlock()
	if hour != r.hour {
		r.hour = hour
		clear(r.seen)
	}
	if len(r.seen) >= maxReads {
		what.subject = "many"
	}
	if r.seen[*what] {
		return false
	}
	r.seen[*what] = true
	return true
}

// export is a file of money data that is not asked from the API.
func (r *reads) export(what string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if v := auth.FromContext(req.Context()); v != nil {
			subject := ""
			for _, name := range slices.Concat(subjects, []string{"originator", "terminator"}) {
				if subject = req.URL.Query().Get(name); subject != "" {
					break
				}
			}
			r.note(req.Context(), v, read{v.Actor, what, subject[:min(len(subject), maxSubject)]}, req.URL.Path)
		}
		next.ServeHTTP(w, req)
	})
}
