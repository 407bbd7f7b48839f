package routing

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// maxRecorded bounds the choices that a record keeps.
const maxRecorded = 100

// Record is the decision as the log keeps it: the candidates in their order, then
// the rejected ones with their reasons.
func (d *Decision) Record(r Request, position events.Position) *wire.CallRouted {
	out := &wire.CallRouted{
		Call: r.Call[:], AtUs: r.AtUS, Plan: r.Originator.RoutePlan, CatalogPosition: uint64(position), Refused: string(d.Refused),
		Emergency: d.Emergency, Package: d.Package, Guard: d.Guard,
	}
	if d.Sell != nil {
		out.Currency, out.SellPriceNano, out.SellPrefix = d.Sell.Currency, d.Sell.PriceNextNano, d.Sell.Prefix
		out.SellDeck, out.SellDeckVersion = d.Sell.Deck, d.Sell.DeckVersion
		out.MarginCurrency = rating.Currency(d.Sell)
	}
	for _, list := range [][]Candidate{d.Candidates, d.Rejected} {
		for i := range list {
			if len(out.Choices) < maxRecorded {
				out.Choices = append(out.Choices, list[i].choice())
			}
		}
	}
	return out
}

func (c *Candidate) choice() *wire.RouteChoice {
	out := &wire.RouteChoice{
		Terminator: c.Terminator.Id, Route: c.Route.Id, MarginNano: c.MarginNano,
		Rejected: string(c.Rejected), Quality: c.Quality,
	}
	if b := c.Buy; b != nil {
		out.Deck, out.DeckVersion, out.Prefix = b.Deck, b.DeckVersion, b.Prefix
		out.Currency, out.PriceNano = b.Currency, b.PriceNextNano
	}
	return out
}
