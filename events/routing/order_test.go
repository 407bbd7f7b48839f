package routing_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	byPriority = wire.Criterion_CRITERION_PRIORITY
	byPrice    = wire.Criterion_CRITERION_PRICE
	byWeight   = wire.Criterion_CRITERION_WEIGHT
	byQuality  = wire.Criterion_CRITERION_QUALITY
	asr        = wire.QualityFigure_QUALITY_FIGURE_ASR
)

// ordered puts a plan with criteria into a world.
func ordered(criteria ...*wire.OrderBy) func(*world) {
	return func(w *world) { w.put(&wire.RoutePlan{Id: "p", Order: criteria}) }
}

func plain(c wire.Criterion) *wire.OrderBy { return &wire.OrderBy{Criterion: c} }

// asrOf is a view of quality in which each vendor had 100 attempts.
func asrOf(answered map[string]uint64) func(string, string, uint32) routing.Quality {
	return func(t, prefix string, window uint32) routing.Quality {
		if prefix != "49" || window != 900 {
			return routing.Quality{}
		}
		return routing.Quality{Attempts: 100, Answered: answered[t], TalkMS: answered[t] * 1000, Rang: 100, PDDMS: 100 * answered[t]}
	}
}

func TestOrder(t *testing.T) {
	routes := []string{"49 a priority=1", "49 b priority=2", "49 c priority=2"}
	prices := []string{"sell 49 1", "buy-a 49 0.30", "buy-b 49 0.20", "buy-c 49 0.21"}
	answers := map[string]uint64{"a": 11, "b": 12, "c": 40}
	quality := func(f wire.QualityFigure, step uint64, least uint32) *wire.OrderBy {
		return &wire.OrderBy{Criterion: byQuality, Figure: f, Step: step, WindowS: 900, MinimumAttempts: least}
	}
	for _, c := range []struct {
		name  string
		order []*wire.OrderBy
		want  string
	}{
		{"the usual", nil, "a b c"},
		{"price alone", []*wire.OrderBy{plain(byPrice)}, "b c a"},
		{"prices within ten cents are equal", []*wire.OrderBy{{Criterion: byPrice, Step: 100_000_000}, plain(byPriority)}, "b c a"},
		{"priority, then by name", []*wire.OrderBy{plain(byPriority)}, "a b c"},
		{"quality", []*wire.OrderBy{quality(asr, 0, 0)}, "c b a"},
		{"11 % and 12 % are equal in steps of 5 %", []*wire.OrderBy{quality(asr, 50_000, 0), plain(byPriority)}, "c a b"},
		{"too few calls: all are equal", []*wire.OrderBy{quality(asr, 0, 101), plain(byPrice)}, "b c a"},
		{"a short PDD is better", []*wire.OrderBy{quality(wire.QualityFigure_QUALITY_FIGURE_PDD, 0, 1)}, "a b c"},
		{"equal talk times", []*wire.OrderBy{quality(wire.QualityFigure_QUALITY_FIGURE_ACD, 0, 1), plain(byPrice)}, "b c a"},
	} {
		o := caller()
		w := newWorld(t, o, routes, prices, ordered(c.order...))
		d := w.Route(routing.Request{Originator: o, Called: "49", Quality: asrOf(answers)})
		if got := told(d); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestUnknownQualityIsAsGoodAsTheBest: a new vendor gets calls, so that he comes to
// be measured.
func TestUnknownQualityIsAsGoodAsTheBest(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"49 a", "49 b", "49 new"}, []string{"sell 49 1", "buy-a 49 0.1", "buy-b 49 0.1", "buy-new 49 0.2"},
		ordered(&wire.OrderBy{Criterion: byQuality, Figure: asr, WindowS: 900, MinimumAttempts: 10}, plain(byPrice)))
	d := w.Route(routing.Request{Originator: o, Called: "49", Quality: func(t, _ string, _ uint32) routing.Quality {
		return map[string]routing.Quality{"a": {Attempts: 10, Answered: 2}, "b": {Attempts: 10, Answered: 5}, "new": {Attempts: 9}}[t]
	}})
	if got := told(d); got != "b new a" {
		t.Error(got)
	}
	q := d.Candidates[0].Quality
	if len(q) != 1 || q[0].Value != 500_000 || q[0].Attempts != 10 || !q[0].Known || d.Candidates[1].Quality[0].Known {
		t.Errorf("the figures are not kept: %v", q)
	}
}

// TestWeightsAreShares: of many calls each vendor comes first in his share, the
// same call always gets the same order, and who has no weight comes last.
func TestWeightsAreShares(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"49 a weight=70", "49 b weight=20", "49 c weight=10", "49 d"},
		[]string{"sell 49 1", "buy-a 49 0.1", "buy-b 49 0.2", "buy-c 49 0.3", "buy-d 49 0.01"}, ordered(plain(byWeight)))
	first := map[string]int{}
	const calls = 20_000
	for i := range calls {
		r := routing.Request{Originator: o, Called: "49"}
		r.Call = events.CallID(events.KeyOf(fmt.Sprint(i)))
		d := w.Route(r)
		first[d.Candidates[0].Terminator.Id]++
		if d.Candidates[3].Terminator.Id != "d" {
			t.Fatal("without a weight, and not last:", told(d))
		}
		if again := told(w.Route(r)); again != told(d) {
			t.Fatalf("one call, two orders: %s and %s", told(d), again)
		}
	}
	for id, percent := range map[string]int{"a": 70, "b": 20, "c": 10} {
		if share := float64(first[id]) * 100 / calls; share < float64(percent)-1.5 || share > float64(percent)+1.5 {
			t.Errorf("%s comes first in %.1f %%, want %d", id, share, percent)
		}
	}
}

// TestOrderIsAPermutation: whatever the criteria, no candidate is lost or doubled,
// and the order obeys the first criterion.
func TestOrderIsAPermutation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var routes []string
		prices := []string{"sell 49 9"}
		n := rapid.IntRange(1, 8).Draw(rt, "vendors")
		for i := range n {
			routes = append(routes, fmt.Sprintf("49 t%d priority=%d weight=%d", i,
				rapid.IntRange(0, 2).Draw(rt, "priority"), rapid.IntRange(0, 3).Draw(rt, "weight")))
			prices = append(prices, fmt.Sprintf("buy-t%d 49 0.%d", i, rapid.IntRange(1, 3).Draw(rt, "price")))
		}
		var criteria []*wire.OrderBy
		for _, c := range rapid.SliceOfN(rapid.Int32Range(1, 4), 1, 4).Draw(rt, "criteria") {
			criteria = append(criteria, &wire.OrderBy{Criterion: wire.Criterion(c), Figure: asr, WindowS: 900})
		}
		o := caller()
		w := newWorld(t, o, routes, prices, ordered(criteria...))
		r := routing.Request{Originator: o, Called: "49"}
		r.Call[15] = rapid.Byte().Draw(rt, "call")
		d := w.Route(r)
		var ids []string
		for i, c := range d.Candidates {
			ids = append(ids, c.Terminator.Id)
			if i == 0 {
				continue
			}
			before := d.Candidates[i-1]
			if criteria[0].Criterion == byPriority && before.Route.Priority > c.Route.Priority ||
				criteria[0].Criterion == byPrice && before.Buy.PriceNextNano > c.Buy.PriceNextNano ||
				criteria[0].Criterion == byWeight && before.Route.Weight == 0 && c.Route.Weight > 0 {
				rt.Fatalf("%v: wrong order at %d: %s", criteria[0].Criterion, i, told(d))
			}
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != n {
			rt.Fatalf("%d vendors, %s", n, told(d))
		}
	})
}
