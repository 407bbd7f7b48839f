package resolve

import (
	"context"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	digitsof "github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/lookup"
)

const week = 7 * 24 * time.Hour

// reprice prices the answered calls of the last week that the deck priced with
// the last version that an import would make.
func (r *Resolver) reprice(ctx context.Context, deck *wire.Deck, changes []*wire.ExpectedChange, steps []rating.Step) ([]RepricedPrefix, error) {
	if len(steps) == 0 || r.History == nil {
		return nil, nil
	}
	now, cat := r.Now(), r.Backend.Catalog()
	last := len(steps) - 1
	v := changes[last].Change.Entity.GetDeckVersion()
	var zones lookup.Zones
	moment := lookup.MomentOf(&zones, cat, deck, v, now)
	if len(v.Bands) > 0 {
		moment.Shifts = lookup.Shifts(&zones, deck, now.Add(-week-time.Hour), now.Add(24*time.Hour))
	}
	table := rating.NewTable(deck, v, steps[last].Rows).With(moment)
	sums := map[string]*RepricedPrefix{}
	yes := true
	filter := history.Filter{FromUS: events.Micros(now.Add(-week)), Answered: &yes}
	err := r.History.Stream(ctx, filter, func(c *history.CDR) error {
		if c.Deck != deck.Id {
			return nil
		}
		s := sums[c.Prefix]
		if s == nil {
			s = &RepricedPrefix{Prefix: c.Prefix, Currency: c.Currency}
			sums[c.Prefix] = s
		}
		s.Calls++
		s.before += money.Amount(c.GrossMicro)
		account := cat.Account(c.BilledAccount).GetCurrency()
		called := dialled(c, cat.Terminator(c.Terminator).GetTechPrefix())
		terms, ok := table.Price(rating.Query{Called: called, Caller: strings.TrimPrefix(c.Caller, "+"), AtUS: c.AnsweredUS, Currency: account})
		if !ok {
			s.Unpriced++
			return nil
		}
		p, err := rating.CallBeyond(terms, c.AnsweredUS, c.RawMS, c.PackageS)
		if err != nil {
			s.Unpriced++
			return nil //nolint:nilerr // the call is counted as one without a price
		}
		s.after += p.Gross
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]*RepricedPrefix, 0, len(sums))
	for _, s := range sums {
		list = append(list, s)
	}
	return dearest(list), nil
}

// dialled are the digits that a leg was priced by.
func dialled(c *history.CDR, techPrefix string) string {
	if c.CalledRouted != "" {
		return c.CalledRouted
	}
	digits, _ := digitsof.Normalise(strings.TrimPrefix(c.Called, techPrefix))
	return digits
}
