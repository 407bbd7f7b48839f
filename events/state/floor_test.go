package state_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// ledgered draws commands of every kind for the model: from two nodes, late, early,
// again and again, about calls that are, were or never will be.
type ledgered struct {
	*book
	rt    *rapid.T
	model *model
	sent  []*wire.Command
	calls int
	seen  map[string]int // what the histories had in them
}

var bearers = []string{"pre", "post", "vend"}

func (h *ledgered) draw(name string, from, to int64) int64 {
	return rapid.Int64Range(from, to).Draw(h.rt, name)
}

func (h *ledgered) account() string { return rapid.SampledFrom(bearers).Draw(h.rt, "account") }

func (h *ledgered) call() int { return int(h.draw("call", max(1, int64(h.calls)-5), int64(h.calls)+1)) }

func (h *ledgered) terms(deck string) *wire.Terms {
	t := terms(deck, h.draw("price", 0, 200_000))
	t.TaxPpm = 0
	t.IntervalFirstS, t.IntervalNextS = uint32(h.draw("first", 1, 90)), uint32(h.draw("next", 1, 90))
	return t
}

func (h *ledgered) place() *wire.Command {
	h.calls++
	c := h.placing(h.call(), h.account(), 0)
	p := c.GetPlaceHold()
	p.Lines[0].Sell = h.terms("sell")
	p.Route[0].Buy, p.Route[1] = h.terms("buy"), &wire.Candidate{}
	if h.draw("routed on old prices", 0, 9) == 0 {
		p.CatalogPosition -= uint64(h.draw("behind", 0, min(10, int64(p.CatalogPosition))))
	}
	if h.draw("two payers", 0, 3) == 0 {
		p.Lines = append(p.Lines, &wire.HoldLine{Leg: 1, Payer: h.account(), Sell: h.terms("sell")})
	}
	if h.draw("a free line", 0, 4) == 0 {
		p.Lines = append(p.Lines, &wire.HoldLine{Leg: 2})
	}
	return c
}

func (h *ledgered) money() *wire.Command {
	p := &wire.PostMoney{
		Kind: wire.PostingKind(h.draw("kind", 1, 8)), Account: h.account(), ToAccount: h.account(),
		AmountMicro: h.draw("amount", -20_000, 300_000), Reason: "test",
	}
	if p.Kind == wire.PostingKind_POSTING_KIND_REVERSAL {
		p.Reverses = uint64(h.draw("reverses", max(1, int64(h.st.Position)-20), int64(h.st.Position)))
	} else if h.draw("backdated", 0, 4) == 0 {
		p.EffectiveAtUs = h.now - h.draw("by", 0, 90_000_000_000)
	}
	return posting(p)
}

func (h *ledgered) writeUp(node string) *wire.Command {
	next := int64(h.st.Ledger.OfflineThrough(node)) + 1
	first := next
	if h.draw("another number", 0, 3) == 0 {
		first = h.draw("number", max(0, next-3), next+1)
	}
	var calls []*wire.OfflineCall
	for n := range h.draw("calls", 1, 3) {
		h.calls++
		o := wentOffline(0, h.account(), h.draw("talked", 0, 200_000))
		if h.draw("goes on", 0, 2) == 0 {
			o = goesOn(0, o.Payer)
		}
		o.Number, o.Call, o.PlacedAtUs = uint64(first+n), callID(h.call()), h.now-h.draw("ago", 0, 7_200_000_000)
		o.Sell, o.Candidate.Buy = h.terms("sell"), h.terms("buy")
		calls = append(calls, o)
	}
	return writingUp(calls...)
}

