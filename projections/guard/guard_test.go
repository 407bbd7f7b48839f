package guard_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/guard"
)

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
	// noon is that of Thursday, 2027-01-14, UTC.
	noon = 1_799_928_000 * second

	every      = wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL
	toNumber   = wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER
	toPlace    = wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION
	spend      = wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION
	newPlace   = wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION
	alert      = wire.GuardAction_GUARD_ACTION_ALERT
	block      = wire.GuardAction_GUARD_ACTION_BLOCK
	callerSide = wire.Side_SIDE_SELL
)

// scene is a guard and the journals that made it.
type scene struct {
	t         *testing.T
	guard     *guard.View
	log       bytes.Buffer
	book, obs []events.Recorded
	serial    int
}

func newScene(t *testing.T, rules ...*wire.GuardRule) *scene {
	s := &scene{t: t}
	s.guard = guard.New("n1", slog.New(slog.NewTextHandler(&s.log, nil)), guard.Usual())
	s.put(noon-day, rules...)
	return s
}

func (s *scene) decided(us int64, e *wire.Event) {
	r := events.Recorded{Journal: "book", TimeUS: us, Event: e}
	s.book = append(s.book, r)
	s.guard.Apply(r)
}

func (s *scene) observed(e *wire.Event) {
	r := events.Recorded{Journal: "log.calls.n1", Event: e}
	s.obs = append(s.obs, r)
	s.guard.Apply(r)
}

// put edits rules; one without a measure is removed.
func (s *scene) put(us int64, rules ...*wire.GuardRule) {
	set := &wire.ChangeSetAccepted{}
	for _, g := range rules {
		if g.WindowS == 0 {
			g.WindowS = 3600
		}
		if g.Action == 0 {
			g.Action = block
		}
		set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(g), Remove: g.Measure == 0})
	}
	s.decided(us, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
}

// attempt is a call of an account; it costs a dollar a minute unless it says otherwise.
type attempt struct {
	account, called, destination string
	nano                         int64
	at                           int64
	refused                      string
	hold                         int64 // micro
}

func (s *scene) of(a attempt) guard.Call {
	s.serial++
	if a.nano == 0 {
		a.nano = 1_000_000_000
	}
	return guard.Call{
		ID: events.CallID(events.KeyOf(fmt.Sprint(s.serial))), Called: a.called, AtUS: a.at,
		Originator: &wire.Originator{Id: "o-" + a.account, Company: "co", Account: a.account},
		Sell:       &wire.Terms{Destination: a.destination, Prefix: "44", Currency: "USD", PriceFirstNano: a.nano, PriceNextNano: a.nano},
	}
}

// call asks the guard, and has the call take place if it is let through. It gives
// the rule that blocks it and those that it trips.
func (s *scene) call(a attempt) (events.CallID, string) {
	c := s.of(a)
	body := &wire.CallReceived{Call: c.ID[:], Account: a.account, CalledRouted: "+" + a.called, AtUs: a.at}
	s.observed(&wire.Event{Body: &wire.Event_CallReceived{CallReceived: body}})
	verdict := s.guard.Judge(c)
	said := "blocks " + verdict.Rule + ";"
	if verdict.Rule == "" {
		said = ""
	}
	for _, e := range verdict.Tripped {
		said += " " + e.Rule
		s.observed(&wire.Event{Body: &wire.Event_GuardTripped{GuardTripped: e}})
	}
	routed := &wire.CallRouted{Call: c.ID[:], AtUs: a.at, Refused: a.refused}
	if verdict.Rule != "" {
		routed.Refused = "guarded"
	}
	if routed.Refused == "" {
		s.decided(a.at, &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: &wire.HoldPlaced{
			Call: c.ID[:], Lines: []*wire.HoldLine{{Payer: a.account, Sell: c.Sell, AmountMicro: a.hold}}}}})
	}
	s.observed(&wire.Event{Body: &wire.Event_CallRouted{CallRouted: routed}})
	return c.ID, strings.TrimSpace(said)
}

