package guard_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/guard"
)

// BenchmarkJudge is what the guard costs a call: without rules, and with as many as
// there may be.
func BenchmarkJudge(b *testing.B) {
	for _, rules := range []int{0, 10, 200} {
		b.Run(fmt.Sprint(rules, "-rules"), func(b *testing.B) {
			v := guard.New("n1", slog.New(slog.DiscardHandler), guard.Usual())
			set := &wire.ChangeSetAccepted{}
			for i := range rules {
				set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(&wire.GuardRule{
					Id: fmt.Sprint("r", i), Measure: wire.GuardMeasure(2 + i%3), WindowS: uint32(3600 + i), Calls: 1_000_000, AmountMicro: 1 << 60,
					Action: block, Prefixes: []string{"44", "49"},
				})})
			}
			v.Apply(events.Recorded{TimeUS: noon, Event: &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}}})
			c := guard.Call{
				Called: "442079460018", AtUS: noon, Originator: &wire.Originator{Id: "o", Account: "a"},
				Sell: &wire.Terms{Destination: "UK", Currency: "USD", PriceFirstNano: 1, PriceNextNano: 1},
			}
			for b.Loop() {
				if v.Judge(c).Rule != "" {
					b.Fatal("blocked")
				}
			}
		})
	}
}
