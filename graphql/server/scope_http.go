package server

import (
	"net/http"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

// reads serves a file to tokens with the scope, and charges its points. Who may not
// read at all is the handler's to say.
func (r *rates) reads(scope wire.TokenScope, points int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v := auth.FromContext(req.Context())
		if v == nil {
			next.ServeHTTP(w, req)
			return
		}
		if scope == open && len(v.Scopes) > 0 || !v.May(scope) {
			http.Error(w, "the token has no scope for this", http.StatusForbidden)
			return
		}
		r.paid(points, next).ServeHTTP(w, req)
	})
}

// paid charges a viewer's points.
func (r *rates) paid(points int, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if auth.FromContext(req.Context()) != nil {
			if s := r.spend(req.Context(), points); s.wait > 0 {
				retryAfter(w, &s)
				http.Error(w, "too many questions: wait a little", http.StatusTooManyRequests)
				return
			}
		}
		next.ServeHTTP(w, req)
	})
}
