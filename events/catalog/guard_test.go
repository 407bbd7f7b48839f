package catalog_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func guardRule() *wire.GuardRule {
	return &wire.GuardRule{
		Id: "g", Name: "repeated", Accounts: []string{"cust"}, Measure: wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER,
		WindowS: 3600, Calls: 10, Action: wire.GuardAction_GUARD_ACTION_BLOCK, BlockS: 600,
	}
}

func TestGuardRulesRefuse(t *testing.T) {
	const (
		every = wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL
		spend = wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION
		fresh = wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION
	)
	// measures empties the rule of what counts, and measures something else.
	measures := func(m wire.GuardMeasure) *wire.GuardRule {
		g := guardRule()
		g.Measure, g.Calls = m, 0
		return g
	}
	for _, c := range []struct {
		name  string
		rule  *wire.GuardRule
		spoil func(*wire.GuardRule)
		want  string // empty for none
	}{
		{"right", guardRule(), func(*wire.GuardRule) {}, ""},
		{"new destination", measures(fresh), func(g *wire.GuardRule) { g.WindowS = 90 * 86400 }, ""},
		{"spend", measures(spend), func(g *wire.GuardRule) { g.AmountMicro, g.Currency = 1, "USD" }, ""},
		{"dear calls", measures(every), func(g *wire.GuardRule) {
			g.Accounts, g.ExceptAccounts, g.PriceFromNano, g.Currency = nil, []string{"cust"}, 1, "USD"
		}, ""},
		{"no account", guardRule(), func(g *wire.GuardRule) { g.Accounts = []string{"who"} }, "needs account who"},
		{"no exception", guardRule(), func(g *wire.GuardRule) { g.ExceptAccounts = []string{"who"} }, "needs account who"},
		{"both", guardRule(), func(g *wire.GuardRule) { g.ExceptAccounts = []string{"cust"} }, "except_accounts.0: cust is among"},
		{"prefix", guardRule(), func(g *wire.GuardRule) { g.Prefixes = []string{"44", "+1"} }, "prefixes.1"},
		{"no measure", guardRule(), func(g *wire.GuardRule) { g.Measure = 0 }, "the measure must be"},
		{"no action", guardRule(), func(g *wire.GuardRule) { g.Action = 0 }, "must be alert or block"},
		{"unknown action", guardRule(), func(g *wire.GuardRule) { g.Action = 9 }, "must be alert or block"},
		{"short window", guardRule(), func(g *wire.GuardRule) { g.WindowS = 59 }, "59 s is not 60 to 86400"},
		{"long window", guardRule(), func(g *wire.GuardRule) { g.WindowS = 86401 }, "is not 60 to 86400"},
		{"too long ago", measures(fresh), func(g *wire.GuardRule) { g.WindowS = 90*86400 + 1 }, "is not 60 to 7776000"},
		{"how many", guardRule(), func(g *wire.GuardRule) { g.Calls = 0 }, "say how many are let through"},
		{"too many", guardRule(), func(g *wire.GuardRule) { g.Calls = 1_000_001 }, "at most 1000000"},
		{"how many new ones", measures(fresh), func(g *wire.GuardRule) { g.Calls = 1 }, "and only they"},
		{"how much", measures(spend), func(g *wire.GuardRule) { g.Currency = "USD" }, "have an amount"},
		{"of what", measures(spend), func(g *wire.GuardRule) { g.AmountMicro = 1 }, "currency of the price or the amount is missing"},
		{"seconds", measures(spend), func(g *wire.GuardRule) { g.AmountMicro, g.Currency = 1, "SEC" }, "a currency of money is needed"},
		{"an amount of calls", guardRule(), func(g *wire.GuardRule) { g.AmountMicro, g.Currency = 1, "USD" }, "rules of spend, and only they"},
		{"a price below zero", guardRule(), func(g *wire.GuardRule) { g.PriceFromNano = -1 }, "price is negative"},
		{"everything", measures(every), func(g *wire.GuardRule) { g.Accounts = nil }, "for each call of everybody"},
		{"an alert's block", guardRule(), func(g *wire.GuardRule) { g.Action = wire.GuardAction_GUARD_ACTION_ALERT }, "only a rule whose action is block"},
		{"block", guardRule(), func(g *wire.GuardRule) { g.BlockS = 1 }, "a block lasts 60"},
		{"hours", guardRule(), func(g *wire.GuardRule) { g.Hours = []*wire.Hours{{FromMinute: 5, ToMinute: 5}} }, "hours.0: 5 to 5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil(c.rule)
			_, err := world(t, small()...).Decide(now, changes([]any{c.rule}))
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestGuardRulesAreBounded(t *testing.T) {
	var rules []any
	for i := range 201 {
		g := guardRule()
		g.Id = fmt.Sprintf("g%d", i)
		rules = append(rules, g)
	}
	if _, err := world(t, small()...).Decide(now, changes(rules)); err == nil || !strings.Contains(err.Error(), "at most 200 are allowed") {
		t.Error(err)
	}
	s := world(t, append(small(), guardRule())...)
	if s.GuardRule("g").GetCalls() != 10 || s.GuardRule("h") != nil {
		t.Error("a rule cannot be found")
	}
	if _, err := s.Decide(now, []*wire.ExpectedChange{{Change: &wire.Change{Remove: true, Entity: catalog.EntityOf(guardRule())}}}); err != nil {
		t.Error(err)
	}
}
