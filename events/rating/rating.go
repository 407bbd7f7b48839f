// Package rating prices calls. It knows a deck's rows, finds the row of a
// number, and turns a talk time into money: exactly, and rounded once per leg.
package rating

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// scale is what an exact price is kept multiplied by, in micro-units:
	// nano-units a minute times seconds, divided by 60 and by 1000, are micro-units.
	scale = 60 * 1000
	// ppm is one whole in parts per million.
	ppm = 1_000_000
	// MaxSeconds bounds a talk time: 31 days.
	MaxSeconds = 31 * 24 * 3600
	// maxInterval bounds a billing increment: one day.
	maxInterval = 24 * 3600
)

// Price is what a leg costs, with the steps that led there.
type Price struct {
	// Billed are the seconds after free seconds, minimum and increments, First
	// those of them that the first price applies to.
	Billed, First int64
	// Net and Tax add up to Gross, which is what an account is charged.
	Net, Tax, Gross money.Amount

	exact money.Wide
}

// Exact is the price before tax and rounding, in units of the currency: a
// decimal number, or a reduced fraction where no decimal number is exact.
func (p Price) Exact() string { return p.exact.Exact(scale * money.MicroPerUnit) }

// Call prices an answered leg of rawMS milliseconds. Time is rounded up to whole
// seconds, at least one. A call within its free seconds costs nothing at all;
// otherwise they are taken off, and what remains is raised to the minimum and to
// whole increments.
func Call(t *wire.Terms, rawMS int64) (Price, error) {
	if rawMS < 0 || rawMS > MaxSeconds*1000 {
		return Price{}, events.Invalid("a talk time of %d ms is not between 0 and 31 days", rawMS)
	}
	seconds := max(1, (rawMS+999)/1000)
	p := Price{}
	if seconds <= int64(t.FreeS) {
		return p, nil
	}
	seconds -= int64(t.FreeS)
	first, next := int64(t.IntervalFirstS), int64(t.IntervalNextS)
	p.Billed, p.First = first, first
	if seconds > first {
		p.Billed += (seconds - first + next - 1) / next * next
	}
	p.exact = money.WideOf(uint64(t.PriceFirstNano), uint64(p.First)).
		Plus(money.WideOf(uint64(t.PriceNextNano), uint64(p.Billed-p.First))).
		Plus(money.WideOf(uint64(t.ConnectFeeMicro), scale))
	if least := money.WideOf(uint64(t.MinimumMicro), scale); p.exact.Less(least) {
		p.exact = least
	}
	return p.round(t)
}

// Attempt prices a leg that was never answered: the deck's attempt fee.
func Attempt(t *wire.Terms) (Price, error) {
	p := Price{exact: money.WideOf(uint64(t.AttemptFeeMicro), scale)}
	return p.round(t)
}

// round turns the exact price into net, tax and gross. Net and gross are each
// rounded once from the exact value; the tax is their difference.
func (p Price) round(t *wire.Terms) (Price, error) {
	step := uint64(1)
	for range 6 - min(6, t.Decimals) {
		step *= 10
	}
	tax := uint64(t.TaxPpm)
	net, gross := p.exact.Times(ppm), p.exact.Times(ppm+tax)
	divisor := uint64(scale) * ppm * step
	if t.TaxInclusive {
		gross, divisor = p.exact.Times(ppm+tax), uint64(scale)*(ppm+tax)*step
	}
	mode := roundingOf(t.Rounding)
	n, okNet := net.Round(divisor, mode)
	g, okGross := gross.Round(divisor, mode)
	if !okNet || !okGross || n > int64(money.MaxAmount)/int64(step) || g > int64(money.MaxAmount)/int64(step) {
		return Price{}, events.Invalid("the price of deck %s prefix %s is too large", t.Deck, t.Prefix)
	}
	p.Net = money.Amount(n) * money.Amount(step)
	p.Gross = money.Amount(g) * money.Amount(step)
	p.Tax = p.Gross - p.Net
	return p, nil
}

func roundingOf(m wire.RoundingMode) money.Rounding {
	switch m {
	case wire.RoundingMode_ROUNDING_MODE_UP:
		return money.Up
	case wire.RoundingMode_ROUNDING_MODE_DOWN:
		return money.Down
	case wire.RoundingMode_ROUNDING_MODE_HALF_EVEN:
		return money.HalfEven
	default:
		return money.HalfUp
	}
}

// Longest is the longest talk time of at most capMS milliseconds whose gross
// price is not above available; 0 when not even the shortest billable time is.
// Prices never fall with time, so the answer also covers every shorter call.
func Longest(t *wire.Terms, available money.Amount, capMS int64) (int64, error) {
	whole, err := Call(t, capMS)
	if err != nil {
		return 0, err
	}
	if whole.Gross <= available {
		return capMS, nil
	}
	// Prices change only where an increment ends, so the search counts increments.
	shortest, step := ShortestMS(t), int64(t.IntervalNextS)*1000
	if shortest >= capMS {
		return 0, nil
	}
	affordable := func(n int64) (bool, error) {
		p, err := Call(t, shortest+n*step)
		return p.Gross <= available, err
	}
	low, high := int64(-1), (capMS-shortest)/step+1 // low is affordable, high is not
	for high-low > 1 {
		mid := (low + high) / 2
		ok, err := affordable(mid)
		if err != nil {
			return 0, err
		}
		if ok {
			low = mid
		} else {
			high = mid
		}
	}
	if low < 0 {
		return 0, nil
	}
	return min(shortest+low*step, capMS), nil
}

// ShortestMS is the time after which a second increment begins: the free seconds
// and the first interval. Money for less than that lets no call through.
func ShortestMS(t *wire.Terms) int64 {
	return int64(t.FreeS+t.IntervalFirstS) * 1000
}

// CheckTerms refuses terms that no price can be made of.
func CheckTerms(t *wire.Terms) error {
	switch {
	case t == nil:
		return events.Invalid("the price terms are missing")
	case t.IntervalFirstS == 0 || t.IntervalNextS == 0:
		return events.Invalid("deck %s prefix %s: a billing interval is 0 seconds; it must be at least 1", t.Deck, t.Prefix)
	case t.IntervalFirstS > maxInterval || t.IntervalNextS > maxInterval || t.FreeS > maxInterval:
		return events.Invalid("deck %s prefix %s: a billing interval is longer than a day", t.Deck, t.Prefix)
	case t.PriceFirstNano < 0 || t.PriceNextNano < 0 || t.ConnectFeeMicro < 0 || t.AttemptFeeMicro < 0 || t.MinimumMicro < 0:
		return events.Invalid("deck %s prefix %s: a price is negative", t.Deck, t.Prefix)
	case money.Rate(t.PriceFirstNano) > money.MaxRate || money.Rate(t.PriceNextNano) > money.MaxRate:
		return events.Invalid("deck %s prefix %s: a price is above %s a minute", t.Deck, t.Prefix, money.MaxRate.Short())
	case t.TaxPpm > ppm:
		return events.Invalid("deck %s: a tax above 100 %%", t.Deck)
	case t.Decimals > 6:
		return events.Invalid("deck %s: prices are rounded to at most 6 decimals", t.Deck)
	}
	return nil
}
