package resolve

import (
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

// What the book says of a call's hold and charge, in a line for a person.
func TestStoryOfMoney(t *testing.T) {
	usd := &wire.Terms{Currency: "USD"}
	hold := func(h *wire.HoldPlaced) *wire.Event {
		h.PaidMs, h.Route = 60_000, []*wire.Candidate{{}}
		return &wire.Event{Body: &wire.Event_HoldPlaced{HoldPlaced: h}}
	}
	charge := func(l *wire.PriceLine) *wire.Event {
		return &wire.Event{Body: &wire.Event_CallCharged{CallCharged: &wire.CallCharged{Lines: []*wire.PriceLine{l}}}}
	}
	for _, c := range []struct {
		e    *wire.Event
		want string
	}{
		{hold(&wire.HoldPlaced{Lines: []*wire.HoldLine{{Payer: "a", Sell: usd, AmountMicro: 5}}}), "held 0.000005 USD of a for 60.000 s; 1 candidates"},
		{hold(&wire.HoldPlaced{Lines: []*wire.HoldLine{{Payer: "a", Sell: usd, Package: "p", PackageMicro: 60_000_000}}}),
			"held 0.000000 USD of a, 60.000 s of package p for 60.000 s; 1 candidates"},
		{hold(&wire.HoldPlaced{Emergency: "112", Lines: []*wire.HoldLine{{}}}), "an emergency call to 112: nothing to pay: let through for 60.000 s; 1 candidates"},
		{charge(&wire.PriceLine{Side: wire.Side_SIDE_SELL, Account: "a", Terms: usd, GrossMicro: 7}), "charged 0.000007 USD to a"},
		{charge(&wire.PriceLine{Side: wire.Side_SIDE_SELL, Account: "a", Terms: usd, Package: "p", PackageS: 60}), "charged 0.000000 USD to a, 60 s to package p"},
	} {
		if got := tellBook(c.e); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
