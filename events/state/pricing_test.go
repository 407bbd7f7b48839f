package state_test

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

func unanswered(n int, attempts uint32) *wire.Command {
	return &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
		Call: callID(n), Attempts: attempts, Unanswered: true, EndedAtUs: noon, SipCode: 480,
	}}}
}

func TestUnansweredRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*wire.ChargeCall){
		"no attempts":  func(c *wire.ChargeCall) { c.Attempts = 0 },
		"too many":     func(c *wire.ChargeCall) { c.Attempts = 3 },
		"with an end":  func(c *wire.ChargeCall) { c.RawMs = 1 },
		"and answered": func(c *wire.ChargeCall) { c.AnsweredAtUs = noon },
	} {
		b := open(t)
		cmd := unanswered(1, 1)
		spoil(cmd.GetChargeCall())
		if reply, _ := b.do(cmd); code(reply) != events.CodeInvalid {
			t.Errorf("%s: %v", name, reply)
		}
	}
}

// TestBandsSplitWithinTheHold: nobody knows when a call will be answered, so its
// hold covers the dearest band that it may run into; the extension knows.
func TestBandsSplitWithinTheHold(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 10_000_000))
	place := b.placing(1, "a", 60_000)
	sell := place.GetPlaceHold().Lines[0].Sell
	sell.Band = "night"
	sell.Switches = []*wire.PriceSwitch{{AtUs: b.now + 150_000_000, Band: "day", PriceFirstNano: 120_000_000, PriceNextNano: 120_000_000}}
	if got := b.must(place).GetHoldGranted().AmountsMicro[0]; got != 120_000 {
		t.Errorf("the hold is %d", got)
	}
	b.now += 100_000_000 // answered at once: 50 s of night are left
	x := extending(1, 60_000)
	x.GetExtendHold().AnsweredAtUs = b.now
	if got := b.must(x).GetHoldGranted(); got.PaidMs != 120_000 || got.AmountsMicro[0] != 50*1000+70*2000 {
		t.Errorf("the extension is %v", got)
	}
	c := charging(1, 60_500)
	c.GetChargeCall().AnsweredAtUs = b.now
	_, evs := b.do(c)
	line := evs[0].GetCallCharged().Lines[0]
	if line.GrossMicro != 50*1000+11*2000 || len(line.Segments) != 3 || line.Segments[1].BilledS != 49 || line.Segments[2].Band != "day" {
		t.Errorf("%v", line)
	}
	if err := b.audit.Finish(); err != nil {
		t.Error(err)
	}
}

func TestExchangeMustBeInForce(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 1_000_000))
	rate := func(from, e12 int64) *wire.ExchangeRate {
		return &wire.ExchangeRate{Id: catalog.ExchangeID("EUR", "USD", from), Base: "EUR", Quote: "USD", RateE12: e12, EffectiveFromUs: from}
	}
	b.put(rate(b.now-1, rating.RateOne), rate(b.now+1_000_000, 2*rating.RateOne), &wire.Deck{Id: "euro", Currency: "EUR", Decimals: 6},
		&wire.DeckVersion{Id: "euro/1", Deck: "euro", Number: 1, Rows: 1, Digest: make([]byte, 32)})
	place := func(n int, from, e12 int64) *wire.Command {
		c := b.placing(n, "a", 60_000)
		s := c.GetPlaceHold().Lines[0].Sell
		s.Deck, s.Currency, s.AccountCurrency, s.ExchangeE12, s.Exchange = "euro", "EUR", "USD", e12, catalog.ExchangeID("EUR", "USD", from)
		return c
	}
	from := b.now
	if reply, _ := b.do(place(1, from-1, 3*rating.RateOne)); code(reply) != events.CodeStale {
		t.Errorf("a rate that nobody declared: %v", reply)
	}
	b.must(place(1, from-1, rating.RateOne))
	b.now += 1_000_000
	if reply, _ := b.do(place(2, from-1, rating.RateOne)); code(reply) != events.CodeStale {
		t.Errorf("yesterday's rate: %v", reply)
	}
	if got := b.must(place(2, from+1_000_000, 2*rating.RateOne)).GetHoldGranted().AmountsMicro[0]; got != 120_000 {
		t.Errorf("converted, a minute is %d", got)
	}
	// A running call keeps its rate.
	_, evs := b.do(charging(1, 30_000))
	if line := evs[0].GetCallCharged().Lines[0]; line.GrossMicro != 30_000 || line.DeckGrossMicro != 30_000 || line.Terms.ExchangeE12 != rating.RateOne {
		t.Errorf("%v", line)
	}
	if reply, _ := b.do(&wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{Changes: []*wire.ExpectedChange{
		{Change: &wire.Change{Remove: true, Entity: catalog.EntityOf(rate(from-1, 1))}},
	}}}}); code(reply) != events.CodeInvalid {
		t.Errorf("a rate was removed: %v", reply)
	}
}
