package ledger

import (
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// longest is how long the payers' money and packages last, up to capMS, with what
// each line reserves for that time, and at least for an attempt without an answer.
// What the lines reserve already counts as available.
func (s *State) longest(c *catalog.State, lines []*wire.HoldLine, start rating.Start, capMS int64) (int64, []share, error) {
	spendable := make(purses, 0, maxLines)
	for _, l := range lines {
		if l.Payer == "" {
			continue
		}
		if spendable.of(l.Payer) == nil {
			spendable = append(spendable, purse{l.Payer, s.spendable(c, l.Payer)})
		}
		spendable.of(l.Payer).money += money.Amount(l.AmountMicro)
	}
	paid := capMS
	for _, l := range lines {
		if l.Payer == "" {
			continue
		}
		t, err := rating.LongestBeyond(l.Sell, start, spendable.of(l.Payer).money, new(packages).left(s, c, l), paid)
		if err != nil {
			return 0, nil, err
		}
		paid = min(paid, t)
	}
	if paid == 0 {
		return 0, nil, nil
	}
	shares, covered, err := s.together(c, lines, spendable, start, paid)
	if err == nil && !covered {
		paid, shares, err = s.shorter(c, lines, spendable, start, paid)
	}
	if err == nil && !s.mutuallyCovered(c, lines, shares) {
		return 0, nil, nil
	}
	return paid, shares, err
}

// purses are what each payer of a hold can spend; there are few.
type purses []purse

type purse struct {
	payer string
	money money.Amount
}

func (p purses) of(payer string) *purse {
	for i := range p {
		if p[i].payer == payer {
			return &p[i]
		}
	}
	return nil
}

// together prices all lines for a time, and tells whether each payer's money
// covers the sum of his lines.
func (s *State) together(c *catalog.State, lines []*wire.HoldLine, spendable purses, start rating.Start, ms int64) ([]share, bool, error) {
	shares, left := make([]share, len(lines)), append(make(purses, 0, maxLines), spendable...)
	covered, handed := true, packages{}
	for i, l := range lines {
		if l.Payer == "" {
			continue
		}
		amount, seconds, err := rating.ReserveBeyond(l.Sell, start, ms, handed.left(s, c, l))
		if err != nil {
			return nil, false, err
		}
		shares[i] = share{amount, seconds}
		handed.take(l, seconds)
		p := left.of(l.Payer)
		p.money -= amount
		covered = covered && p.money >= 0
	}
	return shares, covered, nil
}

// shorter finds the longest time below tooLong that payers of several lines can
// pay for. Prices change at whole seconds, so the search counts those.
func (s *State) shorter(c *catalog.State, lines []*wire.HoldLine, spendable purses, start rating.Start, tooLong int64) (int64, []share, error) {
	least := int64(0)
	for _, l := range lines {
		if l.Payer != "" {
			least = max(least, rating.ShortestMS(l.Sell))
		}
	}
	var best []share
	low, high := int64(0), (tooLong+999)/1000 // low is covered, high is not
	for high-low > 1 {
		mid := (low + high) / 2
		shares, covered, err := s.together(c, lines, spendable, start, mid*1000)
		switch {
		case err != nil:
			return 0, nil, err
		case covered:
			low, best = mid, shares
		default:
			high = mid
		}
	}
	if low*1000 < least {
		return 0, nil, nil
	}
	return low * 1000, best, nil
}

// setupOf is when a call that is let through now may be answered.
func setupOf(nowUS, setupMS int64) rating.Start {
	return rating.Start{FromUS: nowUS, ToUS: nowUS + setupMS*1000}
}

// answeredAt is the time of a call's answer, as an extension tells it.
func answeredAt(us int64) rating.Start { return rating.Start{FromUS: us, ToUS: us} }

// Reserved is the span in which the call of a hold is answered, as it was known
// when the hold was placed, or just extended; verification prices the hold by it.
func Reserved(h *Hold, extended bool) rating.Start {
	if extended {
		return answeredAt(h.ExpiresAtUs - graceUS - h.PaidMs*1000)
	}
	return setupOf(h.PlacedAtUS, h.SetupMs)
}
