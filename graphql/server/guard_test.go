package server_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const guardPut = `mutation($i: GuardRulePutInput!) { guardRulePut(input: $i) { guardRule {
	id key name disabled accountIds exceptAccountIds prefixes priceFrom currency hours { fromMinute toMinute } timeZone
	measure window calls amount action block } userErrors { code path message } } }`

// TestGuardRules puts every field of a rule and reads it back.
func TestGuardRules(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	got := c.must(guardPut, map[string]any{"i": map[string]any{
		"key": "spend", "name": "Spend", "disabled": true, "accounts": []string{"account:acme-usd"}, "exceptAccounts": []string{"account:initech-eur"},
		"prefixes": []string{"44"}, "priceFrom": "0.25", "currency": "USD", "hours": []any{map[string]any{"fromMinute": 0, "toMinute": 360}},
		"timeZone": "Europe/Riga", "measure": "SPEND_ON_DESTINATION", "window": 3600, "amount": "99.5", "action": "BLOCK", "block": 600,
	}})
	want := &wire.GuardRule{
		Id: "spend", Name: "Spend", Disabled: true, Accounts: []string{"acme-usd"}, ExceptAccounts: []string{"initech-eur"}, Prefixes: []string{"44"},
		PriceFromNano: 250_000_000, Currency: "USD", Hours: []*wire.Hours{{ToMinute: 360}}, TimeZone: "Europe/Riga",
		Measure: wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION, WindowS: 3600, AmountMicro: 99_500_000,
		Action: wire.GuardAction_GUARD_ACTION_BLOCK, BlockS: 600,
	}
	if rule := f.Catalog().GuardRule("spend"); rule.String() != want.String() {
		t.Errorf("%v\nwant %v\n%v", rule, want, got)
	}
	for path, value := range map[string]string{
		"id": "guard-rule:spend", "accountIds.0": "account:acme-usd", "exceptAccountIds.0": "account:initech-eur", "priceFrom": "0.250000000",
		"currency": "USD", "timeZone": "Europe/Riga", "measure": "SPEND_ON_DESTINATION", "amount": "99.500000", "action": "BLOCK",
	} {
		if got.text("guardRulePut.guardRule."+path) != value {
			t.Errorf("%s: %v, want %s", path, got.at("guardRulePut.guardRule."+path), value)
		}
	}
	// A part that is left out stays.
	c.must(guardPut, map[string]any{"i": map[string]any{"key": "spend", "disabled": false, "exceptAccounts": []string{}}})
	if rule := f.Catalog().GuardRule("spend"); rule.Disabled || len(rule.ExceptAccounts) != 0 || rule.AmountMicro != want.AmountMicro {
		t.Errorf("%v", rule)
	}
	for _, wrong := range []map[string]any{
		{"key": "new", "measure": "CALLS_TO_NUMBER", "window": 3600, "action": "ALERT"},
		{"key": "new", "measure": "NEW_DESTINATION", "window": -1, "action": "ALERT"},
		{"key": "new"},
	} {
		if got := c.must(guardPut, map[string]any{"i": wrong}); got.text("guardRulePut.userErrors.0.code") != "INVALID" {
			t.Errorf("%v: %v", wrong, got)
		}
	}
	read := c.must(`{ guardRules(first: 5) { nodes { key } } node(id: "guard-rule:spend") { ... on GuardRule { key } } }`, nil)
	if read.len("guardRules.nodes") != 1 || read.text("node.key") != "spend" {
		t.Errorf("%v", read)
	}
	c.must(`mutation { guardRuleRemove(input: {id: "guard-rule:spend"}) { removedId userErrors { code } } }`, nil)
	if f.Catalog().GuardRule("spend") != nil {
		t.Error("the rule is still there")
	}
}

// trip records that a call tripped a rule.
func (f *fixture) trip(call events.CallID, account, rule string) {
	us := f.now().UnixMicro()
	f.observe("log.calls.n1", f.now(), &wire.Event{Actor: "node:n1", Body: &wire.Event_GuardTripped{GuardTripped: &wire.GuardTripped{
		Node: "n1", Rule: rule, Action: wire.GuardAction_GUARD_ACTION_BLOCK, Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER,
		Account: account, Originator: "o", Subject: "447700900123", Called: "447700900123", Destination: "United Kingdom mobile",
		WindowS: 3600, Count: 11, Call: call[:], AtUs: us, UntilUs: us + 600_000_000,
	}}})
}

const guardTrips = `{ guardTrips(first: 10) { nodes { id ruleId subject blocks lifted count spent { amount } account { key } callId until } } }`

