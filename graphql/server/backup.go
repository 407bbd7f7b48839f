package server

import (
	"net/http"
	"time"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// backUp gives an admin a backup as a tar archive. One that breaks off breaks the
// connection, so that nobody takes the part for the whole; and it has no manifest.
func backUp(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch v := auth.FromContext(r.Context()); {
		case v == nil:
			http.Error(w, resolve.ErrSignIn.Error(), http.StatusUnauthorized)
			return
		case v.Role != wire.Role_ROLE_ADMIN:
			http.Error(w, "only for admins", http.StatusForbidden)
			return
		default:
			cfg.Log.WarnContext(r.Context(), "a backup is asked for", "actor", v.Actor)
		}
		// A server without deadlines, as in a test, needs none.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(fileTime))
		w.Header().Set("Content-Type", "application/x-tar")
		w.Header().Set("Cache-Control", "no-store")
		if err := cfg.Backup(r.Context(), w); err != nil {
			cfg.Log.ErrorContext(r.Context(), "a backup broke off", "err", err)
			panic(http.ErrAbortHandler)
		}
	})
}
