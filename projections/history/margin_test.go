package history

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// TestMarginOfTwoCurrencies: what was sold in dollars and bought in euros earned
// something in the base currency, by the rates on the charge.
func TestMarginOfTwoCurrencies(t *testing.T) {
	for _, rates := range [][]*wire.BaseRate{
		nil,
		{{Currency: "USD", RateE12: 1_000_000_000_000}, {Currency: "EUR", RateE12: 1_100_000_000_000}},
	} {
		s := openTest(t, t.TempDir(), Options{})
		w := newWorld()
		id := w.call(answeredPlan(noonUS, 1))
		for _, r := range w.book {
			inEuros(r.Event, rates)
		}
		apply(t, s, w.log)
		apply(t, s, w.book)
		call, err := s.Call(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		in, out := call.Legs[0], call.Legs[1]
		if out.Currency != "EUR" || out.DeckCurrency != "GBP" || out.ExchangeE12 != 7 {
			t.Errorf("the vendor's price: %+v", out.Price)
		}
		// 9000 sold, 5000 bought at 1.1.
		cost, margin, currency := int64(5500), int64(3500), "USD"
		if rates == nil {
			cost, margin, currency = 5000, 0, ""
		}
		if in.CostMicro != cost || in.MarginMicro != margin || in.MarginCurrency != currency {
			t.Errorf("%v: cost %d %s, margin %d %s", rates, in.CostMicro, in.CostCurrency, in.MarginMicro, in.MarginCurrency)
		}
	}
}

// inEuros lets a call's vendor be paid in euros by a deck in pounds.
func inEuros(e *wire.Event, rates []*wire.BaseRate) {
	charge := e.GetCallCharged()
	for _, l := range charge.GetLines() {
		if l.Side == wire.Side_SIDE_BUY {
			l.Terms.Currency, l.Terms.AccountCurrency, l.Terms.ExchangeE12 = "GBP", "EUR", 7
			if rates != nil {
				charge.BaseCurrency, charge.BaseRates = "USD", rates
			}
		}
	}
}

// TestForecastsAreAudited: an account that will soon be empty stands in the audit.
func TestForecastsAreAudited(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	apply(t, s, []events.Recorded{{Journal: "log.audit.n1", Sequence: 1, Position: 1, TimeUS: noonUS, Event: &wire.Event{
		Body: &wire.Event_BalanceForecast{BalanceForecast: &wire.BalanceForecast{
			Account: "acme-usd", Currency: "USD", AvailableMicro: 2_500_000, BurnMicro: 500_000, Minutes: 5, Calls: 12,
		}},
	}}})
	page, err := s.Audit(t.Context(), AuditFilter{Kind: AuditForecast, Actor: "account:acme-usd"}, Page{})
	if err != nil || len(page.Rows) != 1 {
		t.Fatalf("%+v %v", page, err)
	}
	if r := page.Rows[0]; r.Node != "n1" || r.Count != 12 || r.Note != "2.500000 USD left, 0.500000 a minute: empty in 5 min" {
		t.Errorf("%+v", r)
	}
}
