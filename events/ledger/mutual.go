package ledger

import (
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// Mutual is what an account's company may still spend in the account's currency
// over all its accounts together, customer and vendor: what was posted on them,
// less what is held, plus the company's mutual limit. It is false where the
// company has no such limit.
//
// A hold must fit both, the account's own limit and the company's mutual one. It
// is not looked at when money is posted.
func (s *State) Mutual(c *catalog.State, account string) (money.Amount, bool) {
	a := c.Account(account)
	for _, l := range c.Company(a.GetCompany()).GetMutualLimits() {
		if l.Currency == a.GetCurrency() {
			sum := c.SumAccounts(a.Company, a.Currency, func(id string) int64 {
				b := s.Balance(id)
				return int64(b.Posted - b.Held)
			})
			return money.Amount(sum + l.LimitMicro), true
		}
	}
	return 0, false
}

// spendable is what a hold may take from an account.
func (s *State) spendable(c *catalog.State, account string) money.Amount {
	own := s.Available(c, account)
	if all, limited := s.Mutual(c, account); limited {
		return min(own, all)
	}
	return own
}

// mutuallyCovered checks a hold of several payers: those of one company and
// currency must fit its mutual limit together. The lines' present amounts are
// among what is held already.
func (s *State) mutuallyCovered(c *catalog.State, lines []*wire.HoldLine, shares []share) bool {
	if len(lines) < 2 || len(shares) < len(lines) {
		return true
	}
	type fund struct{ company, currency string }
	more := map[fund]money.Amount{}
	for i, l := range lines {
		if l.Payer != "" {
			p := fund{c.Account(l.Payer).GetCompany(), rating.Currency(l.Sell)}
			more[p] += shares[i].amount - money.Amount(l.AmountMicro)
		}
	}
	for _, l := range lines {
		if l.Payer == "" {
			continue
		}
		left, limited := s.Mutual(c, l.Payer)
		if limited && left < more[fund{c.Account(l.Payer).GetCompany(), rating.Currency(l.Sell)}] {
			return false
		}
	}
	return true
}

// VendorOut says that a vendor's account with so much posted is cut off: we owe him
// what he lets us owe, and calls go to others. It is for who makes the route; a call
// that is placed already is not touched.
func VendorOut(a *wire.Account, posted money.Amount) bool {
	return a.GetCutOff() && posted >= money.Amount(a.GetCreditLimitMicro())
}
