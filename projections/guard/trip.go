package guard

import (
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// trip is what a rule trips once for: an account and a number or a destination.
type trip struct {
	rule string
	place
}

// Trip is a rule that was tripped, until it is over.
type Trip struct {
	// GuardTripped is the event; its until_us is that of the lift, if there was one.
	*wire.GuardTripped
	// Lifted lets the calls pass until then.
	Lifted bool
	// Blocks says that the rule refuses the calls, as it stands now.
	Blocks bool
}

// ID names a trip: a rule is tripped once by a call.
func (t *Trip) ID() string { return t.Rule + "/" + events.CallID(t.Call).String() }

// keep takes note of a trip. It is false where there is no room for it. The same one
// again changes nothing: it comes from the call, and then from the log.
func (v *View) keep(e *wire.GuardTripped) bool {
	if _, err := events.CallIDFrom(e.Call); err != nil {
		return false
	}
	key := trip{e.Rule, place{e.Account, e.Subject}}
	if old := v.trips[key]; old != nil {
		if old.AtUs < e.AtUs {
			v.trips[key] = &Trip{GuardTripped: e}
		}
		return true
	}
	if !v.room("trips", len(v.trips), v.bounds.Trips, e.AtUs, func() {
		for k, t := range v.trips {
			if t.UntilUs <= e.AtUs {
				delete(v.trips, k)
			}
		}
	}, func() int { return len(v.trips) }) {
		return false
	}
	v.trips[key] = &Trip{GuardTripped: e}
	return true
}

// lift lets a trip's calls pass.
func (v *View) lift(e *wire.GuardLifted) {
	key := trip{e.Rule, place{e.Account, e.Subject}}
	old := v.trips[key]
	if old == nil || old.AtUs != e.TrippedAtUs {
		return
	}
	lifted := &wire.GuardTripped{
		Node: old.Node, Rule: old.Rule, Action: old.Action, Measure: old.Measure, Account: old.Account, Company: old.Company,
		Originator: old.Originator, Subject: old.Subject, Called: old.Called, Destination: old.Destination, WindowS: old.WindowS,
		Count: old.Count, AmountMicro: old.AmountMicro, Currency: old.Currency, Call: old.Call, AtUs: old.AtUs, UntilUs: e.UntilUs,
	}
	v.trips[key] = &Trip{GuardTripped: lifted, Lifted: true}
}

// maxLift is how long a lift may last.
const maxLift = memory

// Lift is the event that lets a trip's calls pass until an instant, or, if that is 0,
// until the trip would be over. The caller is to record it.
func (v *View) Lift(id string, untilUS, nowUS int64, note string) (*wire.GuardLifted, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.trips {
		if t.ID() != id || t.UntilUs <= nowUS {
			continue
		}
		if untilUS == 0 {
			untilUS = t.UntilUs
		}
		if untilUS <= nowUS || untilUS > nowUS+maxLift {
			return nil, events.Invalid("a lift ends within 90 days from now").At("input.until")
		}
		e := &wire.GuardLifted{
			Rule: t.Rule, Account: t.Account, Subject: t.Subject, TrippedAtUs: t.AtUs, UntilUs: untilUS, Note: note,
		}
		v.lift(e)
		return e, nil
	}
	return nil, events.NotFound("no such trip is active")
}

// Trips are those that are not over and whose rule is in force, by id.
func (v *View) Trips(nowUS int64) []Trip {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []Trip
	for _, t := range v.trips {
		at := slices.IndexFunc(v.rules, func(r *rule) bool { return r.Id == t.Rule && !r.Disabled })
		if at < 0 || t.UntilUs <= nowUS {
			continue
		}
		blocks := v.rules[at].Action == wire.GuardAction_GUARD_ACTION_BLOCK && !t.Lifted
		out = append(out, Trip{GuardTripped: t.GuardTripped, Lifted: t.Lifted, Blocks: blocks})
	}
	slices.SortFunc(out, func(a, b Trip) int { return strings.Compare(a.ID(), b.ID()) })
	return out
}
