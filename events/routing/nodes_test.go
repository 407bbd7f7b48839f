package routing_test

import (
	"slices"
	"testing"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// A peer that names its nodes is served by those, unless it allows others and they are
// wanted.
func TestNodesOfPeers(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"44 a", "44 b", "44 c"}, []string{"sell 44 0.10", "buy-a 44 0.01", "buy-b 44 0.02", "buy-c 44 0.03"}, func(w *world) {
		w.put(&wire.Terminator{Id: "a", Company: "co-a", BuyDeck: "buy-a", Account: "a-usd", Nodes: []string{"n1"}})
		w.put(&wire.Terminator{Id: "b", Company: "co-b", BuyDeck: "buy-b", Account: "b-usd", Nodes: []string{"n1", "n2"}})
		w.put(&wire.Terminator{Id: "c", Company: "co-c", BuyDeck: "buy-c", Account: "c-usd", Nodes: []string{"n3"}, NodesFailover: true})
	})
	r := routing.Request{Originator: o, Called: "442071234567", Serves: func(nodes []string, failover bool) bool {
		return failover || slices.Contains(nodes, "n2")
	}}
	if got, want := told(w.Route(r)), "b c | a:elsewhere"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	o.Nodes = []string{"n1"}
	if d := w.Route(r); d.Refused != routing.Elsewhere {
		t.Errorf("%+v", d)
	}
	r.Serves = nil // whoever asks does not care where
	if got, want := told(w.Route(r)), "a b c"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
