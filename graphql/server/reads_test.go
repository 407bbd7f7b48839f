package server_test

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// reads are what was written down of reading money data, in words.
func (f *fixture) reads() (out []string) {
	f.noting.Lock()
	defer f.noting.Unlock()
	for _, e := range f.recorded {
		if r := e.GetMoneyDataRead(); r != nil {
			out = append(out, e.Actor+" "+r.What+" of "+r.Subject+" by "+r.Field)
		}
	}
	f.recorded = nil
	slices.Sort(out)
	return out
}

// Who reads balances or CDRs is written down: once an hour for what he reads of whom,
// however he asks.
func TestReads(t *testing.T) {
	clock := noon()
	f := newFixture(t, func() time.Time { return clock })
	wants := func(what string, want ...string) {
		t.Helper()
		if got := f.reads(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	fiona, adam := f.as("fiona"), f.as("adam")
	f.reads()
	balance := `query ($id: ID!) { account(id: $id) { key balance { posted { amount } } } }`
	for range 3 {
		fiona.must(balance, map[string]any{"id": "account:acme-usd"})
	}
	wants("one account, again and again", "user:fiona balances of account:acme-usd by account")
	fiona.must(balance, map[string]any{"id": "account:initech-eur"})
	wants("another one", "user:fiona balances of account:initech-eur by account")
	fiona.must(`{ decks(first: 5) { nodes { key } } __typename }`, nil)
	wants("prices are no money data")
	fiona.must(`query { ...both } fragment both on Query { accounts(first: 5) { nodes { key balance { posted { amount } } } } cdrs(first: 2, filter: {account: "account:acme-usd"}) { nodes { id } } }`, nil)
	wants("all, and by a filter, in a fragment", "user:fiona balances of  by accounts", "user:fiona cdrs of account:acme-usd by cdrs")
	adam.must(`{ accounts(first: 5) { nodes { key balance { posted { amount } } } } }`, nil)
	wants("a partner", "user:adam balances of  by accounts")
	for _, path := range []string{"/export/cdrs.csv?account=account:acme-usd", "/export/list/accounts.csv", "/export/list/accounts.csv"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w := adam.send(r); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	wants("exports, the second of what he has had already", "user:adam cdrs of account:acme-usd by /export/cdrs.csv")
	clock = clock.Add(time.Hour)
	fiona.must(balance, map[string]any{"id": "account:acme-usd"})
	wants("an hour later", "user:fiona balances of account:acme-usd by account")
	f.client().ask(balance, map[string]any{"id": "account:acme-usd"})
	wants("a stranger, who gets nothing")
}
