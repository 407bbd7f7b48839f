package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

func periodEncoding(in *scratch, p *wire.PeriodClosed) []byte {
	return in.begin('p').text(p.Account).number(p.FromUs).number(p.ToUs).number(p.BalanceMicro)
}

// Period is the last closed period of an account, nil before the first.
func (s *State) Period(account string) *wire.PeriodClosed { return s.periods[account] }

// ClosePeriod decides to close an account's period: when its end has passed, and
// no hold that was placed before the end is open. What is posted from then on
// belongs to the next period. The same end again needs no event.
func (s *State) ClosePeriod(d Deciding, c *wire.ClosePeriod) (*wire.PeriodClosed, error) {
	a := d.Catalog.Account(c.Account)
	if a == nil {
		return nil, events.NotFound("there is no account %q", c.Account).At("account")
	}
	last := s.periods[c.Account]
	switch {
	case c.ToUs <= 0 || c.ToUs > d.NowUS:
		return nil, events.Invalid("the period's end has not passed").At("to")
	case last != nil && last.ToUs == c.ToUs:
		return nil, nil
	case last != nil && last.ToUs > c.ToUs:
		return nil, events.Refuse(events.CodeConflict, "account %s has a later period that is closed", c.Account).At("to")
	}
	open := 0
	for _, h := range s.holds {
		if h.PlacedAtUS < c.ToUs && h.moves(c.Account) {
			open++
		}
	}
	if open > 0 {
		return nil, events.Refuse(events.CodeConflict, "account %s has %d calls from before the period's end that go on", c.Account, open)
	}
	return &wire.PeriodClosed{
		Account: c.Account, Currency: a.Currency, FromUs: last.GetToUs(), ToUs: c.ToUs, BalanceMicro: int64(s.Balance(c.Account).Posted),
	}, nil
}

// moves tells whether the charge of a hold may move an account's money.
func (h *Hold) moves(account string) bool {
	return slices.ContainsFunc(h.Lines, func(l *wire.HoldLine) bool { return l.Payer == account || l.Package == account }) ||
		slices.ContainsFunc(h.Route, func(c *wire.Candidate) bool { return c.VendorAccount == account })
}

// flagLate marks the postings on accounts whose period at the time they count was
// closed: they stand in the next one.
func (s *State) flagLate(postings []*wire.Posting, effectiveUS int64) {
	for _, p := range postings {
		if last := s.periods[p.Account]; last != nil && effectiveUS < last.ToUs {
			p.Late = true
		}
	}
}

func (s *State) evolvePeriod(pos events.Position, p *wire.PeriodClosed) error {
	last := s.periods[p.Account]
	if last.GetToUs() >= p.ToUs {
		return fmt.Errorf("the period closed at %d ends before the last one of account %s", pos, p.Account)
	}
	if have := int64(s.Balance(p.Account).Posted); have != p.BalanceMicro {
		return fmt.Errorf("the period closed at %d brings %d forward, account %s has %d", pos, p.BalanceMicro, p.Account, have)
	}
	s.keepPeriod(p)
	s.remember(p.Key, &Known{InputsHash: string(p.InputsHash), Position: pos})
	return nil
}

func (s *State) keepPeriod(p *wire.PeriodClosed) {
	if last := s.periods[p.Account]; last != nil {
		s.sum.Remove(periodEncoding(&s.scratch, last))
	}
	s.periods[p.Account] = p
	s.sum.Add(periodEncoding(&s.scratch, p))
}

// closedPeriods are the accounts' last closed periods, by account.
func (s *State) closedPeriods() (out []*wire.PeriodClosed) {
	for _, id := range slices.Sorted(maps.Keys(s.periods)) {
		out = append(out, s.periods[id])
	}
	return out
}
