package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"pgregory.net/rapid"
)

// startUS is the beginning of a minute.
const startUS = 1_795_000_020_000_000 / minuteUS * minuteUS

// tape makes events of one node's log and of the book.
type tape struct{ book, log []events.Recorded }

func (t *tape) decided(us int64, e *wire.Event) {
	n := uint64(len(t.book) + 1)
	t.book = append(t.book, events.Recorded{Journal: bookJournal, Sequence: n, Position: n, TimeUS: us, Event: e})
}

func (t *tape) observed(us int64, e *wire.Event) {
	n := uint64(len(t.log) + 1)
	t.log = append(t.log, events.Recorded{Journal: "log.calls.n1", Sequence: n, Position: n, TimeUS: us, Event: e})
}

func newID(n int) (id events.CallID) {
	id[0], id[15] = 1, byte(n)
	return id
}

func (t *tape) received(id events.CallID, us int64) {
	t.observed(us, &wire.Event{Body: &wire.Event_CallReceived{CallReceived: &wire.CallReceived{
		Call: id[:], Node: "n1", Originator: "o", Company: "co", Account: "acc", AtUs: us,
		Caller: "4420", Called: "4930"}}})
}

func (t *tape) hold(id events.CallID, us int64) {
	t.decided(us, &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: &wire.HoldPlaced{
		Call: id[:], Node: "n1", PaidMs: 60000,
		Lines: []*wire.HoldLine{{Payer: "acc", AmountMicro: 5000, Sell: &wire.Terms{Currency: "USD"}}}}}})
}

func (t *tape) attempt(id events.CallID, leg uint32, us int64) {
	t.observed(us, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: id[:], Leg: leg, Terminator: "t", Company: "vc", Account: "v", AtUs: us}}})
}

func (t *tape) ringing(id events.CallID, us int64) {
	t.observed(us, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{Call: id[:], AtUs: us}}})
}

func (t *tape) answered(id events.CallID, leg uint32, us int64) {
	t.observed(us, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{
		Call: id[:], Leg: leg, AtUs: us}}})
}

func (t *tape) ended(id events.CallID, leg uint32, us, rawMS int64) {
	t.observed(us, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
		Call: id[:], Leg: leg, AtUs: us, RawMs: rawMS, SipCode: 200}}})
}

func (t *tape) sign(node string, us int64, silent ...events.CallID) {
	e := &wire.SignOfLife{Node: node, Calls: 1}
	for _, id := range silent {
		e.SilentCalls = append(e.SilentCalls, id[:])
	}
	t.observed(us, &wire.Event{Body: &wire.Event_SignOfLife{SignOfLife: e}})
}

func (t *tape) charged(id events.CallID, us int64) {
	line := func(side wire.Side, net int64) *wire.PriceLine {
		return &wire.PriceLine{Side: side, Terms: &wire.Terms{Currency: "USD"}, NetMicro: net, GrossMicro: net + net/5}
	}
	t.decided(us, &wire.Event{Body: &wire.Event_CallCharged{CallCharged: &wire.CallCharged{Call: id[:],
		Lines: []*wire.PriceLine{line(wire.Side_SIDE_SELL, 1000), line(wire.Side_SIDE_BUY, 600)}}}})
}

func (t *tape) claimed(id events.CallID, us int64, to string) {
	t.decided(us, &wire.Event{Body: &wire.Event_HoldClaimed{HoldClaimed: &wire.HoldClaimed{
		Call: id[:], FromNode: "n1", ToNode: to}}})
}

