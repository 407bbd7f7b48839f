package server_test

import (
	"strings"
	"testing"
)

func TestExchangeRates(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	put := `mutation($r: Decimal!, $at: DateTime, $dry: Boolean) { exchangeRatePut(input: {base: "EUR", quote: "USD", rate: $r, effectiveFrom: $at, dryRun: $dry}) {
		exchangeRate { id rate effectiveFrom inForce } position userErrors { path message } } }`
	dry := c.must(put, map[string]any{"r": "1.5", "dry": true})
	if dry.text("exchangeRatePut.exchangeRate.rate") != "1.500000000000" || dry.at("exchangeRatePut.position") != nil {
		t.Errorf("%v", dry)
	}
	for at, rate := range map[string]string{"2026-01-01T00:00:00Z": "1.1", "2026-06-01T00:00:00Z": "1.083333333333", "2027-01-01T00:00:00Z": "1.2"} {
		if got := c.must(put, map[string]any{"r": rate, "at": at}); got.text("exchangeRatePut.position") == "" {
			t.Fatalf("%v", got)
		}
	}
	got := c.must(`{ exchangeRates(first: 10, base: "EUR", quote: "USD") { nodes { rate effectiveFrom inForce } } none: exchangeRates(first: 10, base: "USD") { nodes { id } }
		now: exchangeRate(base: "EUR", quote: "USD") { rate } then: exchangeRate(base: "EUR", quote: "USD", at: "2026-03-01T00:00:00Z") { id rate }
		before: exchangeRate(base: "EUR", quote: "USD", at: "2025-03-01T00:00:00Z") { id } turned: exchangeRate(base: "USD", quote: "EUR") { id } }`, nil)
	if got.len("exchangeRates.nodes") != 3 || got.at("exchangeRates.nodes.1.inForce") != true || got.at("exchangeRates.nodes.2.inForce") != false ||
		got.len("none.nodes") != 0 || got.text("now.rate") != "1.083333333333" || got.text("then.rate") != "1.100000000000" || got.at("before") != nil || got.at("turned") != nil {
		t.Errorf("%v", got)
	}
	if node := c.must(`query($id: ID!) { node(id: $id) { ... on ExchangeRate { rate } } }`, map[string]any{"id": got.text("then.id")}); node.text("node.rate") != "1.100000000000" {
		t.Errorf("%v", node)
	}
	for rate, path := range map[string]string{"0": "", "-1": ""} {
		if bad := c.must(put, map[string]any{"r": rate}); bad.len("exchangeRatePut.userErrors") != 1 || bad.text("exchangeRatePut.userErrors.0.message") == path {
			t.Errorf("%s: %v", rate, bad)
		}
	}
	f.as("noel").refused("FORBIDDEN", put, map[string]any{"r": "1"})
	f.as("bert").refused("FORBIDDEN", `{ exchangeRates(first: 1) { nodes { id } } }`, nil)
}

// TestBandsAndOrigins makes a deck with bands, gives it rows for one of them and
// for a set of callers, and reads all of it back.
func TestBandsAndOrigins(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	set := c.must(`mutation { originSetPut(input: {key: "eu", name: "Europe", callerPrefixes: ["+49", "33"]}) { originSet { id callerPrefixes } userErrors { message } } }`, nil)
	if set.text("originSetPut.originSet.callerPrefixes.0") != "49" {
		t.Fatalf("%v", set)
	}
	deck := `mutation($zone: String, $bands: [BandInput!]) { deckPut(input: {key: "acme-sell", timeZone: $zone, bands: $bands, bandsSplit: true, noticeDays: 3}) {
		deck { timeZone bandsSplit noticeDays bands { name hours { fromMinute toMinute } } } userErrors { path message } } }`
	night := []any{map[string]any{"name": "night", "hours": []any{map[string]any{"fromMinute": 1200, "toMinute": 1440}}}}
	got := c.must(deck, map[string]any{"zone": "Europe/Riga", "bands": night})
	if got.text("deckPut.deck.timeZone") != "Europe/Riga" || got.at("deckPut.deck.bands.0.hours.0.fromMinute") != 1200.0 || got.at("deckPut.deck.noticeDays") != 3.0 {
		t.Fatalf("%v", got)
	}
	out := c.importDeck("prefix,price,time band,origin set,min_length,max_length,enabled,external_id\n"+
		"44,0.02,,,,,,\n44,0.01,night,,,,yes,\n44,0.03,,eu,5,12,no,x-1\n", map[string]any{"removeMissing": true, "ignoreNotice": true})
	if out.text("position") == "" {
		t.Fatalf("%v", out)
	}
	rows := c.must(`{ deck(id: "acme-sell") { versions { rows(first: 5) { nodes { band origin minLength maxLength blocked externalId } } } } }`, nil)
	const at = "deck.versions.0.rows.nodes."
	if rows.text(at+"1.band") != "night" || rows.text(at+"2.origin") != "eu" || rows.at(at+"2.maxLength") != 12.0 || rows.at(at+"2.blocked") != true || rows.text(at+"2.externalId") != "x-1" {
		t.Errorf("%v", rows)
	}
	if gone := c.must(deck, map[string]any{"bands": []any{}}); !strings.Contains(gone.text("deckPut.userErrors.0.message"), "no band night") {
		t.Errorf("a band that rows are for was removed: %v", gone)
	}
	if gone := c.must(`mutation { originSetRemove(input: {id: "origin-set:eu"}) { userErrors { code } } }`, nil); gone.text("originSetRemove.userErrors.0.code") != "CONFLICT" {
		t.Errorf("a set that rows are for was removed: %v", gone)
	}
	if wrong := c.must(deck, map[string]any{"zone": "No/Where"}); wrong.text("deckPut.userErrors.0.path") != "input.timeZone" {
		t.Errorf("%v", wrong)
	}
	list := c.must(`{ originSets(first: 5) { nodes { key } } deckMappings(first: 5, company: "company:acme") { nodes { key } } deckColumns }`, nil)
	if list.text("originSets.nodes.0.key") != "eu" || list.len("deckColumns") < 20 {
		t.Errorf("%v", list)
	}
}
