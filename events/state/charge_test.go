package state_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// open makes a book with one call of account a in progress: 0.06 a minute, one
// minute paid.
func open(t tester) *book {
	b := start(t, account("a", 0))
	b.must(crediting("a", 1_000_000))
	b.must(b.placing(1, "a", 60_000))
	return b
}

func TestChargeIsOnceForAll(t *testing.T) {
	b := open(t)
	charge := charging(1, 30_000)
	first := b.must(charge).GetCharged()
	if first.GrossMicro != 30_000 || first.CostMicro != 15_000 || first.OverrunMicro != 0 {
		t.Errorf("%v", first)
	}
	for range 2 { // the same figures under the same key and under another
		reply, evs := b.do(charge)
		if !reply.Repeated || len(evs) > 0 || !proto.Equal(reply.GetCharged(), first) {
			t.Errorf("%v %v", reply, evs)
		}
		charge = charging(1, 30_000)
		b.st = restored(t, b.st)
	}
	if h := b.st.Ledger.Balance("a"); h.Posted != 970_000 || h.Held != 0 || h.Calls != 0 {
		t.Errorf("%+v", h)
	}
	if h := b.st.Ledger.Balance("vendor"); h.Posted != 15_000 {
		t.Errorf("%+v", h)
	}
}

func TestContestedCharge(t *testing.T) {
	b := open(t)
	b.must(charging(1, 30_000))
	reply, evs := b.do(charging(1, 31_000))
	if len(evs) != 1 || evs[0].GetChargeContested() == nil || !reply.Repeated || reply.GetCharged().GrossMicro != 30_000 {
		t.Fatalf("%v %v", reply, evs)
	}
	if reply, evs = b.do(charging(1, 31_000)); len(evs) != 0 || !reply.Repeated {
		t.Errorf("the same contest again: %v", evs)
	}
	if reply, evs = b.do(charging(1, 30_000)); len(evs) != 0 || !reply.Repeated {
		t.Errorf("the accepted charge again: %v %v", reply, evs)
	}
	if b.posted("a") != 970_000 {
		t.Errorf("a has %s", b.posted("a"))
	}
}

func TestLateCharge(t *testing.T) {
	b := open(t)
	b.must(releasing(1))
	_, evs := b.do(charging(1, 30_000))
	if len(evs) != 1 || evs[0].GetChargeContested() == nil {
		t.Errorf("after the release: %v", evs)
	}
	b.now += ledger.ClosedFor - 1
	b.must(crediting("a", 1)) // an event moves the book's time
	if reply, _ := b.do(charging(1, 30_000)); !reply.Repeated {
		t.Errorf("almost a day later: %v", reply)
	}
	b.now++
	b.must(crediting("a", 1))
	if reply, _ := b.do(charging(1, 30_000)); code(reply) != events.CodeNotFound {
		t.Errorf("a day later: %v", reply)
	}
	if b.posted("a") != 1_000_002 {
		t.Errorf("a has %s", b.posted("a"))
	}
}

func TestOverrun(t *testing.T) {
	b := open(t)
	got := b.must(charging(1, 90_000)).GetCharged()
	if got.GrossMicro != 90_000 || got.OverrunMicro != 30_000 || b.posted("a") != 940_000 {
		t.Errorf("%v, a has %s", got, b.posted("a"))
	}
	if over := b.posted(ledger.Own(ledger.Overrun, "USD")); over != -30_000 {
		t.Errorf("our expense is %s", over)
	}
}

func TestChargeRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*wire.Command)
		want  events.Code
	}{
		{"nothing", func(*wire.Command) {}, ""},
		{"the second vendor", func(c *wire.Command) { c.GetChargeCall().Candidate = 1 }, ""},
		{"a third vendor", func(c *wire.Command) { c.GetChargeCall().Candidate = 2 }, events.CodeInvalid},
		{"the last vendor of all", func(c *wire.Command) { c.GetChargeCall().Candidate = 1<<32 - 1 }, events.CodeInvalid},
		{"negative time", func(c *wire.Command) { c.GetChargeCall().RawMs = -1 }, events.CodeInvalid},
		{"a year", func(c *wire.Command) { c.GetChargeCall().RawMs = 365 * 86_400_000 }, events.CodeInvalid},
		{"another node", func(c *wire.Command) { c.Node = "n2" }, events.CodeConflict},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			cmd := charging(1, 30_000)
			c.spoil(cmd)
			if reply, _ := b.do(cmd); code(reply) != c.want {
				t.Errorf("%v", reply)
			}
		})
	}
}

