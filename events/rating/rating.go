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
	// Package are those of the billed seconds, from the first, that a package paid.
	Package int64
	// Net and Tax add up to Gross, which is what an account is charged. They are
	// in the account's currency.
	Net, Tax, Gross money.Amount
	// DeckNet, DeckTax and DeckGross are the price in the deck's currency, rounded
	// by the same rule, where the account has another one; zero otherwise.
	DeckNet, DeckTax, DeckGross money.Amount
	// Segments are the parts of a call that bands may split; none where they do not.
	Segments []*wire.PriceSegment

	exact   money.Wide
	prepaid int64 // package seconds that no segment has had yet
}

// Exact is the price before tax and rounding, in units of the deck's currency: a
// decimal number, or a reduced fraction where no decimal number is exact.
func (p Price) Exact() string { return p.exact.Exact(scale * money.MicroPerUnit) }

// CallAt prices a leg that was answered at startUS, in microseconds of UTC, and
// lasted rawMS milliseconds. Time is rounded up to whole seconds, at least one. A
// call within its free seconds costs nothing at all; otherwise they are taken
// off, and what remains is raised to the minimum and to whole increments. Where
// bands split calls each increment costs what is in force when it begins.
func CallAt(t *wire.Terms, startUS, rawMS int64) (Price, error) {
	return CallBeyond(t, startUS, rawMS, 0)
}

// CallBeyond is CallAt for a call that a package pays up to packageS seconds of.
// They come off the billed seconds, from the first on, and cost nothing. A call
// that the package covers wholly costs no money at all; another one costs its
// remaining seconds, each at the price it would have had, the connect fee, and in
// all no less than the minimum.
func CallBeyond(t *wire.Terms, startUS, rawMS, packageS int64) (Price, error) {
	p, err := measure(t, rawMS)
	if err != nil || p.cover(packageS) {
		return p, err
	}
	if len(t.Switches) > 0 {
		p.split(t, startUS)
	} else {
		p.exact = p.at(t.PriceFirstNano, t.PriceNextNano)
	}
	return p.finish(t)
}

// cover has a package pay as many seconds as it may, and tells whether that leaves
// none to pay.
func (p *Price) cover(packageS int64) bool {
	p.Package = min(max(0, packageS), p.Billed)
	return p.Package == p.Billed
}

// at is what the seconds that no package pays cost at two prices.
func (p *Price) at(first, next int64) money.Wide {
	return money.WideOf(uint64(first), uint64(max(0, p.First-p.Package))).
		Plus(money.WideOf(uint64(next), uint64(p.Billed-max(p.First, p.Package))))
}

// measure turns a talk time into billed seconds; none for a call that is free.
func measure(t *wire.Terms, rawMS int64) (Price, error) {
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
	return p, nil
}

// finish adds the connect fee, raises to the minimum, and rounds.
func (p Price) finish(t *wire.Terms) (Price, error) {
	p.exact = p.exact.Plus(money.WideOf(uint64(t.ConnectFeeMicro), scale))
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
	var err error
	if p.Net, p.Gross, err = place(t, p.exact); err != nil {
		return Price{}, err
	}
	p.Tax = p.Gross - p.Net
	if t.AccountCurrency != "" {
		return p.convert(t)
	}
	return p, nil
}

// place rounds an exact price to the deck's decimals.
func place(t *wire.Terms, exact money.Wide) (net, gross money.Amount, err error) {
	step := uint64(1)
	for range 6 - min(6, t.Decimals) {
		step *= 10
	}
	tax := uint64(t.TaxPpm)
	before, after := exact.Times(ppm), exact.Times(ppm+tax)
	divisor := uint64(scale) * ppm * step
	if t.TaxInclusive {
		divisor = uint64(scale) * (ppm + tax) * step
	}
	mode := roundingOf(t.Rounding)
	n, okNet := before.Round(divisor, mode)
	g, okGross := after.Round(divisor, mode)
	if !okNet || !okGross || n > int64(money.MaxAmount)/int64(step) || g > int64(money.MaxAmount)/int64(step) {
		return 0, 0, tooLarge(t)
	}
	return money.Amount(n) * money.Amount(step), money.Amount(g) * money.Amount(step), nil
}

func tooLarge(t *wire.Terms) error {
	return events.Invalid("the price of deck %s prefix %s is too large", t.Deck, t.Prefix)
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
	if err := checkExchange(t); err != nil {
		return err
	}
	return checkSwitches(t)
}
