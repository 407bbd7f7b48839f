package guard_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/guard"
)

// A restart reads the book, then the log: what is counted and blocked is the same.
func TestRestart(t *testing.T) {
	rules := []*wire.GuardRule{
		{Id: "number", Measure: toNumber, Calls: 2}, {Id: "place", Measure: toPlace, Calls: 4, Action: alert},
		{Id: "spend", Measure: spend, AmountMicro: 500, Currency: "USD"}, {Id: "new", Measure: newPlace, Action: alert},
	}
	s := newScene(t)
	a := attempt{account: "a", called: "4420", destination: "UK", at: noon, hold: 100}
	b := attempt{account: "b", called: "4930", destination: "Germany", at: noon, hold: 600}
	s.want(a, "") // before the rules: not counted then, nor later
	s.put(noon+1, rules...)
	a.at, b.at = noon+2, noon+2
	s.want(a, "")
	s.want(a, "")
	s.want(a, "blocks number; number")
	s.want(b, "new")
	s.want(b, "blocks spend; spend")
	lifted, err := s.guard.Lift(s.guard.Trips(noon + 2)[0].ID(), 0, noon+2, "")
	if err != nil {
		t.Fatal(err)
	}
	s.observed(&wire.Event{Body: &wire.Event_GuardLifted{GuardLifted: lifted}})

	again := guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual())
	again.Apply(s.book...)
	again.Apply(s.obs...)
	show := func(v *guard.View) (out []string) {
		for _, t := range v.Trips(noon + 3) {
			out = append(out, fmt.Sprintf("%s %s %s lifted %v blocks %v %v", t.Rule, t.Account, t.Subject, t.Lifted, t.Blocks, t.UntilUs))
		}
		for _, c := range []attempt{a, b, {account: "a", called: "4421", destination: "UK"}, {account: "c", called: "4421", destination: "UK"}} {
			for at := noon + 3; at < noon+3*hour; at += 11 * minute {
				c.at = at
				verdict := v.Preview(s.of(c))
				out = append(out, fmt.Sprint(c.account, c.called, at, verdict.Rule, len(verdict.Tripped)))
			}
		}
		return out
	}
	if diff := cmp.Diff(show(s.guard), show(again)); diff != "" {
		t.Errorf("after the restart (+) it is not as before (-):\n%s", diff)
	}
}

// What has no room is not counted, which is told once; what is counted already goes on.
func TestBounds(t *testing.T) {
	s := newScene(t)
	s.guard = guard.New("n1", slog.New(slog.NewTextHandler(&s.log, nil)), guard.Bounds{Counters: 3, Seen: 2, Open: 10, Trips: 1})
	s.put(noon-day, &wire.GuardRule{Id: "n", Measure: toNumber, Calls: 1}, &wire.GuardRule{Id: "new", Measure: newPlace, Action: alert})
	call := func(number, destination string, at int64) string {
		_, said := s.call(attempt{account: "a", called: number, destination: destination, at: at})
		return said
	}
	for i, want := range []string{"new", "", ""} { // only one trip has room: others are not recorded, and not told
		if got := call(fmt.Sprint(10+i), fmt.Sprint("place", i), noon); got != want {
			t.Errorf("%d: %q", i, got)
		}
	}
	call("20", "place0", noon)
	if got := call("20", "place0", noon); got != "" {
		t.Errorf("a number without room is counted: %q", got)
	}
	if got := call("10", "place0", noon); got != "blocks n;" { // blocked, though the trip has no room
		t.Errorf("a counted number: %q", got)
	}
	if got := fmt.Sprint(s.guard.Full()); got != "[counters destinations trips]" {
		t.Error(got)
	}
	for _, part := range []string{"counters", "destinations", "trips"} {
		if n := strings.Count(s.log.String(), "part="+part); n != 1 {
			t.Errorf("%s: told %d times\n%s", part, n, s.log.String())
		}
	}
	// Much later there is room again.
	later := noon + 100*day
	call("20", "place9", later)
	if got := call("20", "place9", later); got != "blocks n; n" {
		t.Errorf("%q; %s", got, s.log.String())
	}
	if full := s.guard.Full(); len(full) != 0 {
		t.Errorf("still full: %v", full)
	}
}
