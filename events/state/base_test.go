package state_test

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// TestBaseRates: a charge of several currencies has on record what they are worth
// in the base currency, all of them or none.
func TestBaseRates(t *testing.T) {
	b := start(t, account("a", 0))
	line := func(currency string) *wire.PriceLine { return &wire.PriceLine{Terms: &wire.Terms{Currency: currency}} }
	rate := func(from, to string, e12 int64) *wire.ExchangeRate {
		return &wire.ExchangeRate{Id: catalog.ExchangeID(from, to, 5), Base: from, Quote: to, RateE12: e12, EffectiveFromUs: 5}
	}
	settings := proto.CloneOf(b.st.Catalog.Settings())
	settings.BaseCurrency = "USD"
	b.put(settings, rate("EUR", "USD", 1_100_000_000_000))
	of := func(us int64, currencies ...string) *wire.CallCharged {
		c := &wire.CallCharged{BaseCurrency: "old"}
		for _, currency := range currencies {
			c.Lines = append(c.Lines, line(currency))
		}
		ledger.InBase(c, b.st.Catalog, us)
		return c
	}
	got := of(5, "USD", "EUR", "EUR")
	want := []*wire.BaseRate{{Currency: "USD", RateE12: rating.RateOne}, {Currency: "EUR", RateE12: 1_100_000_000_000, Exchange: "EUR-USD-5"}}
	if got.BaseCurrency != "USD" || len(got.BaseRates) != 2 || !proto.Equal(got.BaseRates[0], want[0]) || !proto.Equal(got.BaseRates[1], want[1]) {
		t.Errorf("%v", got)
	}
	for name, c := range map[string]*wire.CallCharged{
		"one currency": of(5, "EUR", "EUR"), "before the rate": of(4, "USD", "EUR"), "no rate": of(5, "USD", "GBP"), "no lines": of(5),
	} {
		if c.BaseCurrency != "" || len(c.BaseRates) > 0 {
			t.Errorf("%s: %v", name, c)
		}
	}
}

// TestBaseRatesAreAudited charges a call that is sold in dollars and bought in
// euros; the auditor looks its rates up again.
func TestBaseRatesAreAudited(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 1_000_000))
	deck, version := deckOf("euro")
	deck.Currency = "EUR"
	euro := vendor("euro")
	euro.Currency = "EUR"
	settings := proto.CloneOf(b.st.Catalog.Settings())
	settings.BaseCurrency = "USD"
	b.put(settings, deck, version, euro,
		&wire.ExchangeRate{Id: catalog.ExchangeID("EUR", "USD", 5), Base: "EUR", Quote: "USD", RateE12: 1_100_000_000_000, EffectiveFromUs: 5})
	place := b.placing(1, "a", 60_000)
	buy := terms("euro", 30_000)
	buy.Currency = "EUR"
	place.GetPlaceHold().Route = []*wire.Candidate{{VendorAccount: "euro", Buy: buy}}
	b.must(place)
	evs, reply := b.st.Decide(b.now, b.rates, b.command(charging(1, 60_000)))
	if reply.Error != nil {
		t.Fatal(reply.Error)
	}
	charge := evs[0].GetCallCharged()
	if charge.BaseCurrency != "USD" || len(charge.BaseRates) != 2 || charge.BaseRates[1].RateE12 != 1_100_000_000_000 {
		t.Fatalf("%v", charge)
	}
	wrong := proto.CloneOf(evs[0])
	wrong.GetCallCharged().BaseRates[1].RateE12++
	if err := b.audit.Check(b.now, wrong); err == nil {
		t.Error("a rate that nobody declared passed the audit")
	}
	b.fold(evs[0])
	if err := b.audit.Finish(); err != nil {
		t.Error(err)
	}
}

// TestInputsOfACommand: what was worked out from the same inputs is a repeat, even
// if it came out otherwise; other inputs under the key are not.
func TestInputsOfACommand(t *testing.T) {
	b := start(t, account("a", 0))
	key := events.KeyOf("import", "1")
	change := func(name string, inputs byte) *wire.Command {
		c := putting(&wire.Company{Id: "new", Name: name})
		c.Key, c.Inputs = key[:], bytes.Repeat([]byte{inputs}, 32)
		return c
	}
	first := b.must(change("one", 1))
	again, evs := b.do(change("two", 1))
	if !again.Repeated || len(evs) > 0 || again.GetPosted().GetPosition() != first.GetPosted().GetPosition() {
		t.Errorf("%v %v", again, evs)
	}
	empty := change("", 1)
	empty.GetChangeCatalog().Changes = nil
	if asked, _ := b.do(empty); !asked.Repeated {
		t.Errorf("asked whether the key is known: %v", asked)
	}
	if reply, _ := b.do(change("one", 2)); code(reply) != events.CodeConflict {
		t.Errorf("other inputs: %v", reply)
	}
	short := putting(&wire.Company{Id: "short"})
	short.Inputs = []byte{1}
	if reply, _ := b.do(short); code(reply) != events.CodeInvalid {
		t.Errorf("a short hash: %v", reply)
	}
}
