package routing_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// world compiles routes written as "prefix terminator [priority]" and decks
// written as "deck prefix price".
type world struct {
	t       *testing.T
	changes []*wire.Change
	rows    map[string][]rating.Row
	decks   map[string]*wire.Deck
}

func (w *world) put(m any) { w.changes = append(w.changes, &wire.Change{Entity: catalog.EntityOf(m)}) }

func newWorld(t *testing.T, originator *wire.Originator, routes, prices []string, spoil ...func(*world)) *routing.World {
	w := &world{t: t, rows: map[string][]rating.Row{}, decks: map[string]*wire.Deck{}}
	for _, p := range prices {
		w.price(strings.Fields(p))
	}
	w.put(originator)
	for _, r := range routes {
		w.route(strings.Fields(r))
	}
	for _, s := range spoil {
		s(w)
	}
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: w.changes},
	}})
	tables := map[string]*rating.Table{}
	for id, rows := range w.rows {
		tables[id] = rating.NewTable(w.decks[id], &wire.DeckVersion{Number: 1}, rows)
	}
	return routing.Compile(cat, tables)
}

func (w *world) price(f []string) {
	rate, err := money.ParseRate(f[2])
	if err != nil {
		w.t.Fatal(err)
	}
	w.decks[f[0]] = &wire.Deck{Id: f[0], Currency: "USD"}
	w.rows[f[0]] = append(w.rows[f[0]], rating.Row{Prefix: f[1], PriceFirst: rate, PriceNext: rate, IntervalFirst: 1, IntervalNext: 1})
}

func (w *world) route(f []string) {
	r := &wire.Route{Id: catalog.RouteID("p", f[0], f[1]), Plan: "p", Prefix: f[0], Terminator: f[1]}
	for _, word := range f[2:] {
		fmt.Sscanf(word, "priority=%d", &r.Priority)
		fmt.Sscanf(word, "weight=%d", &r.Weight)
		r.Disabled = r.Disabled || word == "disabled"
	}
	w.put(r)
	w.put(&wire.Terminator{Id: f[1], Company: "co-" + f[1], BuyDeck: "buy-" + f[1]})
}

func caller() *wire.Originator {
	return &wire.Originator{Id: "o", Company: "co", SellDeck: "sell", RoutePlan: "p"}
}

// told writes a decision in one line: "a b | c:disabled", or why there is none.
func told(d routing.Decision) string {
	var words []string
	for _, c := range d.Candidates {
		words = append(words, c.Terminator.Id)
	}
	if len(d.Rejected) > 0 {
		words = append(words, "|")
	}
	for _, c := range d.Rejected {
		words = append(words, c.Terminator.Id+":"+string(c.Rejected))
	}
	if d.Refused != "" {
		words = append(words, "!"+string(d.Refused))
	}
	return strings.Join(words, " ")
}

