package state_test

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// A hold once named any payer and any price: only that they were there was checked.
func TestHoldsPartsBelongTogether(t *testing.T) {
	for _, c := range []struct {
		name, want string
		spoil      func(p *wire.PlaceHold)
	}{
		{"right", "", func(*wire.PlaceHold) {}},
		{"another payer", "pays with account a, not b", func(p *wire.PlaceHold) { p.Lines[0].Payer = "b" }},
		{"another sell deck", "has deck sell", func(p *wire.PlaceHold) { p.Lines[0].Sell.Deck = "buy" }},
		{"another tax", "tax or rounding", func(p *wire.PlaceHold) { p.Lines[0].Sell.TaxPpm = 1 }},
		{"another vendor account", "is paid on account v, not w", func(p *wire.PlaceHold) { p.Route[0].VendorAccount = "w" }},
		{"another buy deck", "has deck buy", func(p *wire.PlaceHold) { p.Route[0].Buy.Deck = "sell" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, account("a", 1_000_000), account("b", 1_000_000), vendor("v"), vendor("w"))
			b.peers()
			cmd := b.placing(1, "a", 60_000)
			p := cmd.GetPlaceHold()
			p.CatalogPosition = 1 << 40
			p.Lines[0].Originator = "orig"
			p.Route[0].Terminator, p.Route[0].VendorAccount = "term", "v"
			c.spoil(p)
			reply, _ := b.do(cmd)
			if c.want == "" {
				if reply.Error != nil {
					t.Fatalf("refused: %v", reply.Error)
				}
				return
			}
			if code(reply) != events.CodeInvalid || !strings.Contains(reply.Error.Message, c.want) {
				t.Errorf("reply %v, want %q", reply.Error, c.want)
			}
		})
	}
}

// peers makes an originator of account a and a terminator of account v.
func (b *book) peers() {
	b.put(
		&wire.RoutePlan{Id: "plan"},
		&wire.Originator{Id: "orig", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "plan", Networks: []string{"127.0.0.1/32"}},
		&wire.Terminator{Id: "term", Company: "co", Account: "v", BuyDeck: "buy", Host: "127.0.0.2"},
	)
}