func (s *scene) want(a attempt, want string) events.CallID {
	s.t.Helper()
	id, got := s.call(a)
	if got != want {
		s.t.Errorf("%+v: %q, want %q", a, got, want)
	}
	return id
}

func (s *scene) charge(id events.CallID, us int64, account, destination string, micro int64) {
	s.decided(us, &wire.Event{Body: &wire.Event_CallCharged{CallCharged: &wire.CallCharged{Call: id[:], Lines: []*wire.PriceLine{
		{Side: callerSide, Account: account, GrossMicro: micro, Terms: &wire.Terms{Destination: destination, Prefix: "44"}},
		{Side: wire.Side_SIDE_BUY, Account: "vendor", GrossMicro: 9 * micro, Terms: &wire.Terms{Destination: destination}},
	}}}})
}

func TestFiltersSayWhichCallsAreJudged(t *testing.T) {
	plain := attempt{account: "a", called: "4420", destination: "UK", at: noon}
	for _, c := range []struct {
		name string
		rule *wire.GuardRule
		with attempt
		want bool
	}{
		{"all", &wire.GuardRule{}, plain, true},
		{"disabled", &wire.GuardRule{Disabled: true}, plain, false},
		{"its account", &wire.GuardRule{Accounts: []string{"b", "a"}}, plain, true},
		{"another account", &wire.GuardRule{Accounts: []string{"b"}}, plain, false},
		{"allowed", &wire.GuardRule{ExceptAccounts: []string{"a"}}, plain, false},
		{"another allowed", &wire.GuardRule{ExceptAccounts: []string{"b"}}, plain, true},
		{"prefix", &wire.GuardRule{Prefixes: []string{"1", "442"}}, plain, true},
		{"longer prefix", &wire.GuardRule{Prefixes: []string{"44201"}}, plain, false},
		{"dear", &wire.GuardRule{PriceFromNano: 1_000_000_000, Currency: "USD"}, plain, true},
		{"not so dear", &wire.GuardRule{PriceFromNano: 1_000_000_001, Currency: "USD"}, plain, false},
		{"other money", &wire.GuardRule{PriceFromNano: 1, Currency: "EUR"}, plain, false},
		{"at noon", &wire.GuardRule{Hours: []*wire.Hours{{FromMinute: 3*1440 + 720, ToMinute: 3*1440 + 721}}}, plain, true},
		{"at night", &wire.GuardRule{Hours: []*wire.Hours{{FromMinute: 3*1440 + 721, ToMinute: 3*1440 + 720}}}, plain, false},
		{"in Berlin", &wire.GuardRule{TimeZone: "Europe/Berlin", Hours: []*wire.Hours{{FromMinute: 3*1440 + 780, ToMinute: 3*1440 + 781}}}, plain, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.Id, c.rule.Measure = "r", every
			s := newScene(t, c.rule)
			call := s.of(c.with)
			call.Offset = func(zone string) (int, bool) { return 3600, zone == "Europe/Berlin" }
			if got := s.guard.Preview(call).Rule == "r"; got != c.want {
				t.Errorf("judged: %v, want %v", got, c.want)
			}
		})
	}
}

// A converted price is compared in the payer's currency.
func TestPriceInThePayersCurrency(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "r", Measure: every, PriceFromNano: 1_100_000_000, Currency: "EUR"})
	for rate, want := range map[int64]string{1_100_000_000_000: "r", 1_099_999_999_999: ""} {
		c := s.of(attempt{account: "a", called: "44", at: noon})
		c.Sell.AccountCurrency, c.Sell.ExchangeE12 = "EUR", rate
		if got := s.guard.Preview(c).Rule; got != want {
			t.Errorf("at %d: %q, want %q", rate, got, want)
		}
	}
}

func TestRepeatedNumber(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "r", Measure: toNumber, Calls: 3, BlockS: 600})
	a := attempt{account: "a", called: "4420", at: noon}
	no := a
	no.refused = "no_route"
	s.want(no, "") // what goes nowhere is not counted
	for range 3 {
		s.want(a, "")
	}
	s.want(a, "blocks r; r")
	s.want(a, "blocks r;") // told once
	other := a
	other.called = "4421"
	s.want(other, "")
	other = a
	other.account = "b"
	s.want(other, "")
	a.at += 600*second - 1
	s.want(a, "blocks r;")
	a.at++
	s.want(a, "blocks r; r") // the calls still count
	a.at = noon + 2*hour
	s.want(a, "")
}