func TestACallComesAndGoes(t *testing.T) {
	var tape tape
	v, id, us := New(), newID(1), int64(startUS)
	step := func(want State, held int64, terminators int) {
		t.Helper()
		v.Apply(tape.log...)
		v.Apply(tape.book...)
		got, ok := v.Get(id)
		if !ok || got.State != want || got.HeldMicro != held || v.TerminatorCalls("t") != terminators {
			t.Fatalf("got %+v, %d legs at t", got, v.TerminatorCalls("t"))
		}
	}
	tape.received(id, us)
	step(Setup, 0, 0)
	tape.hold(id, us+1000)
	tape.attempt(id, 1, us+2000)
	step(Setup, 5000, 1)
	tape.ended(id, 1, us+3000, 0)
	step(Setup, 5000, 0)
	tape.attempt(id, 2, us+4000)
	tape.ringing(id, us+5000)
	step(Ringing, 5000, 1)
	tape.answered(id, 2, us+6000)
	tape.answered(id, 0, us+7000)
	step(Talking, 5000, 1)
	call, _ := v.Get(id)
	if call.PaidUntilUS != us+7000+60_000_000 || len(call.Legs) != 3 || call.AliveUS != us+7000 {
		t.Errorf("talking: %+v", call)
	}
	tape.ended(id, 2, us+10_007_000, 10_000)
	tape.ended(id, 0, us+10_007_000, 10_000)
	tape.charged(id, us+10_008_000)
	v.Apply(tape.log...)
	v.Apply(tape.book...)
	if _, ok := v.Get(id); ok || v.Counts().Calls != 0 || len(v.holds) != 0 || v.TerminatorCalls("t") != 0 {
		t.Errorf("after the end: %+v, %d holds", v.Counts(), len(v.holds))
	}
	want := Traffic{Attempts: 1, Ended: 1, Answered: 1, TalkMS: 10_000, PDDUS: 5000, PDDCount: 1}
	if got := v.Traffic(us+20_000_000, 5); got != want {
		t.Errorf("traffic: %+v", got)
	}
	if got := v.Traffic(us+6*minuteUS, 5); got != (Traffic{}) {
		t.Errorf("traffic of later minutes: %+v", got)
	}
	money := map[string]Money{"USD": {Calls: 1, ChargedMicro: 1200, SoldMicro: 1000, CostMicro: 600, MarginMicro: 400}}
	if diff := cmp.Diff(money, v.Money(us)); diff != "" {
		t.Error(diff)
	}
}

func TestProofOfLife(t *testing.T) {
	const second = 1_000_000
	var tape tape
	v, id := New(), newID(1)
	tape.hold(id, startUS)
	tape.sign("n1", startUS-second)
	tape.received(id, startUS)
	alive := func(want int64, silent bool) {
		t.Helper()
		v.Apply(tape.log...)
		v.Apply(tape.book...)
		got, ok := v.ProofOfLife(id)
		if !ok || got.AliveUS != startUS+want || got.Silent != silent {
			t.Fatalf("got %+v, want %d", got, want)
		}
	}
	alive(0, false)
	tape.answered(id, 0, startUS+second)
	tape.sign("n1", startUS+2*second)
	alive(2*second, false)
	tape.sign("n1", startUS+3*second, id)
	alive(2*second, true)
	tape.sign("n1", startUS+4*second, id)
	alive(2*second, true)
	tape.sign("n1", startUS+5*second)
	alive(5*second, false)
	// n2 has been alive all the time, but speaks for the call only once it has it.
	tape.sign("n2", startUS+6*second)
	tape.claimed(id, startUS+7*second, "n2")
	alive(5*second, false)
	tape.sign("n1", startUS+8*second)
	alive(5*second, false)
	tape.sign("n2", startUS+9*second)
	alive(9*second, false)
	if len(v.OpenCalls("n1")) != 0 || len(v.OpenCalls("n2")) != 1 || v.Counts().ByNode["n2"] != 1 {
		t.Errorf("open calls: %+v, %+v", v.OpenCalls("n1"), v.OpenCalls("n2"))
	}
}

// The node that has lost a call tells of an end: the call goes on with the other, until
// that one's log tells of it, or the book, where it was closed by a third.
func TestTheEndOfALostCall(t *testing.T) {
	for name, closed := range map[string]bool{"by its node": false, "by the book": true} {
		t.Run(name, func(t *testing.T) {
			var made tape
			id, us := newID(1), int64(startUS)
			made.received(id, us)
			made.hold(id, us+1000)
			made.attempt(id, 1, us+2000)
			made.answered(id, 1, us+3000)
			made.answered(id, 0, us+3000)
			made.claimed(id, us+4_000_000, "n2")
			v := New()
			v.Apply(made.log...)
			v.Apply(made.book...)
			made.ended(id, 0, us+9_000_000, 8_000)
			v.Apply(made.log...)
			if c, ok := v.Get(id); !ok || c.Node != "n2" {
				t.Fatalf("the call is over for who has lost it: %+v", c)
			}
			if closed {
				made.charged(id, us+9_500_000)
				v.Apply(made.book...)
			} else {
				end := made.log[len(made.log)-1]
				end.Journal, end.Sequence, end.Position = "log.calls.n2", 1, 1
				v.Apply(end)
			}
			if _, ok := v.Get(id); ok || v.Counts().Calls != 0 {
				t.Errorf("the call has no end: %+v", v.Counts())
			}
		})
	}
}