func TestChargeUsesThePriceOfWhoAnswered(t *testing.T) {
	b := open(t)
	cmd := charging(1, 60_000)
	cmd.GetChargeCall().Candidate, cmd.GetChargeCall().EgressLeg = 1, 2
	if got := b.must(cmd).GetCharged(); got.CostMicro != 15_000 { // a quarter, not half
		t.Errorf("%v", got)
	}
}

func TestTakeOver(t *testing.T) {
	b := open(t)
	if reply := b.must(claiming(1, "n1")); !reply.Repeated {
		t.Errorf("its own call: %v", reply)
	}
	late := claiming(1, "n3")
	late.GetClaimHold().From = "n1"
	first := claiming(1, "n2")
	first.GetClaimHold().From = "n1"
	b.must(first)
	for _, c := range []*wire.Command{charging(1, 30_000), extending(1, 60_000), b.placing(1, "a", 60_000), releasing(1), late} {
		if reply, _ := b.do(c); code(reply) != events.CodeConflict {
			t.Errorf("the old node: %v", reply)
		}
	}
	b.st = restored(t, b.st)
	mine := charging(1, 30_000)
	mine.Node = "n2"
	b.must(mine)
	// The old node comes back with its own idea of the call.
	_, evs := b.do(charging(1, 59_000))
	if len(evs) != 1 || evs[0].GetChargeContested() == nil || b.posted("a") != 970_000 {
		t.Errorf("%v, a has %s", evs, b.posted("a"))
	}
}

func TestExpiredHolds(t *testing.T) {
	b := open(t)
	h, ok := b.st.Ledger.Hold(events.CallID(callID(1)))
	if !ok || h.ExpiresAtUs != b.now+(120_000+60_000+60_000)*1000 {
		t.Fatalf("%v", h)
	}
	if got := b.st.Ledger.Expired(h.ExpiresAtUs); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	if got := b.st.Ledger.Expired(h.ExpiresAtUs + 1); len(got) != 1 {
		t.Errorf("%v", got)
	}
	// Once it is answered, the set-up no longer counts.
	b.now += 40_000_000
	b.must(extending(1, 60_000))
	h, _ = b.st.Ledger.Hold(events.CallID(callID(1)))
	if h.ExpiresAtUs != noon+(120_000+60_000)*1000 {
		t.Errorf("it expires %d us after the answer", h.ExpiresAtUs-noon)
	}
}

func TestCallsCountAgainstChannels(t *testing.T) {
	a := account("a", 1_000_000)
	a.Channels = 2
	b := start(t, a)
	for n := 1; n <= 3; n++ {
		reply, _ := b.do(b.placing(n, "a", 60_000))
		if want := map[bool]events.Code{true: "", false: events.CodeLimit}[n <= 2]; code(reply) != want {
			t.Errorf("call %d: %v", n, reply)
		}
	}
	b.must(releasing(1))
	b.must(b.placing(4, "a", 60_000))
}

func TestCallsCountAgainstAnOriginatorsChannels(t *testing.T) {
	b := start(t, account("a", 1_000_000))
	b.put(&wire.RoutePlan{Id: "p"}, &wire.Originator{
		Id: "o", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "p", Networks: []string{"192.0.2.0/24"}, Channels: 2,
	})
	from := func(n int) *wire.Command {
		c := b.placing(n, "a", 60_000)
		c.GetPlaceHold().Lines[0].Originator = "o"
		return c
	}
	b.must(from(1))
	b.must(from(2))
	b.st = restored(t, b.st)
	if reply, _ := b.do(from(3)); code(reply) != events.CodeLimit || b.st.Ledger.PeerCalls("o") != 2 {
		t.Errorf("%v, %d calls", reply, b.st.Ledger.PeerCalls("o"))
	}
	b.must(charging(1, 1000))
	b.must(from(4))
	b.must(releasing(2))
	b.must(releasing(4))
	if n := b.st.Ledger.PeerCalls("o"); n != 0 {
		t.Errorf("%d calls are left", n)
	}
}
