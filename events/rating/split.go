package rating

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxSwitches bounds the instants at which a call's price may change.
const MaxSwitches = 64

// split prices each increment by what is in force when it begins: the first
// interval after the free seconds, then one increment after the other.
func (p *Price) split(t *wire.Terms, startUS int64) {
	p.prepaid = p.Package
	from := startUS + int64(t.FreeS)*1_000_000
	at := inForce(t, from)
	band, price := first(t, at)
	p.segment(band, price, p.First, from, true)
	from += p.First * 1_000_000
	step := int64(t.IntervalNextS) * 1_000_000
	left := (p.Billed - p.First) / int64(t.IntervalNextS)
	for left > 0 {
		for at < len(t.Switches) && t.Switches[at].AtUs <= from {
			at++
		}
		n := left
		if at < len(t.Switches) {
			// Increments that begin before the switch are billed by what it ends.
			n = min(n, (t.Switches[at].AtUs-from+step-1)/step)
		}
		band, price = next(t, at)
		p.segment(band, price, n*int64(t.IntervalNextS), from, false)
		left -= n
		from += n * step
	}
}

// segment adds a part of the call that has one price, less what a package pays of it.
func (p *Price) segment(band string, price, seconds, startUS int64, first bool) {
	paid := min(p.prepaid, seconds)
	p.prepaid -= paid
	if seconds -= paid; seconds == 0 {
		return
	}
	startUS += paid * 1_000_000
	p.exact = p.exact.Plus(money.WideOf(uint64(price), uint64(seconds)))
	p.Segments = append(p.Segments, &wire.PriceSegment{
		Band: band, PriceNano: price, BilledS: seconds, First: first, StartsAtUs: startUS,
	})
}

// inForce counts the switches that have happened at an instant.
func inForce(t *wire.Terms, us int64) int {
	n := 0
	for n < len(t.Switches) && t.Switches[n].AtUs <= us {
		n++
	}
	return n
}

// first and next are the band and the price after so many switches.
func first(t *wire.Terms, switches int) (string, int64) {
	if switches == 0 {
		return t.Band, t.PriceFirstNano
	}
	return t.Switches[switches-1].Band, t.Switches[switches-1].PriceFirstNano
}

func next(t *wire.Terms, switches int) (string, int64) {
	if switches == 0 {
		return t.Band, t.PriceNextNano
	}
	return t.Switches[switches-1].Band, t.Switches[switches-1].PriceNextNano
}

// worst is the most that a call of ms milliseconds can cost if it is answered
// within a span: each price is the highest that may be in force meanwhile.
func worst(t *wire.Terms, s Start, ms, packageS int64) (Price, error) {
	if len(t.Switches) == 0 || s.FromUS == s.ToUS {
		return CallBeyond(t, s.FromUS, ms, packageS)
	}
	p, err := measure(t, ms)
	if err != nil || p.cover(packageS) {
		return p, err
	}
	// The last increment begins before the billed time is over.
	until := s.ToUS + (int64(t.FreeS)+p.Billed)*1_000_000
	low, high := inForce(t, s.FromUS), inForce(t, until)
	dearFirst, dearNext := int64(0), int64(0)
	for at := low; at <= high; at++ {
		_, f := first(t, at)
		_, n := next(t, at)
		dearFirst, dearNext = max(dearFirst, f), max(dearNext, n)
	}
	p.exact = p.at(dearFirst, dearNext)
	return p.finish(t)
}

func checkSwitches(t *wire.Terms) error {
	if len(t.Switches) > MaxSwitches {
		return events.Invalid("deck %s prefix %s: a price changes at most %d times during a call", t.Deck, t.Prefix, MaxSwitches)
	}
	last := int64(0)
	for _, s := range t.Switches {
		switch {
		case s.AtUs <= last:
			return events.Invalid("deck %s prefix %s: the changes of price are not in the order of time", t.Deck, t.Prefix)
		case s.PriceFirstNano < 0 || s.PriceNextNano < 0:
			return events.Invalid("deck %s prefix %s: a price is negative", t.Deck, t.Prefix)
		case money.Rate(s.PriceFirstNano) > money.MaxRate || money.Rate(s.PriceNextNano) > money.MaxRate:
			return events.Invalid("deck %s prefix %s: a price is above %s a minute", t.Deck, t.Prefix, money.MaxRate.Short())
		}
		last = s.AtUs
	}
	return nil
}