// drawTape makes calls that stop anywhere.
func drawTape(t *rapid.T) *tape {
	var made tape
	us := int64(startUS)
	for n := range rapid.IntRange(1, 10).Draw(t, "calls") {
		id := newID(n)
		steps := []func(){
			func() { made.received(id, us) }, func() { made.hold(id, us) },
			func() { made.attempt(id, 1, us) }, func() { made.ringing(id, us) },
			func() { made.answered(id, 1, us) }, func() { made.answered(id, 0, us) },
			func() { made.ended(id, 1, us, 3000) }, func() { made.ended(id, 0, us, 3000) },
			func() { made.charged(id, us) },
		}
		for _, step := range steps[:rapid.IntRange(1, len(steps)).Draw(t, "steps")] {
			us += rapid.Int64Range(1, 2*minuteUS).Draw(t, "wait")
			step()
		}
	}
	return &made
}

// TestJournalsCommute applies the journals in any relative order, with
// repetitions, and through snapshots. The view must be the same.
func TestJournalsCommute(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := drawTape(rt)
		plain, mixed := New(), New()
		plain.Apply(tape.log...)
		plain.Apply(tape.book...)
		book, log := tape.book, tape.log
		for len(book)+len(log) > 0 {
			if len(log) == 0 || len(book) > 0 && rapid.Bool().Draw(rt, "book") {
				mixed.Apply(book[0])
				book = book[1:]
			} else {
				mixed.Apply(log[0])
				log = log[1:]
			}
			if rapid.IntRange(0, 9).Draw(rt, "restart") == 0 {
				restored := New()
				if err := restored.Restore(write(rt, mixed)); err != nil {
					rt.Fatal(err)
				}
				if diff := cmp.Diff(mixed.Counts(), restored.Counts()); diff != "" {
					rt.Fatal(diff)
				}
				mixed = restored
				mixed.Apply(tape.log[:len(tape.log)-len(log)]...)
			}
		}
		if diff := cmp.Diff(plain.Calls(), mixed.Calls()); diff != "" {
			rt.Fatal(diff)
		}
		if diff := cmp.Diff(plain.Counts(), mixed.Counts()); diff != "" {
			rt.Fatal(diff)
		}
		if plain.window != mixed.window {
			rt.Fatal("traffic differs")
		}
	})
}

func write(rt *rapid.T, v *View) []byte {
	text, err := v.Snapshot()
	if err != nil {
		rt.Fatal(err)
	}
	return text
}

func TestSnapshotsAreTheSameBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tape := drawTape(rt)
		a, b := New(), New()
		for _, v := range []*View{a, b} {
			v.Apply(tape.book...)
			v.Apply(tape.log...)
		}
		text := write(rt, a)
		if diff := cmp.Diff(string(text), string(write(rt, b))); diff != "" {
			rt.Fatal(diff)
		}
		if err := b.Restore(text); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(string(text), string(write(rt, b))); diff != "" {
			rt.Fatal(diff)
		}
	})
}

func TestRestoreRefusesAnotherVersion(t *testing.T) {
	for _, text := range []string{"", "{}", `{"Version":99}`, `{"Version":1}`} {
		if err := New().Restore([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestRememberedForgetsTheOldest(t *testing.T) {
	m := newRemembered()
	var forgotten []events.CallID
	for i := range maxClosed + 2 {
		var id events.CallID
		id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
		m.add(id, func(old events.CallID) { forgotten = append(forgotten, old) })
	}
	if len(m.ids) != maxClosed || len(forgotten) != 2 || forgotten[1][0] != 1 || m.oldestFirst()[0][0] != 2 {
		t.Errorf("%d kept, forgot %v", len(m.ids), forgotten)
	}
}

func BenchmarkApply(b *testing.B) {
	v := New()
	var n uint64
	for b.Loop() {
		n++
		var id events.CallID
		id[0], id[1], id[2], id[3] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
		var tape tape
		tape.received(id, startUS)
		tape.attempt(id, 1, startUS)
		tape.answered(id, 0, startUS)
		tape.ended(id, 0, startUS, 1)
		for i := range tape.log {
			tape.log[i].Position = n*4 + uint64(i)
		}
		v.Apply(tape.log...)
	}
}
