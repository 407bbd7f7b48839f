package guard_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
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

// Whatever happens, in whatever order: a view that reads the whole book and then the
// whole log stands where the one stands that saw them grow together.
func TestRestartAnywhere(t *testing.T) {
	accounts, numbers := []string{"a", "b"}, map[string]string{"4420": "UK", "4421": "UK", "4930": "Germany"}
	rapid.Check(t, func(rt *rapid.T) {
		type running struct {
			id events.CallID
			attempt
		}
		s, at, open := newScene(t), noon, []running(nil)
		some := func() attempt {
			a := attempt{account: rapid.SampledFrom(accounts).Draw(rt, "account"), hold: rapid.Int64Range(0, 90).Draw(rt, "hold"), at: at}
			a.called = rapid.SampledFrom([]string{"4420", "4421", "4930"}).Draw(rt, "called")
			a.destination = numbers[a.called]
			return a
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			at += rapid.Int64Range(1, 20*minute).Draw(rt, "later")
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0:
				g := &wire.GuardRule{
					Id: rapid.SampledFrom([]string{"r1", "r2", "r3"}).Draw(rt, "rule"), Disabled: rapid.IntRange(0, 5).Draw(rt, "off") == 0,
					Measure: wire.GuardMeasure(rapid.IntRange(0, 5).Draw(rt, "measure")), WindowS: rapid.SampledFrom([]uint32{600, 3600}).Draw(rt, "window"),
					Calls: 2, AmountMicro: 100, Action: rapid.SampledFrom([]wire.GuardAction{alert, block}).Draw(rt, "action"),
				}
				s.put(at, g)
			case 1:
				for _, trip := range s.guard.Trips(at)[:min(1, len(s.guard.Trips(at)))] {
					lifted, err := s.guard.Lift(trip.ID(), 0, at, "")
					if err != nil {
						rt.Fatal(err)
					}
					s.observed(&wire.Event{Body: &wire.Event_GuardLifted{GuardLifted: lifted}})
				}
			case 2:
				if len(open) > 0 {
					c := open[0]
					s.charge(c.id, at, c.account, c.destination, c.hold/2)
					open = open[1:]
				}
			default:
				a := some()
				if id, said := s.call(a); !strings.HasPrefix(said, "blocks") {
					open = append(open, running{id, a})
				}
			}
		}
		again := guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual())
		again.Apply(s.book...)
		again.Apply(s.obs...)
		snapshots(rt, s.book, s.obs)
		at++
		if diff := cmp.Diff(told(s.guard.Trips(at)), told(again.Trips(at))); diff != "" {
			rt.Fatalf("trips before (-) and after (+):\n%s", diff)
		}
		for _, account := range accounts {
			for called, destination := range numbers {
				for _, later := range []int64{0, 7 * minute, 2 * hour} {
					c := s.of(attempt{account: account, called: called, destination: destination, at: at + later})
					before, after := s.guard.Preview(c), again.Preview(c)
					if before.Rule != after.Rule || len(before.Tripped) != len(after.Tripped) {
						rt.Fatalf("%s calls %s after %d: %v, then %v", account, called, later, before, after)
					}
				}
			}
		}
	})
}

// snapshots cuts both journals somewhere: a view that goes on from a snapshot ends as
// the one it is of, byte for byte.
func snapshots(rt *rapid.T, book, obs []events.Recorded) {
	fresh := func() *guard.View { return guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual()) }
	text := func(v *guard.View) string {
		b, err := v.Snapshot()
		if err != nil {
			rt.Fatal(err)
		}
		return string(b)
	}
	i, j := rapid.IntRange(0, len(book)).Draw(rt, "book"), rapid.IntRange(0, len(obs)).Draw(rt, "log")
	whole, resumed := fresh(), fresh()
	whole.Apply(book[:i]...)
	whole.Apply(obs[:j]...)
	if err := resumed.Restore([]byte(text(whole))); err != nil {
		rt.Fatal(err)
	}
	for _, v := range []*guard.View{whole, resumed} {
		v.Apply(book[i:]...)
		v.Apply(obs[j:]...)
	}
	if diff := cmp.Diff(text(whole), text(resumed)); diff != "" {
		rt.Fatalf("cut at %d and %d, whole (-) and from a snapshot (+):\n%s", i, j, diff)
	}
}

func TestRestoreRefusesAnotherVersion(t *testing.T) {
	v := guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual())
	if err := v.Restore([]byte(`{"Version":9}`)); !errors.Is(err, guard.ErrVersion) {
		t.Error(err)
	}
	if err := v.Restore([]byte(`{"Version":1,"Rules":["AA=="]}`)); err == nil {
		t.Error("a rule that cannot be read was taken")
	}
}

func told(trips []guard.Trip) (out []string) {
	for _, t := range trips {
		out = append(out, fmt.Sprint(t.Rule, t.Account, t.Subject, t.AtUs, t.UntilUs, t.Lifted, t.Blocks))
	}
	return out
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