func (h *ledgered) edit() *wire.Command {
	switch h.draw("edit", 0, 4) {
	case 0:
		a := account(h.account(), h.draw("limit", 0, 400_000))
		if a.Id == "vend" {
			a.Kind = wire.AccountKind_ACCOUNT_KIND_VENDOR
		}
		if h.draw("alerts", 0, 1) == 0 {
			a.Alerts = &wire.AccountAlerts{LowMicro: proto.Int64(h.draw("low", 0, 1_200_000)), RearmMicro: h.draw("rearm", 0, 1000)}
		}
		return putting(a)
	case 1:
		c := &wire.Company{Id: "co"}
		if h.draw("mutual", 0, 2) > 0 {
			c.MutualLimits = []*wire.MutualLimit{{Currency: "USD", LimitMicro: h.draw("limit", 0, 500_000)}}
		}
		return putting(c)
	case 2:
		d, _ := deckOf("sell")
		d.Name = fmt.Sprint("edit ", h.keys)
		return putting(d)
	case 3:
		return putting(&wire.NumberList{Id: "list", Numbers: []string{"49"}}, &wire.RoutePlan{Id: "plan"}, &wire.OriginSet{Id: "set", CallerPrefixes: []string{"1"}})
	}
	const newYear = 1_767_225_600_000_000
	return putting(&wire.ExchangeRate{
		Id: catalog.ExchangeID("EUR", "USD", newYear), Base: "EUR", Quote: "USD", RateE12: 1_000_000_000_000 + h.draw("rate", 0, 9), EffectiveFromUs: newYear,
	})
}

func (h *ledgered) next() *wire.Command {
	if len(h.sent) > 0 && h.draw("repeat", 0, 5) == 0 {
		return h.sent[h.draw("which", max(0, int64(len(h.sent))-20), int64(len(h.sent))-1)]
	}
	node := "n1"
	if h.draw("from n2", 0, 5) == 0 {
		node = "n2"
	}
	var c *wire.Command
	switch h.draw("what", 0, 14) {
	case 0, 1, 2, 3:
		c = h.place()
	case 4, 5:
		c = charging(h.call(), h.draw("talked", 0, 200_000))
		c.GetChargeCall().Candidate = uint32(h.draw("candidate", 0, 2))
	case 6:
		c = releasing(h.call())
	case 7, 8:
		c = extending(h.call(), h.draw("paid", 0, 200_000))
	case 9:
		c = claiming(h.call(), node)
		c.GetClaimHold().From = []string{"", "n1", "n2"}[h.draw("taken from", 0, 2)]
	case 10:
		c = h.writeUp(node)
	case 11:
		c = &wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{
			Account: h.account(), ToUs: h.now - h.draw("ago", -1, 7_200_000_000)/60_000_000*60_000_000,
		}}}
	case 12, 13:
		c = h.edit()
	default:
		c = h.money()
	}
	c.Node = node
	h.sent = append(h.sent, h.command(c))
	return c
}

// compare checks the book against the model's paper.
func (h *ledgered) compare(c *wire.Command) {
	want := map[string]int64{}
	for a, micro := range h.model.posted {
		if micro != 0 {
			want[a] = micro
		}
	}
	h.st.Ledger.Accounts(func(a ledger.Account) {
		if int64(a.Posted) != want[a.ID] || int64(a.Held) != h.model.held(a.ID) {
			h.rt.Fatalf("after %v: %s has %s with %s held; on paper %d with %d", c, a.ID, a.Posted, a.Held, want[a.ID], h.model.held(a.ID))
		}
		delete(want, a.ID)
	})
	if len(want) > 0 {
		h.rt.Fatalf("after %v: the book does not know of %v", c, want)
	}
	for _, id := range bearers {
		if last := h.st.Ledger.Period(id).GetToUs(); last != h.model.periods[id] {
			h.rt.Fatalf("the period of %s ends at %d, on paper at %d", id, last, h.model.periods[id])
		}
	}
}

