package server_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

// TestDecision shows each price of a decision in its own currency, and the numbers
// that went out.
func TestDecision(t *testing.T) {
	f := newFixture(t, noon)
	id := f.answered
	f.observe("log.calls.n1", noon(), &wire.Event{Body: &wire.Event_CallRouted{CallRouted: &wire.CallRouted{
		Call: id[:], Currency: "EUR", SellPriceNano: 5, MarginCurrency: "USD", Plan: "standard",
		Choices: []*wire.RouteChoice{
			{Terminator: "umbrella-fra", Route: "standard/44/umbrella-fra", Currency: "GBP", PriceNano: 3, MarginNano: 2},
			{Terminator: "umbrella-eu", Route: "standard/44/umbrella-eu", Currency: "EUR", PriceNano: 4, MarginNano: 1},
		},
	}}})
	f.observe("log.calls.n1", noon(), &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: id[:], Leg: 3, Terminator: "umbrella-fra", Route: "standard/44/umbrella-fra", CallerOut: "+4420", CalledOut: "99447",
	}}})
	got := f.as("noel").must(`query($id: ID!) { call(id: $id) { decision { currency marginCurrency choices { terminatorId currency callerOut calledOut } } } }`,
		map[string]any{"id": model.CallID(id)})
	const at = "call.decision."
	if got.text(at+"currency") != "EUR" || got.text(at+"marginCurrency") != "USD" || got.text(at+"choices.0.currency") != "GBP" ||
		got.text(at+"choices.0.calledOut") != "99447" || got.text(at+"choices.0.callerOut") != "+4420" || got.at(at+"choices.1.calledOut") != nil {
		t.Errorf("%v", got)
	}
	f.observe("log.audit.n1", noon(), &wire.Event{Body: &wire.Event_BalanceForecast{BalanceForecast: &wire.BalanceForecast{
		Account: "acme-usd", Currency: "USD", Minutes: 5, Calls: 12,
	}}})
	audit := f.as("fiona").must(`{ audit(first: 5, kind: BALANCE_FORECAST) { nodes { actor count note } } }`, nil)
	if audit.len("audit.nodes") != 1 || audit.text("audit.nodes.0.actor") != "account:acme-usd" {
		t.Errorf("%v", audit)
	}
}
