package ledger

import (
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// longest is how long the payers' money lasts, up to capMS, with each line's
// gross price for that time, and at least for an attempt without an answer. The lines' own present amounts count as available.
func (s *State) longest(c *catalog.State, lines []*wire.HoldLine, start rating.Start, capMS int64) (int64, []money.Amount, error) {
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
		t, err := rating.LongestFrom(l.Sell, start, spendable.of(l.Payer).money, paid)
		if err != nil {
			return 0, nil, err
		}
		paid = min(paid, t)
	}
	if paid == 0 {
		return 0, nil, nil
	}
	amounts, covered, err := together(lines, spendable, start, paid)
	if err == nil && !covered {
		paid, amounts, err = shorter(lines, spendable, start, paid)
	}
	if err == nil && !s.mutuallyCovered(c, lines, amounts) {
		return 0, nil, nil
	}
	return paid, amounts, err
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
func together(lines []*wire.HoldLine, spendable purses, start rating.Start, ms int64) ([]money.Amount, bool, error) {
	amounts, left := make([]money.Amount, len(lines)), append(make(purses, 0, maxLines), spendable...)
	covered := true
	for i, l := range lines {
		if l.Payer == "" {
			continue
		}
		amount, err := rating.Reserve(l.Sell, start, ms)
		if err != nil {
			return nil, false, err
		}
		amounts[i] = amount
		p := left.of(l.Payer)
		p.money -= amount
		covered = covered && p.money >= 0
	}
	return amounts, covered, nil
}

// shorter finds the longest time below tooLong that payers of several lines can
// pay for. Prices change at whole seconds, so the search counts those.
func shorter(lines []*wire.HoldLine, spendable purses, start rating.Start, tooLong int64) (int64, []money.Amount, error) {
	least := int64(0)
	for _, l := range lines {
		if l.Payer != "" {
			least = max(least, rating.ShortestMS(l.Sell))
		}
	}
	var best []money.Amount
	low, high := int64(0), (tooLong+999)/1000 // low is covered, high is not
	for high-low > 1 {
		mid := (low + high) / 2
		amounts, covered, err := together(lines, spendable, start, mid*1000)
		switch {
		case err != nil:
			return 0, nil, err
		case covered:
			low, best = mid, amounts
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
