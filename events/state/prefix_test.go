package state_test

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// limitedBook has an originator o with two channels to 53, one of them at most to
// 535, and one call a second to 99.
func limitedBook(t *testing.T) *book {
	b := start(t, account("a", 1_000_000_000))
	b.put(&wire.RoutePlan{Id: "p"}, &wire.Originator{
		Id: "o", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "p", Networks: []string{"192.0.2.0/24"},
		PrefixLimits: []*wire.PrefixLimit{{Prefix: "53", Channels: 2}, {Prefix: "535", Channels: 1}, {Prefix: "99", CallsPerSecond: 1}},
	})
	return b
}

func (b *book) calling(n int, prefixes ...string) *wire.Command {
	c := b.placing(n, "a", 60_000)
	l := c.GetPlaceHold().Lines[0]
	l.Originator, l.LimitPrefixes = "o", prefixes
	return c
}

// TestPrefixLimitsAreCounted: open holds count by each limited prefix of theirs,
// closed ones do not, and an extension and a snapshot change nothing of it.
func TestPrefixLimitsAreCounted(t *testing.T) {
	b := limitedBook(t)
	for i, c := range []struct {
		prefixes []string
		want     events.Code
	}{
		{[]string{"53", "535"}, ""},
		{[]string{"53", "535"}, events.CodeLimit},
		{[]string{"53"}, ""},
		{[]string{"53"}, events.CodeLimit},
		{nil, ""},
		{[]string{"44"}, events.CodeInvalid},
		{[]string{"53", "53", "53", "53"}, events.CodeInvalid},
	} {
		if reply, _ := b.do(b.calling(i+1, c.prefixes...)); code(reply) != c.want {
			t.Errorf("call %d to %v: %v, want %q", i+1, c.prefixes, reply, c.want)
		}
	}
	b.must(extending(1, 60_000))
	snap, err := b.st.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again, err := state.Restore(snap)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range []*state.State{b.st, again} {
		if n, m := st.Ledger.PrefixCalls("o", "53"), st.Ledger.PrefixCalls("o", "535"); n != 2 || m != 1 || st.Ledger.PeerCalls("o") != 3 {
			t.Errorf("%d calls to 53, %d to 535, %d in all", n, m, st.Ledger.PeerCalls("o"))
		}
	}
	b.must(releasing(1))
	if b.st.Ledger.PrefixCalls("o", "53") != 1 || b.st.Ledger.PrefixCalls("o", "535") != 0 {
		t.Error("a released call counts on")
	}
	b.must(b.calling(20, "53", "535"))
}

func TestPrefixRates(t *testing.T) {
	b := limitedBook(t)
	rates := state.NewRates()
	ask := func(n int, prefixes ...string) events.Code {
		cmd := b.calling(n, prefixes...)
		key := events.KeyOf(string(callID(n)))
		cmd.Key, cmd.Actor, cmd.Node = key[:], "node:n1", "n1"
		_, reply := b.st.Decide(b.now, rates, cmd)
		return code(reply)
	}
	for i, c := range []struct {
		after  int64
		prefix []string
		want   events.Code
	}{{0, []string{"99"}, ""}, {0, []string{"99"}, events.CodeLimit}, {0, nil, ""}, {1_000_000, []string{"99"}, ""}} {
		b.now += c.after
		if got := ask(i+1, c.prefix...); got != c.want {
			t.Errorf("call %d: %q, want %q", i+1, got, c.want)
		}
	}
}
