package server_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/wire"
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
	f.put(f.now(), "guard rules",
		&wire.GuardRule{Id: "again", Name: "One number again and again", Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER,
			WindowS: 3600, Calls: 10, Action: wire.GuardAction_GUARD_ACTION_BLOCK, BlockS: 7200},
		&wire.GuardRule{Id: "dear", Name: "Dear ranges at night", Prefixes: []string{"882", "883"}, PriceFromNano: 500_000_000, Currency: "USD",
			ExceptAccounts: []string{"initech-eur"}, Hours: []*wire.Hours{{FromMinute: 1320, ToMinute: 1800}}, TimeZone: "Europe/Riga",
			Measure: wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL, WindowS: 600, Action: wire.GuardAction_GUARD_ACTION_ALERT},
	)
	from := f.now().Add(-48 * time.Hour).UnixMicro()
	f.put(f.now(), "profiles of CDR files",
		&wire.CdrProfile{Id: "daily", Name: "All, for the books", FromUs: from, IntervalS: 86_400, Format: wire.CdrFormat_CDR_FORMAT_XLSX, Directory: "books/daily"},
		&wire.CdrProfile{Id: "acme", Company: "acme", FromUs: from, IntervalS: 3600, Format: wire.CdrFormat_CDR_FORMAT_PIPE,
			Url: "sftp://tollbook@files.example.net:2022/in", HostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", Secret: []byte("wrapped")},
		&wire.CdrProgress{Id: "acme", Number: 1, Count: 1, CutUs: from, Rows: make([]byte, 18)},
	)
	f.put(f.now(), "webhooks",
		&wire.Webhook{Id: "erp", Name: "Books of the house", Url: "https://erp.example.net/tollbook", Secret: []byte("wrapped"), Kinds: []string{"money_posted", "call_charged"}},
		&wire.Webhook{Id: "acme", Company: "acme", Url: "https://hooks.acme.example/in", Secret: []byte("wrapped")},
		&wire.WebhookProgress{Id: "acme", Position: 3, AtUs: from, FailingSinceUs: from, Paused: true, Reason: "the server says that it is gone"},
	)
	f.trip(f.answered, "acme-usd", "again")
	f.trip(f.other, "initech-eur", "again")
	srv := &http.Server{Addr: address, Handler: f.handler, ReadHeaderTimeout: 5 * time.Second}
	t.Log(srv.ListenAndServe())
}
