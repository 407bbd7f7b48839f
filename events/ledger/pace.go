package ledger

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
)

// Pace is how fast an account's money is used up by its open calls.
type Pace struct {
	Account, Currency string
	// Left is what the account may still spend, what its calls hold included.
	Left money.Amount
	// Burn is what the calls cost a minute, by what was held for their paid time.
	Burn  money.Amount
	Calls int
	// Threshold is when the account's people want to know, in minutes.
	Threshold uint32
}

// Minutes is how long the money lasts, rounded down; false if it does not run out.
func (p Pace) Minutes() (int64, bool) {
	if p.Burn <= 0 {
		return 0, false
	}
	return int64(max(p.Left, 0) / p.Burn), true
}

// Paces are those of the accounts that have calls and ask for a forecast.
func (s *State) Paces(c *catalog.State) []Pace {
	found := map[string]*Pace{}
	for _, h := range s.holds {
		for _, l := range h.Lines {
			reserves(l, func(account, currency string, amount money.Amount) {
				threshold := c.Account(account).GetAlerts().GetForecastMinutes()
				if threshold == 0 || h.PaidMs <= 0 {
					return
				}
				p := found[account]
				if p == nil {
					b := s.Balance(account)
					p = &Pace{Account: account, Currency: currency, Left: s.Available(c, account) + b.Held, Threshold: threshold}
					found[account] = p
				}
				p.Calls++
				p.Burn = min(p.Burn+perMinute(int64(amount), h.PaidMs), money.MaxAmount/2)
			})
		}
	}
	out := make([]Pace, 0, len(found))
	for _, p := range found {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Pace) int { return cmp.Compare(a.Account, b.Account) })
	return out
}

// perMinute is an amount for some milliseconds as one for a minute, rounded down.
func perMinute(micro, ms int64) money.Amount {
	high, low := bits.Mul64(uint64(max(micro, 0)), 60_000)
	if high >= uint64(ms) {
		return money.MaxAmount / 2
	}
	n, _ := bits.Div64(high, low, uint64(ms))
	return money.Amount(min(n, uint64(money.MaxAmount/2)))
}
