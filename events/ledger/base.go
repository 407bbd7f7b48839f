package ledger

import (
	"slices"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// InBase notes on a charge what its lines' currencies are worth in the base
// currency at an instant, where they are several: so the call's margin is a figure
// that can be computed again.
func InBase(c *wire.CallCharged, cat *catalog.State, us int64) {
	c.BaseCurrency, c.BaseRates = "", nil
	several := slices.ContainsFunc(c.Lines, func(l *wire.PriceLine) bool {
		return rating.Currency(l.Terms) != rating.Currency(c.Lines[0].Terms)
	})
	if !several {
		return
	}
	base := cat.Settings().BaseCurrency
	var rates []*wire.BaseRate
	for _, l := range c.Lines {
		currency := rating.Currency(l.Terms)
		if slices.ContainsFunc(rates, func(r *wire.BaseRate) bool { return r.Currency == currency }) {
			continue
		}
		r := &wire.BaseRate{Currency: currency, RateE12: rating.RateOne}
		if currency != base {
			x := cat.Exchange(currency, base, us)
			if x == nil {
				return // a part of a margin is none
			}
			r.RateE12, r.Exchange = x.RateE12, x.Id
		}
		rates = append(rates, r)
	}
	c.BaseCurrency, c.BaseRates = base, rates
}
