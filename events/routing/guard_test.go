package routing_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// The guard is asked about calls that could be carried, and about no others: not
// about those without a route or a price, and never about an emergency call.
func TestGuardIsAskedLast(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"112 a", "44 a", "33 off", "49 a"}, []string{"sell 112 0.01", "sell 33 0.01", "sell 44 0.01", "buy-a 112 0.005", "buy-a 44 0.005"}, func(w *world) {
		w.put(&wire.Settings{Id: "settings", EmergencyNumbers: []string{"112"}})
		w.put(&wire.Terminator{Id: "off", Company: "co-off", BuyDeck: "buy-a", Disabled: true})
	})
	for called, want := range map[string]struct {
		refused routing.Reason
		asked   bool
	}{
		"44":  {routing.Guarded, true},
		"112": {"", false},
		"33":  {routing.NoCandidate, false},
		"49":  {routing.NoPrice, false},
	} {
		asked := false
		d := w.Route(routing.Request{Originator: o, Called: called, Guard: func(r *routing.Request, sell *wire.Terms) string {
			asked = true
			if r.Called != called || r.Originator != o || sell.PriceNextNano != 10_000_000 {
				t.Errorf("asked about %s at %v", r.Called, sell)
			}
			return "rule"
		}})
		if d.Refused != want.refused || asked != want.asked || (d.Guard == "rule") != asked {
			t.Errorf("%s: %q by %q, asked %v; want %+v", called, d.Refused, d.Guard, asked, want)
		}
		rec := d.Record(routing.Request{Originator: o}, 7)
		if asked && (rec.Guard != "rule" || rec.Refused != "guarded" || len(rec.Choices) != 1) {
			t.Errorf("on record: %v", rec)
		}
	}
	d := w.Route(routing.Request{Originator: o, Called: "44", Guard: func(*routing.Request, *wire.Terms) string { return "" }})
	if d.Refused != "" || d.Guard != "" {
		t.Errorf("a call that no rule blocks: %+v", d)
	}
}
