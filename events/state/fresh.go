package state

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// checkFresh refuses a route that was made on an older catalog than the one in
// force: then the node routes once more.
func (s *State) checkFresh(d ledger.Deciding, p *wire.PlaceHold) error {
	made := events.Position(p.CatalogPosition)
	check := func(k catalog.Kind, id string) error {
		if id == "" {
			return nil
		}
		it, ok := s.Catalog.Get(catalog.PeerRef(k, id))
		if !ok || it.Version > made {
			return stale(s, k, id)
		}
		return nil
	}
	deck := func(t *wire.Terms) error {
		if t == nil {
			return nil
		}
		if err := check(catalog.KindDeck, t.Deck); err != nil {
			return err
		}
		if v := s.Catalog.VersionAt(t.Deck, d.NowUS); v == nil || v.Number != t.DeckVersion {
			return stale(s, catalog.KindDeck, t.Deck)
		}
		if err := check(catalog.KindOriginSet, t.Origin); err != nil {
			return err
		}
		return s.checkExchange(d.NowUS, t)
	}
	// Packages are edited seldom: only accounts that have one are looked at.
	packaged := func(l *wire.HoldLine) error {
		if l.Package == "" && s.Catalog.Account(l.Payer).GetPackage() == "" {
			return nil
		}
		return first(check(catalog.KindAccount, l.Payer), check(catalog.KindAccount, l.Package))
	}
	for _, l := range p.Lines {
		if err := first(check(catalog.KindOriginator, l.Originator), check(catalog.KindDid, l.Did), deck(l.Sell), packaged(l)); err != nil {
			return err
		}
	}
	if p.Emergency != "" && !catalog.IsEmergency(s.Catalog.Settings(), p.Emergency) {
		return stale(s, catalog.KindSettings, "settings")
	}
	for _, c := range p.Route {
		if err := first(check(catalog.KindTerminator, c.Terminator), check(catalog.KindRoute, c.Route), deck(c.Buy)); err != nil {
			return err
		}
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func stale(s *State, k catalog.Kind, id string) error {
	return events.Refuse(events.CodeStale, "%s %s has changed: route again on position %d", k, id, s.Catalog.Position())
}

// checkExchange refuses terms at another exchange rate than the one in force.
func (s *State) checkExchange(nowUS int64, t *wire.Terms) error {
	if t.AccountCurrency == "" {
		return nil
	}
	r := s.Catalog.Exchange(t.Currency, t.AccountCurrency, nowUS)
	if r == nil || r.Id != t.Exchange || r.RateE12 != t.ExchangeE12 {
		return stale(s, catalog.KindExchangeRate, t.Currency+"-"+t.AccountCurrency)
	}
	return nil
}
