package state

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// checkBelongs refuses a hold whose parts are not each other's: a payer that is not
// the originator's account, a price of another deck than the peer's own, or with
// another tax or rounding than the deck's. A node that routes right sends none.
func (s *State) checkBelongs(p *wire.PlaceHold) error {
	for _, l := range p.Lines {
		if l.Did != "" {
			if err := s.checkOwner(l); err != nil {
				return err
			}
			continue
		}
		o := s.Catalog.Originator(l.Originator)
		if o == nil || l.Payer == "" {
			continue
		}
		if l.Payer != o.Account {
			return events.Invalid("originator %s pays with account %s, not %s", o.Id, o.Account, l.Payer)
		}
		if err := s.checkDeck("originator "+o.Id, o.SellDeck, l.Sell); err != nil {
			return err
		}
	}
	for _, c := range p.Route {
		t := s.Catalog.Terminator(c.Terminator)
		if t == nil || c.VendorAccount == "" {
			continue
		}
		if c.VendorAccount != t.Account {
			return events.Invalid("terminator %s is paid on account %s, not %s", t.Id, t.Account, c.VendorAccount)
		}
		if err := s.checkDeck("terminator "+t.Id, t.BuyDeck, c.Buy); err != nil {
			return err
		}
	}
	return nil
}

// checkOwner refuses the line of a number's owner that is not his.
func (s *State) checkOwner(l *wire.HoldLine) error {
	d := s.Catalog.Did(l.Did)
	if d == nil || l.Originator != "" || l.Payer != d.Account {
		return events.Invalid("the owner of number %s does not pay with account %s", l.Did, l.Payer)
	}
	return s.checkDeck("number "+l.Did, d.SellDeck, l.Sell)
}

func (s *State) checkDeck(peer, deck string, t *wire.Terms) error {
	if t.GetDeck() != deck {
		return events.Invalid("%s has deck %s, the price is of deck %s", peer, deck, t.GetDeck())
	}
	d := s.Catalog.Deck(deck)
	if d != nil && (t.TaxPpm != d.TaxPpm || t.TaxInclusive != d.TaxInclusive || t.Rounding != d.Rounding || t.Decimals != d.Decimals) {
		return events.Invalid("%s: the price's tax or rounding is not that of deck %s", peer, deck)
	}
	return nil
}
