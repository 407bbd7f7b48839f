package state_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// history draws commands as nodes, people and mishaps would send them.
type history struct {
	*book
	rt    *rapid.T
	sent  []*wire.Command // to be repeated
	calls int
}

var payers = []string{"pre", "post", "poor"}

func newHistory(rt *rapid.T) *history {
	pack := account("pack", 0)
	pack.Currency = "SEC"
	h := &history{book: start(rt, pack, account("pre", 0), account("post", 500_000), account("poor", 0)), rt: rt, calls: 1}
	h.must(putting(packaged(account("pre", 0)), packaged(account("poor", 0))))
	h.must(crediting("pack", 100_000_000))
	h.must(crediting("pre", 1_000_000))
	h.must(crediting("poor", 65_000))
	return h
}

// packaged gives an account the shared package of seconds.
func packaged(a *wire.Account) *wire.Account {
	a.Package = "pack"
	return a
}

func (h *history) draw(name string, from, to int64) int64 {
	return rapid.Int64Range(from, to).Draw(h.rt, name)
}

func (h *history) payer() string { return rapid.SampledFrom(payers).Draw(h.rt, "payer") }

// call is one of the calls so far, the latest ones more often.
func (h *history) call() int { return int(h.draw("call", max(0, int64(h.calls)-6), int64(h.calls))) }

func (h *history) place() *wire.Command {
	n := h.call()
	if h.draw("fresh", 0, 3) > 0 {
		h.calls++
		n = h.calls
	}
	c := h.placing(n, h.payer(), h.draw("price", 0, 200_000))
	p := c.GetPlaceHold()
	p.Lines[0].Sell.TaxPpm = uint32(h.draw("tax", 0, 300_000))
	p.Lines[0].Sell.IntervalFirstS = uint32(h.draw("first", 1, 90))
	p.Lines[0].Sell.IntervalNextS = uint32(h.draw("next", 1, 90))
	if h.draw("two payers", 0, 4) == 0 {
		p.Lines = append(p.Lines, &wire.HoldLine{Leg: 1, Payer: h.payer(), Sell: terms("sell", 30_000)})
	}
	for _, l := range p.Lines {
		if h.draw("another destination", 0, 3) > 0 {
			l.Package = h.st.Catalog.PackageFor(l.Payer, "49")
		}
	}
	if h.draw("a free line", 0, 4) == 0 {
		p.Lines = append(p.Lines, &wire.HoldLine{Leg: 2})
	}
	if h.draw("no vendor to pay", 0, 4) == 0 {
		p.Route[0] = &wire.Candidate{}
	}
	return c
}

func (h *history) money() *wire.Command {
	kind := rapid.SampledFrom([]wire.PostingKind{
		wire.PostingKind_POSTING_KIND_CREDIT, wire.PostingKind_POSTING_KIND_DEBIT, wire.PostingKind_POSTING_KIND_FORCED_DEBIT,
		wire.PostingKind_POSTING_KIND_TRANSFER, wire.PostingKind_POSTING_KIND_REVERSAL,
	}).Draw(h.rt, "kind")
	p := &wire.PostMoney{Kind: kind, Account: h.payer(), ToAccount: h.payer(), AmountMicro: h.draw("amount", 0, 300_000)}
	if h.draw("seconds", 0, 3) == 0 {
		p.Account, p.AmountMicro = "pack", p.AmountMicro*300
	}
	if kind == wire.PostingKind_POSTING_KIND_REVERSAL {
		p.Reverses = uint64(h.draw("reverses", 1, int64(h.st.Position)))
	}
	return posting(p)
}

func (h *history) next() *wire.Command {
	if len(h.sent) > 0 && h.draw("repeat", 0, 5) == 0 {
		return h.sent[h.draw("which", max(0, int64(len(h.sent))-20), int64(len(h.sent))-1)]
	}
	var c *wire.Command
	switch h.draw("what", 0, 10) {
	case 0, 1, 2, 3:
		c = h.place()
	case 4, 5:
		c = charging(h.call(), h.draw("talked", 0, 200_000))
		c.GetChargeCall().Candidate = uint32(h.draw("candidate", 0, 2))
	case 6:
		c = releasing(h.call())
	case 7:
		c = extending(h.call(), h.draw("paid", 0, 200_000))
	case 8:
		c = claiming(h.call(), "n2")
	case 9:
		c = h.money()
	default:
		a := account(h.payer(), h.draw("limit", 0, 400_000))
		if h.draw("with package", 0, 1) == 0 {
			a = packaged(a)
		}
		c = putting(a)
	}
	if h.draw("from n2", 0, 5) == 0 {
		c.Node = "n2"
	}
	h.sent = append(h.sent, h.command(c))
	return c
}

// spends tells whether an accepted command may only have spent what was there.
func spends(c *wire.Command) bool {
	switch b := c.Body.(type) {
	case *wire.Command_PlaceHold, *wire.Command_ExtendHold:
		return true
	case *wire.Command_PostMoney:
		return b.PostMoney.Kind == wire.PostingKind_POSTING_KIND_DEBIT || b.PostMoney.Kind == wire.PostingKind_POSTING_KIND_TRANSFER
	}
	return false
}