// Calls that come at once see each other, before any event tells of them; one that
// came to nothing makes room again.
func TestBurst(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "number", Measure: toNumber, Calls: 3}, &wire.GuardRule{Id: "place", Measure: toPlace, Calls: 4})
	judge := func(called string) (guard.Call, string) {
		c := s.of(attempt{account: "a", called: called, destination: "UK", at: noon})
		return c, s.guard.Judge(c).Rule
	}
	var calls []guard.Call
	for i, want := range []string{"", "", "", "number"} {
		c, got := judge("4420")
		if got != want {
			t.Errorf("call %d: %q, want %q", i, got, want)
		}
		calls = append(calls, c)
	}
	// The same call again, by a newer catalog: there is a trip by now.
	if again := s.guard.Judge(calls[2]); again.Rule != "number" {
		t.Errorf("%+v", again)
	}
	// That one, and another that the book refuses, leave room for their destination.
	if _, got := judge("4421"); got != "" {
		t.Errorf("the third to the destination: %q", got)
	}
	if _, got := judge("4422"); got != "" {
		t.Errorf("the fourth: %q", got)
	}
	refused := &wire.CallRouted{Call: calls[0].ID[:], AtUs: noon}
	s.observed(&wire.Event{Body: &wire.Event_CallRouted{CallRouted: refused}})
	if _, got := judge("4423"); got != "" {
		t.Errorf("after a refusal: %q", got)
	}
	if _, got := judge("4424"); got != "place" {
		t.Errorf("the fifth: %q", got)
	}
}

func TestAlertLetsPass(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "r", Measure: toPlace, Calls: 2, Action: alert})
	a := attempt{account: "a", called: "4420", destination: "UK", at: noon}
	b := attempt{account: "a", called: "4930", destination: "Germany", at: noon}
	s.want(a, "")
	s.want(a, "")
	s.want(b, "")
	a.called = "4421"
	s.want(a, "r")
	s.want(a, "")
	if trips := s.guard.Trips(noon); len(trips) != 1 || trips[0].Blocks || trips[0].Count != 3 || trips[0].Subject != "UK" || trips[0].Node != "n1" {
		t.Errorf("%+v", trips)
	}
	a.at += hour // the quiet time is over; of the four calls none is an hour old
	s.want(a, "r")
}

func TestNewDestination(t *testing.T) {
	s := newScene(t)
	uk := attempt{account: "a", called: "4420", destination: "UK", at: noon}
	s.want(uk, "") // before there is a rule
	s.put(noon, &wire.GuardRule{Id: "r", Measure: newPlace, WindowS: 7 * 86400, Action: alert})
	uk.at += 7*day - 1
	s.want(uk, "")
	uk.at += 7 * day
	s.want(uk, "r")
	de := attempt{account: "a", called: "4930", destination: "Germany", at: noon}
	s.want(de, "r")
	s.want(de, "")
	de.account = "b"
	s.want(de, "r")
	// Blocked, a call is never let through, and its destination stays new.
	s.put(noon, &wire.GuardRule{Id: "r", Measure: newPlace, WindowS: 7 * 86400, BlockS: 60})
	fr := attempt{account: "a", called: "331", destination: "France", at: noon}
	s.want(fr, "blocks r; r")
	fr.at += minute
	s.want(fr, "blocks r; r")
}