// lateness checks that exactly those postings are late whose period was closed.
func (h *ledgered) lateness(e *wire.Event, before map[string]int64) {
	at := e.EffectiveAtUs
	if c := e.GetCallCharged(); c != nil && at == 0 {
		at = c.EndedAtUs
	}
	for _, postings := range [][]*wire.Posting{e.GetCallCharged().GetPostings(), e.GetMoneyPosted().GetPostings(), e.GetOfflineWrittenUp().GetPostings()} {
		for _, p := range postings {
			if p.Late {
				h.seen["late"]++
			}
			if p.Late != (at < before[p.Account]) {
				h.rt.Fatalf("late is %v for %d, the period ended at %d: %v", p.Late, at, before[p.Account], e)
			}
		}
	}
}

// kindOf names an event's body as the schema does.
func kindOf(e *wire.Event) string {
	m := e.ProtoReflect()
	return string(m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name())
}

// every is what the histories must have had in all.
var every = []string{
	"money_posted", "hold_placed", "hold_extended", "call_charged", "hold_released", "charge_contested", "hold_claimed", "alert_raised",
	"period_closed", "offline_written_up", "change_set_accepted", "refused", "repeated", "late",
}

// TestTheModelAgrees: what the model accepts is accepted, what it refuses is refused,
// and after each command every balance and reserve is what it has on paper. Some
// things are rare: histories are made until each has happened.
func TestTheModelAgrees(t *testing.T) {
	seen := map[string]int{}
	missing := func() []string {
		return slices.DeleteFunc(slices.Clone(every), func(kind string) bool { return seen[kind] > 0 })
	}
	for round := 0; round < 20 && len(missing()) > 0 && !t.Failed(); round++ {
		rapid.Check(t, func(rt *rapid.T) { modelHistory(rt, seen) })
	}
	if rare := missing(); len(rare) > 0 {
		t.Errorf("no history had %v: the test tests less than it says", rare)
	}
}

// modelHistory plays one history on the book and on paper.
func modelHistory(rt *rapid.T, seen map[string]int) {
	vend := vendor("vend")
	h := &ledgered{book: start(rt, account("pre", 0), account("post", 500_000), vend), rt: rt, model: newModel(), calls: 1, seen: seen}
	h.model.limit = map[string]int64{"vendor": 0, "pre": 0, "post": 500_000, "vend": 0}
	h.model.decks = map[string]uint64{"sell": 1, "buy": 1}
	h.model.vendors = map[string]bool{"vendor": true, "vend": true}
	h.step(crediting("pre", 1_000_000))
	for i := range rapid.IntRange(1, 50).Draw(rt, "length") {
		h.now += rapid.SampledFrom([]int64{0, 1, 1000, 60_000_000, 3_600_000_000, 13 * 3_600_000_000}).Draw(rt, "after")
		if i%9 == 8 {
			h.st = restored(rt, h.st)
		}
		h.step(h.next())
	}
	if err := h.audit.Finish(); err != nil || h.audit.Overspent > 0 {
		rt.Fatalf("the auditor: %v %+v", err, h.audit)
	}
	if got := h.replay(); got.Hash() != h.st.Hash() {
		rt.Fatalf("the replay gives %s, not %s", got.Hash(), h.st.Hash())
	}
}

func (h *ledgered) step(c *wire.Command) {
	before := map[string]int64{}
	for _, id := range bearers {
		before[id] = h.st.Ledger.Period(id).GetToUs()
	}
	pos := uint64(h.st.Position) + 1
	reply, evs := h.do(c)
	yes := h.model.expect(h.now, pos, len(evs) > 0, c)
	if yes != (reply.Error == nil) {
		h.rt.Fatalf("%v: the book says %v, the model %v\n%+v", c, reply, yes, h.model)
	}
	if len(evs) > 0 {
		h.model.forget(h.now)
	}
	for _, e := range evs {
		h.seen[kindOf(e)]++
		h.lateness(e, before)
	}
	if reply.Error != nil {
		h.seen["refused"]++
	}
	if reply.Repeated {
		h.seen["repeated"]++
	}
	h.compare(c)
}
