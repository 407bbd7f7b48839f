package auth

import (
	"net"
	"net/http"
	"strings"
)

const (
	cookieName = "tollbook_session"
	// CSRFHeader must come with every request that is not made with a token: a
	// foreign site cannot add it without asking first, and is not allowed to.
	CSRFHeader = "X-Tollbook-CSRF"
)

// Middleware puts the viewer and the exchange into the context. A token that is
// not good is refused; no credentials at all is for the handler to judge.
func (d *Door) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchange := &Exchange{Address: hostOf(r.RemoteAddr), SetSession: func(secret string) {
			http.SetCookie(w, cookie(r, secret))
		}}
		ctx := WithExchange(r.Context(), exchange)
		if header := r.Header.Get("Authorization"); header != "" {
			viewer := d.ByToken(bearer(header), exchange.Address)
			if viewer == nil {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "the token is unknown, revoked or expired, or not taken from this address", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r.WithContext(WithViewer(ctx, viewer)))
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get(CSRFHeader) == "" {
			http.Error(w, "the header "+CSRFHeader+" is missing", http.StatusForbidden)
			return
		}
		if c, err := r.Cookie(cookieName); err == nil {
			exchange.Session = c.Value
			if viewer := d.BySession(c.Value); viewer != nil {
				ctx = WithViewer(ctx, viewer)
			}
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// Again is who a request comes from now, nil if nobody is let in by it any more. It is
// for answers that go on and on; that they do keeps a session from idling out.
func (d *Door) Again(r *http.Request) *Viewer {
	if header := r.Header.Get("Authorization"); header != "" {
		return d.ByToken(bearer(header), hostOf(r.RemoteAddr))
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	return d.BySession(c.Value)
}

func bearer(header string) string {
	scheme, secret, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

func cookie(r *http.Request, secret string) *http.Cookie {
	c := &http.Cookie{
		Name: cookieName, Value: secret, Path: "/", HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	}
	if secret == "" {
		c.MaxAge = -1
	}
	return c
}

func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