func TestSpend(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "r", Measure: spend, AmountMicro: 100, Currency: "USD", BlockS: 60})
	a := attempt{account: "a", called: "4420", destination: "UK", at: noon, hold: 60}
	first := s.want(a, "")
	second := s.want(a, "") // 60 are held
	s.want(a, "blocks r; r")
	if trips := s.guard.Trips(noon); len(trips) != 1 || trips[0].AmountMicro != 120 || !trips[0].Blocks {
		t.Errorf("%+v", trips)
	}
	a.at += minute
	s.decided(a.at, &wire.Event{Body: &wire.Event_HoldReleased{HoldReleased: &wire.HoldReleased{Call: second[:]}}})
	a.hold = 0
	s.want(a, "")
	s.decided(a.at, &wire.Event{Body: &wire.Event_HoldExtended{HoldExtended: &wire.HoldExtended{Call: first[:], AmountsMicro: []int64{100}}}})
	s.want(a, "blocks r; r")
	a.at += minute
	s.charge(first, a.at, "a", "UK", 99) // less than was held
	s.want(a, "")
	s.charge(s.want(a, ""), a.at, "a", "UK", 1)
	s.want(a, "blocks r; r")
	a.at += 2 * hour
	s.want(a, "")
}

// A spend of one destination is no spend of another, though neither has a name.
func TestDestinationsWithoutAName(t *testing.T) {
	if got := guard.Destination(&wire.Terms{Prefix: "44"}); got != "44" {
		t.Error(got)
	}
	if got := guard.Destination(&wire.Terms{Prefix: "44", Destination: "UK"}); got != "UK" {
		t.Error(got)
	}
}

func TestLift(t *testing.T) {
	s := newScene(t, &wire.GuardRule{Id: "r", Measure: toNumber, Calls: 1, BlockS: 600})
	a := attempt{account: "a", called: "4420", at: noon}
	s.want(a, "")
	s.want(a, "blocks r; r")
	id := s.guard.Trips(noon)[0].ID()
	for name, until := range map[string]int64{"past": noon, "far away": noon + 91*day} {
		if _, err := s.guard.Lift(id, until, noon, ""); events.CodeOf(err) != events.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.guard.Lift("r/who", 0, noon, ""); events.CodeOf(err) != events.CodeNotFound {
		t.Errorf("of no trip: %v", err)
	}
	e, err := s.guard.Lift(id, 0, noon, "their own hotline")
	if err != nil || e.UntilUs != noon+600*second || e.TrippedAtUs != noon || e.Note == "" {
		t.Fatalf("%v, %v", e, err)
	}
	s.observed(&wire.Event{Body: &wire.Event_GuardLifted{GuardLifted: e}})
	if trips := s.guard.Trips(noon); len(trips) != 1 || trips[0].Blocks || !trips[0].Lifted {
		t.Errorf("%+v", trips)
	}
	s.want(a, "")
	a.at += 600 * second
	s.want(a, "blocks r; r") // what was let through counts
	if _, err := s.guard.Lift(id, 0, a.at, ""); events.CodeOf(err) != events.CodeNotFound {
		t.Errorf("of the trip before: %v", err)
	}
	if e, err = s.guard.Lift(s.guard.Trips(a.at)[0].ID(), a.at+day, a.at, ""); err != nil || e.UntilUs != a.at+day {
		t.Errorf("%v, %v", e, err)
	}
	a.at += day - 1
	s.want(a, "")
}

// A rule that is gone, switched off, or allows the account blocks no more.
func TestEditsEndBlocks(t *testing.T) {
	rule := func() *wire.GuardRule { return &wire.GuardRule{Id: "r", Measure: every, Prefixes: []string{"44"}} }
	a := attempt{account: "a", called: "4420", at: noon}
	for name, edit := range map[string]func(*wire.GuardRule){
		"removed":  func(g *wire.GuardRule) { g.Measure = 0 },
		"disabled": func(g *wire.GuardRule) { g.Disabled = true },
		"allowed":  func(g *wire.GuardRule) { g.ExceptAccounts = []string{"a"} },
		"alert":    func(g *wire.GuardRule) { g.Action = alert },
	} {
		s := newScene(t, rule())
		s.want(a, "blocks r; r")
		g := rule()
		edit(g)
		s.put(noon, g)
		s.want(a, "")
		if trips := s.guard.Trips(noon); slices.ContainsFunc(trips, func(t guard.Trip) bool { return t.Blocks }) != (name == "allowed") {
			t.Errorf("%s: %+v", name, trips) // an allowed account's trip stands, and is not asked about
		}
	}
}