// lowered are the accounts that an event took something away from.
func lowered(e *wire.Event, h *ledger.Hold) []string {
	var out []string
	for _, p := range e.GetMoneyPosted().GetPostings() {
		if p.AmountMicro < 0 && !ledger.IsOwn(p.Account) {
			out = append(out, p.Account)
		}
	}
	if e.GetHoldPlaced() != nil || e.GetHoldExtended() != nil {
		for _, l := range h.Lines {
			if l.Payer != "" {
				out = append(out, l.Payer)
			}
			if l.PackageMicro > 0 && e.GetHoldPlaced() != nil {
				out = append(out, l.Package)
			}
		}
	}
	return out
}

func (h *history) available(account string) money.Amount {
	return h.st.Ledger.Available(h.st.Catalog, account)
}

// consistent checks the state against sums made from its parts.
func (h *history) consistent() {
	held, calls := map[string]money.Amount{}, map[string]int{}
	h.st.Ledger.Holds(func(_ events.CallID, hold *ledger.Hold) {
		for _, l := range hold.Lines {
			if l.Payer != "" {
				held[l.Payer] += money.Amount(l.AmountMicro)
				calls[l.Payer]++
			}
			if l.Package != "" {
				held[l.Package] += money.Amount(l.PackageMicro)
				calls[l.Package]++
			}
		}
	})
	sum := map[money.Currency]money.Amount{}
	h.st.Ledger.Accounts(func(a ledger.Account) {
		sum[a.Currency] += a.Posted
		if a.Held != held[a.ID] || a.Calls != calls[a.ID] || a.Held < 0 {
			h.t.Fatalf("%+v, but the holds sum to %s in %d calls", a, held[a.ID], calls[a.ID])
		}
	})
	if sum["USD"] != 0 || sum["SEC"] != 0 {
		h.t.Fatalf("the ledger sums to %v", sum)
	}
	if h.st.Hash() != h.st.Rehash() {
		h.t.Fatalf("the hash %s is not of what is there: %s", h.st.Hash(), h.st.Rehash())
	}
}

func (h *history) honest(c *wire.Command, evs []*wire.Event) {
	for _, e := range evs {
		if charged := e.GetCallCharged(); charged != nil {
			over := money.Amount(0)
			for _, p := range charged.Postings {
				if p.Account == ledger.Own(ledger.Overrun, p.Currency) {
					over -= money.Amount(p.AmountMicro)
				}
			}
			if int64(over) != charged.OverrunMicro {
				h.t.Fatalf("the overrun is %s: %v", over, charged)
			}
		}
		if !spends(c) {
			continue
		}
		var hold *ledger.Hold
		if id, err := events.CallIDFrom(e.Correlation); err == nil {
			hold, _ = h.st.Ledger.Hold(id)
		}
		for _, a := range lowered(e, hold) {
			if h.available(a) < 0 {
				h.t.Fatalf("%v leaves %s with %s available", c, a, h.available(a))
			}
		}
	}
}

func TestHistories(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory(rt)
		for i := range rapid.IntRange(1, 60).Draw(rt, "length") {
			h.now += rapid.SampledFrom([]int64{0, 1, 1000, 60_000_000, 3_600_000_000, 13 * 3_600_000_000}).Draw(rt, "after")
			c := h.next()
			if i%7 == 0 {
				alike(rt, h.st, restored(rt, h.st), h.now, c)
			}
			before := map[string]money.Amount{}
			for _, p := range payers {
				before[p] = h.st.Ledger.Balance(p).Posted
			}
			_, evs := h.do(c)
			h.honest(c, evs)
			h.consistent()
			h.unrepeatable(c, before)
		}
		if got := h.replay(); got.Hash() != h.st.Hash() {
			rt.Fatalf("the replay gives %s, not %s", got.Hash(), h.st.Hash())
		}
		restored(rt, h.st)
		if err := h.audit.Finish(); err != nil {
			rt.Fatalf("%v", err)
		}
		if h.audit.Overspent > 0 || h.audit.State.Hash() != h.st.Hash() {
			rt.Fatalf("the auditor: %+v", h.audit)
		}
	})
}

// unrepeatable checks that a command just executed has no second effect.
func (h *history) unrepeatable(c *wire.Command, before map[string]money.Amount) {
	if c.GetExtendHold() != nil {
		return // asking again is asking for more, if what is paid is the same
	}
	_, evs := h.do(c)
	for _, e := range evs {
		if e.GetMoneyPosted() != nil || e.GetCallCharged() != nil || e.GetHoldPlaced() != nil || e.GetChangeSetAccepted() != nil {
			h.t.Fatalf("%v has a second effect: %v (before: %v)", c, e, fmt.Sprint(before))
		}
	}
}
