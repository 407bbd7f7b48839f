package routing_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// emergencyWorld lets o call 112 and 44 through a, dear, and b, which has no price for
// either; lists block both numbers on both sides.
func emergencyWorld(t *testing.T, prices ...string) (*routing.World, *wire.Originator) {
	o := caller()
	block := []*wire.ListUse{{List: "blocked", Field: wire.NumberField_NUMBER_FIELD_CALLED}}
	o.Lists, o.PrefixLimits = block, []*wire.PrefixLimit{{Prefix: "1", Channels: 1}}
	return newWorld(t, o, []string{"112 a", "112 b", "112 off", "44 a"}, prices, func(w *world) {
		w.put(&wire.Settings{Id: "settings", EmergencyNumbers: []string{"112"}})
		w.put(&wire.NumberList{Id: "blocked", Prefixes: []string{"112", "44"}})
		w.put(&wire.Terminator{Id: "a", Company: "co-a", BuyDeck: "buy-a", Channels: 1, CallsPerSecond: 1, Lists: block})
		w.put(&wire.Terminator{Id: "off", Company: "co-off", BuyDeck: "buy-a", Disabled: true})
	}), o
}

// An emergency call goes to whoever can carry it: at a loss, over every limit, and
// through every list.
func TestEmergencyIsRouted(t *testing.T) {
	w, o := emergencyWorld(t, "sell 112 0.01", "sell 44 0.01", "buy-a 112 0.05", "buy-a 44 0.05")
	r := routing.Request{
		Originator: o, Called: "112",
		InUse: func(string) int { return 9 }, VendorOut: func(string) bool { return true },
	}
	d := w.Route(r)
	if got, want := told(d), "b a | off:disabled"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if d.Emergency != "112" || d.Sell == nil || d.Candidates[0].Buy != nil || d.Candidates[1].Buy == nil || d.Candidates[1].MarginNano != -40_000_000 {
		t.Errorf("%+v", d)
	}
	if rec := d.Record(r, 7); rec.Emergency != "112" {
		t.Errorf("the record does not say that it was an emergency: %v", rec)
	}
	r.Called = "44"
	if d := w.Route(r); d.Refused != routing.NumberBlocked || d.Emergency != "" {
		t.Errorf("another number: %+v", d)
	}
}

// Where nobody has a price for it the call costs nothing.
func TestEmergencyWithoutAPrice(t *testing.T) {
	w, o := emergencyWorld(t)
	d := w.Route(routing.Request{Originator: o, Called: "112"})
	if got, want := told(d), "a b | off:disabled"; got != want {
		t.Fatalf("%q, want %q", got, want)
	}
	if d.Sell != nil || d.Emergency != "112" {
		t.Errorf("%+v", d)
	}
}

// A call that the payer's package covers says so; an emergency call takes none.
func TestPackageOfARoute(t *testing.T) {
	o := caller()
	o.Account = "a"
	w := newWorld(t, o, []string{"44 v", "49 v", "112 v"}, []string{"sell 112 0.1", "sell 4 0.10", "buy-v 112 0.01", "buy-v 4 0.01"}, func(w *world) {
		w.put(&wire.Settings{Id: "settings", EmergencyNumbers: []string{"112"}})
		w.put(&wire.Account{Id: "pack", Company: "co", Currency: "SEC", PackagePrefixes: []string{"44", "112"}})
		w.put(&wire.Account{Id: "a", Company: "co", Currency: "USD", Package: "pack"})
	})
	for called, want := range map[string]string{"4420": "pack", "4930": "", "112": ""} {
		d := w.Route(routing.Request{Originator: o, Called: called})
		if d.Refused != "" || d.Package != want {
			t.Errorf("%s: refused %q, package %q, want %q", called, d.Refused, d.Package, want)
		}
	}
}
