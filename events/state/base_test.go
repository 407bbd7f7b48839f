package state_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

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
