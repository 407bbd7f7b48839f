package main_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"
)

// TestOtherHistory starts on a history that another version's rules have made: it is
// made anew from the journals.
func TestOtherHistory(t *testing.T) {
	t.Parallel()
	data, nw := t.TempDir(), newNetwork()
	n := serve(t, nw, data)
	n.apply(t, "companies: [{id: c, accounts: [{id: c-usd, currency: USD, kind: customer}]}]")
	position := n.credit(t, "c-usd", "7", "opening")
	before := n.entries(t, position)
	n.interrupt(t)
	db, err := sql.Open("sqlite", filepath.Join(data, "history", "book.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	n = serve(t, nw, data)
	until(t, "the history is there again", func() bool { return n.entries(t, position) == before })
	n.interrupt(t)
	verify(t, data)
}
