package state_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

func subscribed(t *testing.T) *book {
	b := start(t, account("a", 0), account("b", 0))
	b.put(
		&wire.Subscriber{Id: "anna", Company: "co", Account: "a", SellDeck: "sell", Channels: 1},
		&wire.Subscriber{Id: "bert", Company: "co", Account: "b", SellDeck: "sell"},
		&wire.Did{Number: "4930", Company: "co", Subscriber: "bert", Account: "b", SellDeck: "sell"},
	)
	return b
}

// within is anna's free call to bert's devices.
func (b *book) within(n int) *wire.Command {
	return &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call:            callID(n),
		Lines:           []*wire.HoldLine{{Originator: "subscriber/anna"}},
		Route:           []*wire.Candidate{{Terminator: "subscriber/bert"}, {Terminator: "forward/bert"}},
		CatalogPosition: uint64(b.st.Catalog.Position()), SetupMs: 60_000, MaxMs: 7_200_000,
	}}}
}

// A call within the switch that costs nothing needs no money, and counts.
func TestFreeCallsCount(t *testing.T) {
	b := subscribed(t)
	if got := b.must(b.within(1)).GetHoldGranted(); got.PaidMs != 60_000 || got.AmountsMicro[0] != 0 {
		t.Errorf("the hold is %v", got)
	}
	if reply, _ := b.do(b.within(2)); code(reply) != events.CodeLimit || !strings.Contains(reply.Error.Message, "subscriber/anna") {
		t.Errorf("a second call on one channel: %v", reply)
	}
	if got := b.must(extending(1, 60_000)).GetHoldGranted(); got.PaidMs != 120_000 {
		t.Errorf("the extension is %v", got)
	}
	b.must(charging(1, 5000))
	b.must(b.within(2))
	b.put(&wire.Subscriber{Id: "bert", Company: "co", Account: "b", SellDeck: "sell", Disabled: true})
	old := b.within(3)
	old.GetPlaceHold().CatalogPosition--
	b.must(releasing(2))
	if reply, _ := b.do(old); code(reply) != events.CodeStale {
		t.Errorf("a route from before an edit of the subscriber: %v", reply)
	}
	if err := b.audit.Finish(); err != nil {
		t.Error(err)
	}
}

// The owner of a number pays for the calls that come in to it, on the leg that
// answered; nobody else's account does.
func TestOwnerOfANumberPays(t *testing.T) {
	b := subscribed(t)
	b.must(crediting("b", 1_000_000))
	owned := func(n int, payer string) *wire.Command {
		c := b.within(n)
		c.GetPlaceHold().Lines = append(c.GetPlaceHold().Lines, &wire.HoldLine{Leg: 1, Did: "4930", Payer: payer, Sell: terms("sell", 60_000)})
		return c
	}
	if reply, _ := b.do(owned(1, "a")); code(reply) != events.CodeInvalid || !strings.Contains(reply.Error.Message, "4930") {
		t.Errorf("somebody else pays: %v", reply)
	}
	if got := b.must(owned(1, "b")).GetHoldGranted().AmountsMicro; got[0] != 0 || got[1] != 60_000 {
		t.Errorf("held %v", got)
	}
	c := charging(1, 10_000)
	c.GetChargeCall().Candidate, c.GetChargeCall().EgressLeg = 1, 2
	_, evs := b.do(c)
	lines := evs[0].GetCallCharged().Lines
	if len(lines) != 1 || lines[0].Account != "b" || lines[0].GrossMicro != 10_000 || lines[0].Leg != 2 {
		t.Errorf("charged %v", lines)
	}
	if err := b.audit.Finish(); err != nil {
		t.Error(err)
	}
}
