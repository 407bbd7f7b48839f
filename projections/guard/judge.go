package guard

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// Call is one that has a route and asks to be let through.
type Call struct {
	ID events.CallID
	// Originator sends it; his account pays.
	Originator *wire.Originator
	// Called are the digits that it was routed by, Sell is its price.
	Called string
	Sell   *wire.Terms
	AtUS   int64
	// Offset tells how many seconds a time zone is ahead of UTC; nil knows only UTC.
	Offset func(zone string) (seconds int, known bool)
}

// Of is the call that a request for a route is about, at a price.
func Of(r *routing.Request, sell *wire.Terms) Call {
	return Call{ID: r.Call, Originator: r.Originator, Called: r.Called, Sell: sell, AtUS: r.AtUS, Offset: r.Offset}
}

// Verdict is what the rules say of a call.
type Verdict struct {
	// Rule blocks the call; empty lets it pass.
	Rule string
	// Tripped are the rules that this call tripped, to be recorded.
	Tripped []*wire.GuardTripped
}

// rule is one as it judges.
type rule struct {
	*wire.GuardRule
	accounts, except, prefixes map[string]bool
	longest                    int // prefix
}

func newRule(g *wire.GuardRule) *rule {
	r := &rule{GuardRule: g, accounts: set(g.Accounts), except: set(g.ExceptAccounts), prefixes: set(g.Prefixes)}
	for p := range r.prefixes {
		r.longest = max(r.longest, len(p))
	}
	return r
}

func set(list []string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, s := range list {
		out[s] = true
	}
	return out
}

// judges tells whether a call is one of those that the rule is for.
func (r *rule) judges(c *Call) bool {
	account := c.Originator.Account
	switch {
	case r.Disabled || r.except[account] || len(r.accounts) > 0 && !r.accounts[account]:
		return false
	case r.Currency != "" && r.Currency != rating.Currency(c.Sell):
		return false
	case r.PriceFromNano > 0 && price(c.Sell) < r.PriceFromNano:
		return false
	case len(r.prefixes) > 0 && !r.hasPrefix(c.Called):
		return false
	}
	return len(r.Hours) == 0 || routing.Open(r.Hours, r.TimeZone, c.AtUS, c.Offset)
}

func (r *rule) hasPrefix(called string) bool {
	for n := min(r.longest, len(called)); n > 0; n-- {
		if r.prefixes[called[:n]] {
			return true
		}
	}
	return false
}

// untilUS is when a trip at an instant is over.
func (r *rule) untilUS(atUS int64) int64 {
	s := r.WindowS
	if r.Action == wire.GuardAction_GUARD_ACTION_BLOCK && r.BlockS > 0 {
		s = r.BlockS
	}
	return atUS + int64(s)*second
}

// subject is the number or the destination that a rule counts.
func (r *rule) subject(c *Call) string {
	if r.Measure == wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER {
		return c.Called
	}
	return Destination(c.Sell)
}

// Judge asks all rules about a call that has a price, and takes note of those that it
// trips: the caller is to record them.
func (v *View) Judge(c Call) Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.arrived(c.ID, true, true) // it may be judged again, by a newer catalog
	verdict := v.judge(&c)
	if verdict.Rule == "" {
		v.expect(&c)
	}
	verdict.Tripped = slices.DeleteFunc(verdict.Tripped, func(e *wire.GuardTripped) bool { return !v.keep(e) })
	return verdict
}

// Preview is what Judge would say, and changes nothing.
func (v *View) Preview(c Call) Verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.judge(&c)
}

func (v *View) judge(c *Call) Verdict {
	var verdict Verdict
	for _, r := range v.rules {
		if !r.judges(c) {
			continue
		}
		about := r.subject(c)
		last := v.trips[trip{r.Id, place{c.Originator.Account, about}}]
		active := last != nil && c.AtUS < last.UntilUs
		if active && last.Lifted {
			continue
		}
		if !active {
			e := v.over(r, c, about)
			if e == nil {
				continue
			}
			verdict.Tripped = append(verdict.Tripped, e)
		}
		if verdict.Rule == "" && r.Action == wire.GuardAction_GUARD_ACTION_BLOCK {
			verdict.Rule = r.Id
		}
	}
	return verdict
}

// over is the event of a rule that a call trips; nil if it does not.
func (v *View) over(r *rule, c *Call, about string) *wire.GuardTripped {
	m, p := measure{r.Measure, r.WindowS}, place{c.Originator.Account, about}
	tripped, count, spent := false, int64(0), int64(0)
	switch r.Measure {
	case wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL:
		tripped = true
	case wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION:
		number := r.Measure == wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER
		s := subject{p, number}
		count = v.counters[s][m].sum(m.slot(c.AtUS)) + v.ahead[s] + 1
		tripped = count > int64(r.Calls)
	case wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION:
		spent = v.counters[subject{place: p}][m].sum(m.slot(c.AtUS)) + v.holding[p]
		tripped = spent >= r.AmountMicro
	case wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION:
		last, known := v.seen[p]
		tripped = !known && !v.full["destinations"] || known && last <= c.AtUS-int64(r.WindowS)*second
	}
	if !tripped {
		return nil
	}
	return &wire.GuardTripped{
		Node: v.node, Rule: r.Id, Action: r.Action, Measure: r.Measure, Account: p.account, Company: c.Originator.Company,
		Originator: c.Originator.Id, Subject: about, Called: c.Called, Destination: Destination(c.Sell), WindowS: r.WindowS,
		Count: uint64(count), AmountMicro: spent, Currency: rating.Currency(c.Sell), Call: c.ID[:], AtUs: c.AtUS, UntilUs: r.untilUS(c.AtUS),
	}
}
