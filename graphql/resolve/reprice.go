package resolve

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	digitsof "github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/lookup"
)

const week = 7 * 24 * time.Hour

// dated is a version's prices from an instant on.
type dated struct {
	fromUS int64
	table  *rating.Table
}

// traffic adds up calls of one prefix in one currency.
type traffic struct {
	prefix, currency string
	calls, unpriced  int
	before, after    money.Amount
}

// reprice prices the last week's answered calls of the deck by the versions that
// an import would make. The week is taken as the first one in which they are in
// force, so that each call gets the version of its day; the band is that of the
// call's own time, the exchange rate the present one.
func (r *Resolver) reprice(ctx context.Context, f *deckFile, changes []*wire.ExpectedChange) error {
	if r.History == nil {
		return nil
	}
	now := events.Instant(f.nowUS)
	moved := f.steps[0].FromUS - events.Micros(now.Add(-week))
	var tables []dated
	for i, s := range f.steps {
		if s.FromUS < f.steps[0].FromUS+week.Microseconds() {
			tables = append(tables, dated{s.FromUS, f.table(changes[i].Change.Entity.GetDeckVersion(), s.Rows, now)})
		}
	}
	sums, totals := map[[2]string]*traffic{}, map[string]*traffic{}
	yes := true
	filter := history.Filter{FromUS: events.Micros(now.Add(-week)), Answered: &yes}
	err := r.History.Stream(ctx, filter, func(c *history.CDR) error {
		if c.Deck != f.deck.Id {
			return nil
		}
		key := [2]string{c.Prefix, c.Currency}
		s, all := sums[key], totals[c.Currency]
		if s == nil {
			s = &traffic{prefix: c.Prefix, currency: c.Currency}
			sums[key] = s
		}
		if all == nil {
			all = &traffic{currency: c.Currency}
			totals[c.Currency] = all
		}
		one := f.priced(c, tables, c.AnsweredUS+moved)
		s.add(one)
		all.add(one)
		return nil
	})
	if err != nil {
		return err
	}
	f.out.Traffic = dearest(slices.Collect(maps.Values(sums)))
	f.out.TrafficTotals = dearest(slices.Collect(maps.Values(totals)))
	return nil
}

// table are a version's prices as they would have been in the last week.
func (f *deckFile) table(v *wire.DeckVersion, rows []rating.Row, now time.Time) *rating.Table {
	var zones lookup.Zones
	moment := lookup.MomentOf(&zones, f.cat, f.deck, v, now)
	if len(v.Bands) > 0 {
		moment.Shifts = lookup.Shifts(&zones, f.deck, now.Add(-week-time.Hour), now.Add(24*time.Hour))
	}
	return rating.NewTable(f.deck, v, rows).With(moment)
}

func (t *traffic) add(o traffic) {
	t.calls += o.calls
	t.unpriced += o.unpriced
	t.before += o.before
	t.after += o.after
}

// priced is one call, and what it would cost if it came at an instant.
func (f *deckFile) priced(c *history.CDR, tables []dated, atUS int64) traffic {
	t := traffic{calls: 1, unpriced: 1, before: money.Amount(c.GrossMicro)}
	table := tables[0].table
	for _, d := range tables {
		if d.fromUS <= atUS {
			table = d.table
		}
	}
	terms, ok := table.Price(rating.Query{
		Called: dialled(c, f.cat.Terminator(c.Terminator).GetTechPrefix()), Caller: strings.TrimPrefix(c.Caller, "+"),
		AtUS: c.AnsweredUS, Currency: f.cat.Account(c.BilledAccount).GetCurrency(),
	})
	if !ok {
		return t
	}
	p, err := rating.CallBeyond(terms, c.AnsweredUS, c.RawMS, c.PackageS)
	if err == nil {
		t.unpriced, t.after = 0, p.Gross
	}
	return t
}

// dialled are the digits that a leg was priced by.
func dialled(c *history.CDR, techPrefix string) string {
	if c.CalledRouted != "" {
		return c.CalledRouted
	}
	digits, _ := digitsof.Normalise(strings.TrimPrefix(c.Called, techPrefix))
	return digits
}

// dearest shows what changes most first.
func dearest(list []*traffic) []*model.RepricedTraffic {
	size := func(t *traffic) money.Amount { return max(t.after-t.before, t.before-t.after) }
	slices.SortFunc(list, func(a, b *traffic) int {
		if d := size(b) - size(a); d != 0 {
			return int(min(1, max(-1, d)))
		}
		return strings.Compare(a.prefix+" "+a.currency, b.prefix+" "+b.currency)
	})
	return each(list[:min(len(list), maxShown)], func(t *traffic) *model.RepricedTraffic {
		return &model.RepricedTraffic{
			Prefix: t.prefix, Currency: t.currency, Calls: t.calls, Unpriced: t.unpriced,
			Before: model.Micro(int64(t.before)), After: model.Micro(int64(t.after)),
		}
	})
}