// TestGuardTrips has a trip of each of two companies: who sees them, who may lift
// them, and what the audit says of it.
func TestGuardTrips(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	c.must(guardPut, map[string]any{"i": map[string]any{"key": "again", "measure": "CALLS_TO_NUMBER", "window": 3600, "calls": 10, "action": "BLOCK"}})
	f.trip(f.answered, "acme-usd", "again")
	f.trip(f.other, "initech-eur", "again")
	for who, want := range map[string]string{"noel": "acme-usd initech-eur", "fiona": "acme-usd initech-eur", "adam": "acme-usd", "bert": "initech-eur"} {
		got := f.as(who).must(guardTrips, nil)
		seen := []string{}
		for i := range got.len("guardTrips.nodes") {
			seen = append(seen, got.text("guardTrips.nodes."+itoa64(uint64(i))+".account.key"))
		}
		for _, account := range strings.Fields(want) {
			if !strings.Contains(strings.Join(seen, " "), account) || len(seen) != len(strings.Fields(want)) {
				t.Errorf("%s sees the trips of %v, want %s", who, seen, want)
			}
		}
	}
	simulation := map[string]any{"i": map[string]any{"originator": "originator:acme-1", "called": "447700900123"}}
	const simulateGuard = `query($i: RouteSimulateInput!) { routeSimulate(input: $i) { decision { refused guardRuleId } } }`
	if got := c.must(simulateGuard, simulation); got.text("routeSimulate.decision.guardRuleId") != "guard-rule:again" || got.text("routeSimulate.decision.refused") != "guarded" {
		t.Errorf("%v", got)
	}

	if got := c.must(`{ guardFull }`, nil); got.text("guardFull.0") != "counters" {
		t.Errorf("%v", got)
	}
	lift := `mutation($i: GuardLiftInput!) { guardLift(input: $i) { trip { lifted blocks until } userErrors { code path } } }`
	mine := f.as("adam").must(guardTrips, nil).text("guardTrips.nodes.0.id")
	for _, who := range []string{"adam", "fiona"} {
		f.as(who).refused("FORBIDDEN", lift, map[string]any{"i": map[string]any{"trip": mine}})
	}
	for _, wrong := range []struct {
		input map[string]any
		code  string
	}{
		{map[string]any{"trip": "guard-trip:again/none"}, "NOT_FOUND"},
		{map[string]any{"trip": mine, "until": "2001-01-01T00:00:00Z"}, "INVALID"},
		{map[string]any{"trip": mine, "note": strings.Repeat("x", 501)}, "INVALID"},
	} {
		if got := c.must(lift, map[string]any{"i": wrong.input}); got.text("guardLift.userErrors.0.code") != wrong.code {
			t.Errorf("%v: %v", wrong.input, got)
		}
	}
	got := c.must(lift, map[string]any{"i": map[string]any{"trip": mine, "note": "their hotline"}})
	if got.at("guardLift.trip.lifted") != true || got.at("guardLift.trip.blocks") != false {
		t.Errorf("%v", got)
	}
	if got := c.must(simulateGuard, simulation); got.at("routeSimulate.decision.guardRuleId") != nil {
		t.Errorf("blocked after the lift: %v", got)
	}

	audit := c.must(`{ tripped: audit(first: 5, kind: GUARD_TRIPPED) { nodes { actor note node } } lifted: audit(first: 5, kind: GUARD_LIFTED) { nodes { actor note } } }`, nil)
	if audit.len("tripped.nodes") != 2 || !strings.Contains(audit.text("tripped.nodes.0.note"), "guard rule again: 11 calls to 447700900123 in 1h0m0s; blocked until ") {
		t.Errorf("%v", audit)
	}
	if note := audit.text("lifted.nodes.0.note"); audit.text("lifted.nodes.0.actor") != "user:noel" || !strings.HasSuffix(note, ": their hotline") {
		t.Errorf("%v", audit)
	}
	story := `{ call(id: "` + f.answered.String() + `") { events { kind text } } }`
	if got := c.send(c.request(story, nil)).Body.String(); !strings.Contains(got, "trips guard rule again") {
		t.Errorf("the call's story says nothing of it: %s", got)
	}
	if got := f.as("adam").must(`{ node(id: "guard-rule:again") { id } }`, nil); got.at("node") != nil {
		t.Errorf("a partner reads a rule: %v", got)
	}
	if got := f.as("adam").send(f.as("adam").request(story, nil)).Body.String(); strings.Contains(got, "guard rule") {
		t.Errorf("a partner is told the rules: %s", got)
	}
}
