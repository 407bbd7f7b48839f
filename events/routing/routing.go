// Package routing decides where a call may go: who sent it, what it is sold for,
// and which vendors could carry it at what price, in which order. It is a function
// of a compiled World and of what the caller tells it of the moment.
package routing

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxCandidates is how many vendors one call tries at most.
const MaxCandidates = 8

// World is one state of the catalog, compiled for the call path. It never changes.
type World struct {
	Catalog *catalog.State
	// Position is that of the catalog's last edit.
	Position events.Position
	decks    map[string]*rating.Table
	plans    map[string]*plan
	sources  sources
	vendors  map[netip.Addr]bool // terminators' hosts that are addresses
}

// Compile makes a World of a catalog and the tables of its decks' versions in
// force. A deck without a table has no prices.
func Compile(c *catalog.State, decks map[string]*rating.Table) *World {
	w := &World{Catalog: c, Position: c.Position(), decks: decks, plans: map[string]*plan{}, vendors: map[netip.Addr]bool{}}
	for _, it := range c.List(catalog.KindRoute) {
		r := it.Entity.GetRoute()
		p := w.plans[r.Plan]
		if p == nil {
			p = newPlan()
			w.plans[r.Plan] = p
		}
		p.add(r)
	}
	for _, it := range c.List(catalog.KindOriginator) {
		o := it.Entity.GetOriginator()
		if !c.Company(o.Company).GetDisabled() {
			w.sources.add(o)
		}
	}
	for _, it := range c.List(catalog.KindTerminator) {
		if addr, err := netip.ParseAddr(it.Entity.GetTerminator().Host); err == nil {
			w.vendors[addr.Unmap()] = true
		}
	}
	return w
}

// Deck is the compiled version in force of a deck, nil if it has none.
func (w *World) Deck(id string) *rating.Table { return w.decks[id] }

// Request is what a decision depends on beside the World.
type Request struct {
	Originator *wire.Originator
	// Called and Caller are the numbers' digits, without tech prefix.
	Called, Caller string
	// InUse tells a terminator's calls in progress; nil counts none.
	InUse func(terminator string) int
}

// Reason says why a candidate was left out, or why a call has no route.
type Reason string

// The reasons.
const (
	NoPrice        Reason = "no_price"         // the sell deck has no price for the number
	NoRoute        Reason = "no_route"         // no route of the plan matches the number
	NoCandidate    Reason = "no_candidate"     // routes match, but every vendor was left out
	Disabled       Reason = "disabled"         // the route, the terminator, its account or company is switched off
	SameCompany    Reason = "same_company"     // it would go back to where it came from
	NoBuyPrice     Reason = "no_buy_price"     // the vendor's deck has no price for the number
	Unprofitable   Reason = "unprofitable"     // the originator's profit control forbids it
	NoExchangeRate Reason = "no_exchange_rate" // sell and buy prices are in different currencies
	Full           Reason = "full"             // the vendor's channels are in use
	TooMany        Reason = "too_many"         // behind the first MaxCandidates
)

// Candidate is a vendor that could carry the call, or one that was left out.
type Candidate struct {
	Route      *wire.Route
	Terminator *wire.Terminator
	Buy        *wire.Terms
	// MarginNano is what a minute earns: the sell price less the buy price.
	MarginNano int64
	// Rejected is empty for a candidate that the call may try.
	Rejected Reason
}

// Decision is the route of a call.
type Decision struct {
	Sell       *wire.Terms
	Candidates []Candidate
	Rejected   []Candidate
	// Refused says why there are no candidates; empty if there are.
	Refused Reason
}

// Route decides. Of the routes that match a number each vendor is considered
// once, by his longest prefix; they are ordered by priority, then price.
func (w *World) Route(r Request) Decision {
	var d Decision
	sell, ok := w.terms(r.Originator.SellDeck, r.Called)
	if !ok {
		d.Refused = NoPrice
		return d
	}
	d.Sell = sell
	p := w.plans[r.Originator.RoutePlan]
	if p == nil {
		d.Refused = NoRoute
		return d
	}
	matches := p.match(r.Called)
	if len(matches) == 0 {
		d.Refused = NoRoute
		return d
	}
	for _, route := range matches {
		c := w.consider(r, sell, route)
		if c.Rejected != "" {
			d.Rejected = append(d.Rejected, c)
		} else {
			d.Candidates = append(d.Candidates, c)
		}
	}
	slices.SortStableFunc(d.Candidates, byPreference)
	if len(d.Candidates) > MaxCandidates {
		for _, c := range d.Candidates[MaxCandidates:] {
			c.Rejected = TooMany
			d.Rejected = append(d.Rejected, c)
		}
		d.Candidates = d.Candidates[:MaxCandidates]
	}
	if len(d.Candidates) == 0 {
		d.Refused = NoCandidate
	}
	return d
}

func byPreference(a, b Candidate) int {
	return cmp.Or(
		cmp.Compare(a.Route.Priority, b.Route.Priority),
		cmp.Compare(a.Buy.PriceNextNano, b.Buy.PriceNextNano),
		cmp.Compare(b.Route.Weight, a.Route.Weight),
		cmp.Compare(a.Route.Id, b.Route.Id),
	)
}

func (w *World) terms(deck, digits string) (*wire.Terms, bool) {
	t := w.decks[deck]
	if t == nil {
		return nil, false
	}
	return t.Terms(digits)
}

func (w *World) consider(r Request, sell *wire.Terms, route *wire.Route) Candidate {
	t := w.Catalog.Terminator(route.Terminator)
	c := Candidate{Route: route, Terminator: t}
	if route.Disabled || t.Disabled || w.Catalog.Company(t.Company).GetDisabled() || w.Catalog.Account(t.Account).GetDisabled() {
		c.Rejected = Disabled
		return c
	}
	if t.Company == r.Originator.Company {
		c.Rejected = SameCompany
		return c
	}
	buy, ok := w.terms(t.BuyDeck, r.Called)
	if !ok {
		c.Rejected = NoBuyPrice
		return c
	}
	c.Buy = buy
	if buy.Currency != sell.Currency {
		c.Rejected = NoExchangeRate
		return c
	}
	c.MarginNano = margin(sell, buy)
	if !profitable(r.Originator, c.MarginNano) {
		c.Rejected = Unprofitable
		return c
	}
	if t.Channels > 0 && r.InUse != nil && r.InUse(t.Id) >= int(t.Channels) {
		c.Rejected = Full
	}
	return c
}

// margin is the smaller of what the first and the following minutes earn, before
// taxes: a tax within a price is not ours to keep.
func margin(sell, buy *wire.Terms) int64 {
	return min(
		net(sell, sell.PriceFirstNano)-net(buy, buy.PriceFirstNano),
		net(sell, sell.PriceNextNano)-net(buy, buy.PriceNextNano),
	)
}

// net is a price without the tax that stands in it, rounded down.
func net(t *wire.Terms, nano int64) int64 {
	if !t.TaxInclusive {
		return nano
	}
	const ppm = 1_000_000
	whole, _ := money.WideOf(uint64(nano), ppm).Div(ppm + uint64(t.TaxPpm))
	return int64(whole.Lo)
}

func profitable(o *wire.Originator, marginNano int64) bool {
	switch o.ProfitMode {
	case wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES:
		return true
	case wire.ProfitMode_PROFIT_MODE_NO_LOSSES:
		return marginNano >= o.MinimumMarginNano
	default:
		return marginNano > 0 && marginNano >= o.MinimumMarginNano
	}
}
