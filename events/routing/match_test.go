package routing_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// TestBestMatchOfEachVendor: of all routes that match and are for the caller, each
// vendor is considered by his longest prefix, as a plain search finds it; one that
// is disabled there is out, though a shorter one is not.
func TestBestMatchOfEachVendor(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		digits := rapid.StringOfN(rapid.RuneFrom([]rune("12")), 1, 3, -1)
		var routes []*wire.Route
		seen := map[string]bool{}
		for range rapid.IntRange(0, 12).Draw(rt, "routes") {
			r := &wire.Route{
				Plan: "p", Prefix: "4" + digits.Draw(rt, "prefix"), Terminator: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "vendor"),
				Disabled: rapid.IntRange(0, 4).Draw(rt, "disabled") == 0,
			}
			if rapid.IntRange(0, 3).Draw(rt, "origin") == 0 {
				r.CallerPrefixes = []string{rapid.SampledFrom([]string{"33", "44"}).Draw(rt, "callers")}
			}
			if r.Id = catalog.RouteID("p", r.Prefix, r.Terminator); !seen[r.Id] {
				seen[r.Id], routes = true, append(routes, r)
			}
		}
		o := caller()
		w := newWorld(t, o, nil, []string{"sell 4 1", "buy-a 4 0.1", "buy-b 4 0.2", "buy-c 4 0.3"}, func(w *world) {
			for _, id := range []string{"a", "b", "c"} {
				w.put(&wire.Terminator{Id: id, Company: "co-" + id, BuyDeck: "buy-" + id})
			}
			for _, r := range routes {
				w.put(r)
			}
		})
		called := "4" + digits.Draw(rt, "called") + "9"
		d := w.Route(routing.Request{Originator: o, Called: called, Caller: "331"})
		got := map[string]string{}
		for _, c := range d.Candidates {
			got[c.Terminator.Id] = c.Route.Id
		}
		want := map[string]string{}
		for _, vendor := range []string{"a", "b", "c"} {
			var best *wire.Route
			for _, r := range routes {
				fits := r.Terminator == vendor && strings.HasPrefix(called, r.Prefix) && (len(r.CallerPrefixes) == 0 || r.CallerPrefixes[0] == "33")
				if fits && (best == nil || len(r.Prefix) > len(best.Prefix)) {
					best = r
				}
			}
			if best != nil && !best.Disabled {
				want[vendor] = best.Id
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("%s: %v, want %v of %v", called, got, want, routes)
		}
	})
}
