package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestConsoleGetsJSON asks as the console's client does, which accepts streams as well: it is
// answered with JSON, before sign-in too.
func TestConsoleGetsJSON(t *testing.T) {
	f := newFixture(t, noon)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ viewer { actor } }"}`))
	r.Header = http.Header{
		"Content-Type": {"application/json"}, "X-Tollbook-Csrf": {"1"},
		"Accept": {"application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"},
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	if kind := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.Contains(kind, "json") || !strings.Contains(w.Body.String(), `"viewer":null`) {
		t.Errorf("%d %s %s", w.Code, kind, w.Body)
	}
}
