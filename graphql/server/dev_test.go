package server_test

import (
	"net/http"
	"os"
	"testing"
	"time"
)

// TestServeConsole serves the console before a switch in memory, to look at it:
//
//	TOLLBOOK_CONSOLE=127.0.0.1:8099 go test ./graphql/server -run TestServeConsole -timeout 0
//
// Sign in as root, fiona, noel, adam or bert; the password is "correct horse".
func TestServeConsole(t *testing.T) {
	address := os.Getenv("TOLLBOOK_CONSOLE")
	if address == "" {
		t.Skip("TOLLBOOK_CONSOLE names no address")
	}
	f := newFixture(t, func() time.Time { return time.Now().UTC() })
	srv := &http.Server{Addr: address, Handler: f.handler, ReadHeaderTimeout: 5 * time.Second}
	t.Log(srv.ListenAndServe())
}