func TestRoute(t *testing.T) {
	sell := "sell 49 0.10"
	for _, c := range []struct {
		name, called   string
		routes, prices []string
		origin         func(*wire.Originator)
		spoil          func(*world)
		want           string
	}{
		{name: "cheapest first", called: "4930", routes: []string{"49 a", "49 b"}, prices: []string{sell, "buy-a 49 0.02", "buy-b 49 0.01"}, want: "b a"},
		{name: "priority before price", called: "4930", routes: []string{"49 a priority=1", "49 b priority=2"}, prices: []string{sell, "buy-a 49 0.02", "buy-b 49 0.01"}, want: "a b"},
		{name: "weight between equals", called: "4930", routes: []string{"49 a", "49 b weight=5"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.01"}, want: "b a"},
		{name: "else by name", called: "4930", routes: []string{"49 b", "49 a"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.01"}, want: "a b"},
		{name: "best match of each vendor", called: "493012", routes: []string{"49 a priority=1", "4930 a priority=9", "49 b priority=5"},
			prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.02"}, want: "b a"},
		{name: "price of the longest prefix", called: "493012", routes: []string{"49 a", "49 b"},
			prices: []string{sell, "buy-a 49 0.01", "buy-a 4930 0.05", "buy-b 49 0.02"}, want: "b a"},
		{name: "number shorter than the routes", called: "4", routes: []string{"49 a"}, prices: []string{"sell 4 0.1", "buy-a 4 0.01"}, want: "!no_route"},
		{name: "no sell price", called: "33", routes: []string{"33 a"}, prices: []string{sell, "buy-a 33 0.01"}, want: "!no_price"},
		{name: "no route", called: "4930", routes: []string{"33 a"}, prices: []string{sell, "buy-a 33 0.01"}, want: "!no_route"},
		{name: "no plan", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			origin: func(o *wire.Originator) { o.RoutePlan = "other" }, want: "!no_route"},
		{name: "no deck", called: "4930", routes: []string{"49 a"}, prices: []string{sell},
			origin: func(o *wire.Originator) { o.SellDeck = "other" }, want: "!no_price"},
		{name: "no buy price", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 33 0.01"}, want: "| a:no_buy_price !no_candidate"},
		{name: "no buy deck", called: "4930", routes: []string{"49 a"}, prices: []string{sell}, want: "| a:no_buy_price !no_candidate"},
		{name: "disabled route", called: "4930", routes: []string{"49 a disabled", "49 b"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.01"}, want: "b | a:disabled"},
		{name: "disabled terminator", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			spoil: func(w *world) { w.put(&wire.Terminator{Id: "a", Company: "x", BuyDeck: "buy-a", Disabled: true}) }, want: "| a:disabled !no_candidate"},
		{name: "disabled company", called: "4930", routes: []string{"49 a", "49 b"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.02"},
			spoil: func(w *world) { w.put(&wire.Company{Id: "co-a", Disabled: true}) }, want: "b | a:disabled"},
		{name: "disabled account", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			spoil: func(w *world) {
				w.put(&wire.Terminator{Id: "a", Company: "x", Account: "acc", BuyDeck: "buy-a"})
				w.put(&wire.Account{Id: "acc", Disabled: true})
			}, want: "| a:disabled !no_candidate"},
		{name: "back to where it came from", called: "4930", routes: []string{"49 a", "49 b"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.01"},
			origin: func(o *wire.Originator) { o.Company = "co-a" }, want: "b | a:same_company"},
		{name: "another currency", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			spoil: func(w *world) { w.decks["buy-a"].Currency = "EUR" }, want: "| a:no_exchange_rate !no_candidate"},
		{name: "full", called: "4930", routes: []string{"49 a", "49 b"}, prices: []string{sell, "buy-a 49 0.01", "buy-b 49 0.01"},
			spoil: func(w *world) { w.put(&wire.Terminator{Id: "a", Company: "x", BuyDeck: "buy-a", Channels: 2}) }, want: "b | a:full"},
		{name: "almost full", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			spoil: func(w *world) { w.put(&wire.Terminator{Id: "a", Company: "x", BuyDeck: "buy-a", Channels: 3}) }, want: "a"},
		{name: "a blocked row", called: "4930", routes: []string{"49 a"}, prices: []string{sell, "buy-a 49 0.01"},
			spoil: func(w *world) { w.rows["sell"][0].Blocked = true }, want: "!no_price"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := caller()
			if c.origin != nil {
				c.origin(o)
			}
			var spoil []func(*world)
			if c.spoil != nil {
				spoil = append(spoil, c.spoil)
			}
			w := newWorld(t, o, c.routes, c.prices, spoil...)
			d := w.Route(routing.Request{Originator: o, Called: c.called, InUse: func(string) int { return 2 }})
			if diff := cmp.Diff(c.want, told(d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProfit(t *testing.T) {
	const (
		only     = wire.ProfitMode_PROFIT_MODE_UNSPECIFIED
		noLosses = wire.ProfitMode_PROFIT_MODE_NO_LOSSES
		losses   = wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES
	)
	for _, c := range []struct {
		mode      wire.ProfitMode
		least     int64
		sell, buy string
		taken     bool
	}{
		{only, 0, "0.10", "0.09", true},
		{only, 0, "0.10", "0.10", false},
		{only, 0, "0.10", "0.11", false},
		{only, 20_000_000, "0.10", "0.08", true},
		{only, 20_000_001, "0.10", "0.08", false},
		{noLosses, 0, "0.10", "0.10", true},
		{noLosses, 0, "0.10", "0.100000001", false},
		{noLosses, 1, "0.10", "0.10", false},
		{losses, 0, "0.10", "5", true},
		{losses, 99, "0.10", "5", true},
		{9, 0, "0.10", "0.10", false}, // an unknown mode is the strictest
	} {
		o := caller()
		o.ProfitMode, o.MinimumMarginNano = c.mode, c.least
		w := newWorld(t, o, []string{"49 a"}, []string{"sell 49 " + c.sell, "buy-a 49 " + c.buy})
		d := w.Route(routing.Request{Originator: o, Called: "49"})
		if taken := len(d.Candidates) == 1; taken != c.taken {
			t.Errorf("%+v: %s", c, told(d))
		}
	}
}

// TestMarginIsBeforeTax: of 0.119 with 19 % tax in it, 0.10 are ours.
func TestMarginIsBeforeTax(t *testing.T) {
	for _, c := range []struct {
		name       string
		sell, buy  bool // tax stands within the price
		buyAt      string
		wantMargin int64
	}{
		{"none", false, false, "0.11", 9_000_000},
		{"in the sell price", true, false, "0.11", -10_000_000},
		{"in both", true, true, "0.0595", 50_000_000},
		{"in the buy price", false, true, "0.119", 19_000_000},
	} {
		o := caller()
		o.ProfitMode = wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES
		w := newWorld(t, o, []string{"49 a"}, []string{"sell 49 0.119", "buy-a 49 " + c.buyAt}, func(w *world) {
			for id, within := range map[string]bool{"sell": c.sell, "buy-a": c.buy} {
				w.decks[id].TaxPpm, w.decks[id].TaxInclusive = 190_000, within
			}
		})
		if d := w.Route(routing.Request{Originator: o, Called: "49"}); d.Candidates[0].MarginNano != c.wantMargin {
			t.Errorf("%s: the margin is %s", c.name, money.Rate(d.Candidates[0].MarginNano))
		}
	}
}

func TestAtMostEightCandidates(t *testing.T) {
	var routes []string
	prices := []string{"sell 49 1"}
	for i := range 10 {
		routes = append(routes, fmt.Sprintf("49 t%d", i))
		prices = append(prices, fmt.Sprintf("buy-t%d 49 0.0%d", i, 9-i))
	}
	o := caller()
	w := newWorld(t, o, routes, prices)
	if got := told(w.Route(routing.Request{Originator: o, Called: "49"})); got != "t9 t8 t7 t6 t5 t4 t3 t2 | t1:too_many t0:too_many" {
		t.Error(got)
	}
	if w.Position != 1 || w.Deck("sell") == nil || w.Deck("who") != nil {
		t.Error("the world has forgotten where it comes from")
	}
}

func TestIdentify(t *testing.T) {
	o := func(id string, port uint32, tech string, networks ...string) *wire.Originator {
		return &wire.Originator{Id: id, Networks: networks, Port: port, TechPrefix: tech}
	}
	off := o("off", 0, "", "192.0.2.7/32")
	off.Disabled = true
	gone := o("gone", 0, "", "192.0.2.7/32")
	gone.Company = "bankrupt"
	cat := catalog.New()
	set := []*wire.Change{{Entity: catalog.EntityOf(&wire.Company{Id: "bankrupt", Disabled: true})}}
	for _, m := range []*wire.Originator{
		off, gone, o("wide", 0, "", "192.0.2.0/24", "198.51.100.0/24"), o("narrow", 0, "", "192.0.2.8/29"),
		o("tech", 0, "77#", "192.0.2.0/24"), o("longer", 0, "77#1", "192.0.2.0/24"), o("port", 5070, "", "192.0.2.0/24"),
		o("six", 0, "", "2001:db8::/32"), o("all", 0, "999", "0.0.0.0/0"),
	} {
		set = append(set, &wire.Change{Entity: catalog.EntityOf(m)})
	}
	w := routing.Compile(cat.Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: set}}}), nil)
	for _, c := range []struct{ source, dialled, want, rest string }{
		{"192.0.2.1:5060", "49", "wide", "49"},
		{"192.0.2.9:5060", "49", "narrow", "49"},
		{"192.0.2.9:5070", "77#49", "narrow", "77#49"}, // the narrowest network counts first
		{"192.0.2.1:5060", "77#49", "tech", "49"},
		{"192.0.2.1:5060", "77#149", "longer", "49"},
		{"192.0.2.1:5070", "49", "port", "49"},
		{"192.0.2.1:5070", "77#49", "tech", "49"}, // a tech prefix counts before a port
		{"192.0.2.7:5060", "49", "wide", "49"},
		{"198.51.100.3:9", "49", "wide", "49"},
		{"[::ffff:192.0.2.1]:5060", "49", "wide", "49"},
		{"[2001:db8::1]:5060", "49", "six", "49"},
		{"[2001:db9::1]:5060", "49", "", ""},
		{"203.0.113.1:5060", "49", "", ""},
		{"203.0.113.1:5060", "99949", "all", "49"},
		{"192.0.2.1:5060", "", "wide", ""},
	} {
		got, rest := w.Identify(netip.MustParseAddrPort(c.source), "", c.dialled)
		if got.GetId() != c.want || rest != c.rest {
			t.Errorf("%s dials %q: %q %q, want %q %q", c.source, c.dialled, got.GetId(), rest, c.want, c.rest)
		}
	}
	if w.Knows(netip.MustParseAddr("2001:db9::1")) || !w.Knows(netip.MustParseAddr("192.0.2.7")) || w.Knows(netip.Addr{}) {
		t.Error("Knows knows otherwise")
	}
	if got, _ := w.Identify(netip.AddrPort{}, "", "49"); got != nil {
		t.Errorf("nobody is %s", got.Id)
	}
}
