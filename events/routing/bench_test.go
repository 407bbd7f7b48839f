package routing_test

import (
	"fmt"
	"testing"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// BenchmarkRoute decides over 50 terminators with a deck each of 10,000 prefixes.
func BenchmarkRoute(b *testing.B) {
	for _, c := range []struct {
		name  string
		order []*wire.OrderBy
	}{
		{"price", nil},
		{"quality", []*wire.OrderBy{{Criterion: byQuality, Figure: asr, WindowS: 900, Step: 50_000}, plain(byPrice)}},
		{"weight", []*wire.OrderBy{plain(byPriority), plain(byWeight)}},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := caller()
			w := wide(o, 50, c.order)
			r := routing.Request{Originator: o, Called: "49305551234", Caller: "33123456", Quality: func(string, string, uint32) routing.Quality {
				return routing.Quality{Attempts: 100, Answered: 50}
			}}
			b.ReportAllocs()
			for b.Loop() {
				if d := w.Route(r); len(d.Candidates) != routing.MaxCandidates {
					b.Fatal(told(d))
				}
			}
		})
	}
}

func wide(o *wire.Originator, vendors int, order []*wire.OrderBy) *routing.World {
	var rows []rating.Row
	for i := range 10_000 {
		rows = append(rows, rating.Row{Prefix: fmt.Sprint(40_000 + i), PriceFirst: 1, PriceNext: 1, IntervalFirst: 1, IntervalNext: 1})
	}
	put := []any{o, &wire.RoutePlan{Id: "p", Order: order}}
	tables := map[string]*rating.Table{}
	deck := func(id string, price money.Rate) {
		mine := append([]rating.Row(nil), rows...)
		for i := range mine {
			mine[i].PriceFirst, mine[i].PriceNext = price, price
		}
		tables[id] = rating.NewTable(&wire.Deck{Id: id, Currency: "USD"}, &wire.DeckVersion{Number: 1}, mine)
	}
	deck("sell", 100_000_000)
	for i := range vendors {
		id := fmt.Sprintf("t%d", i)
		put = append(put, &wire.Terminator{Id: id, Company: "co-" + id, BuyDeck: "buy-" + id},
			&wire.Route{Id: catalog.RouteID("p", "49", id), Plan: "p", Prefix: "49", Terminator: id, Weight: uint32(i)})
		deck("buy-"+id, money.Rate(1_000_000*(i%7+1)))
	}
	var set []*wire.Change
	for _, m := range put {
		set = append(set, &wire.Change{Entity: catalog.EntityOf(m)})
	}
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: set}}})
	return routing.Compile(cat, tables)
}
