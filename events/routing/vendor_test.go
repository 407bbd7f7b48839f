package routing_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// A vendor that lets us owe no more gets no calls; the others do.
func TestVendorThatIsCutOff(t *testing.T) {
	o := caller()
	w := newWorld(t, o, []string{"44 a", "44 b"}, []string{"sell 44 0.10", "buy-a 44 0.01", "buy-b 44 0.02"}, func(w *world) {
		w.put(&wire.Terminator{Id: "a", Company: "co-a", BuyDeck: "buy-a", Account: "a-usd"})
		w.put(&wire.Terminator{Id: "b", Company: "co-b", BuyDeck: "buy-b", Account: "b-usd"})
	})
	d := w.Route(routing.Request{Originator: o, Called: "442071234567", VendorOut: func(account string) bool {
		return account == "a-usd"
	}})
	if got, want := told(d), "b | a:vendor_out"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
