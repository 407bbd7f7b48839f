// Package routing decides where a call may go: who sent it, what it is sold for,
// and which vendors could carry it at what price, in which order. It is a function
// of a compiled World and of what the caller tells it of the moment.
package routing

import (
	"net/netip"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
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
	lists    map[string]*number.List
	vendors  map[string]*vendor
	origins  map[string]*sieve
	sources  sources
	callers  callers
	hosts    map[netip.Addr]bool // terminators' hosts that are addresses
	evidence evidenceRules
}

// vendor is a terminator with all that considering it needs.
type vendor struct {
	*wire.Terminator
	sieve
	index int  // among all vendors, from 0
	off   bool // switched off, or its account or company is
	buy   *rating.Table
	// currency is its account's, or the deck's where it has none.
	currency string
}

// Compile makes a World of a catalog and the tables of its decks' versions in
// force. A deck without a table has no prices.
func Compile(c *catalog.State, decks map[string]*rating.Table) *World {
	w := &World{
		Catalog: c, Position: c.Position(), decks: decks, plans: map[string]*plan{}, lists: map[string]*number.List{},
		vendors: map[string]*vendor{}, origins: map[string]*sieve{}, hosts: map[netip.Addr]bool{},
		evidence: compileEvidence(c),
	}
	for _, it := range c.List(catalog.KindNumberList) {
		l := it.Entity.GetNumberList()
		if list, err := number.CompileList(l); err == nil { // the catalog accepts no other
			w.lists[l.Id] = list
		}
	}
	for _, it := range c.List(catalog.KindTerminator) {
		w.addVendor(it.Entity.GetTerminator())
	}
	for _, it := range c.List(catalog.KindRoutePlan) {
		w.plans[it.Entity.GetRoutePlan().Id] = newPlan(it.Entity.GetRoutePlan())
	}
	for _, it := range c.List(catalog.KindRoute) {
		w.addRoute(it.Entity.GetRoute())
	}
	for _, it := range c.List(catalog.KindOriginator) {
		o := it.Entity.GetOriginator()
		w.origins[o.Id] = w.sieve(o.Rewrites, o.Lists)
		if !c.Company(o.Company).GetDisabled() {
			w.sources.add(o)
			w.callers.add(o)
		}
	}
	for _, it := range c.List(catalog.KindSubscriber) {
		w.callers.any = w.callers.any || len(it.Entity.GetSubscriber().Secret) > 0
	}
	return w
}

func (w *World) addVendor(t *wire.Terminator) {
	v := &vendor{
		Terminator: t, sieve: *w.sieve(t.Rewrites, t.Lists), index: len(w.vendors), buy: w.decks[t.BuyDeck],
		off: t.Disabled || w.Catalog.Company(t.Company).GetDisabled() || w.Catalog.Account(t.Account).GetDisabled(),
	}
	v.currency = w.Catalog.Account(t.Account).GetCurrency()
	if v.currency == "" && v.buy != nil {
		v.currency = v.buy.Deck().Currency
	}
	w.vendors[t.Id] = v
	if addr, err := netip.ParseAddr(t.Host); err == nil {
		w.hosts[addr.Unmap()] = true
	}
}

func (w *World) addRoute(r *wire.Route) {
	p := w.plans[r.Plan]
	if p == nil {
		p = newPlan(&wire.RoutePlan{Id: r.Plan})
		w.plans[r.Plan] = p
	}
	if v := w.vendors[r.Terminator]; v != nil {
		p.add(r, v)
	}
}

// Deck is the compiled version in force of a deck, nil if it has none.
func (w *World) Deck(id string) *rating.Table { return w.decks[id] }

// Request is what a decision depends on beside the World.
type Request struct {
	Originator *wire.Originator
	// Call draws the order among weights: the same call gets the same order.
	Call events.CallID
	// Called and Caller are the numbers' digits, without tech prefix. A caller who
	// is no number is what he calls himself.
	Called, Caller string
	// AtUS is the instant, which routes' hours are judged by.
	AtUS int64
	// Offset tells how many seconds a time zone is ahead of UTC at the instant; nil
	// knows only UTC.
	Offset func(zone string) (seconds int, known bool)
	// InUse tells a terminator's calls in progress, so that one who is full is left out;
	// whether he has a channel is decided when the call is let through. Nil counts none.
	InUse func(terminator string) int
	// Rests tells whether a terminator asked to be left alone for a while; nil knows of
	// none.
	Rests func(terminator string) bool
	// VendorOut tells whether a vendor's account is cut off: we owe him all that he
	// lets us owe. Nil knows of none.
	VendorOut func(account string) bool
	// Registered counts a subscriber's devices that are there; nil takes them all for
	// there.
	Registered func(subscriber string) int
	// Down tells whether a terminator does not answer pings; nil knows of none.
	Down func(terminator string) bool
	// Serves tells whether this node serves a peer that names its nodes; nil serves all.
	Serves func(nodes []string, failover bool) bool
	// Quality tells how calls by a terminator to a prefix went; nil knows nothing.
	Quality func(terminator, prefix string, windowS uint32) Quality
	// Guard names the rule that blocks the call at a price, if one does. It is asked
	// once there is a route and a price, and not about emergency calls. Nil blocks none.
	Guard func(r *Request, sell *wire.Terms) (rule string)
}

// Reason says why a candidate was left out, or why a call has no route.
type Reason string

// The reasons.
const (
	NoPrice        Reason = "no_price"         // the sell deck has no price for the number
	NoRoute        Reason = "no_route"         // no route of the plan matches the number
	NoCandidate    Reason = "no_candidate"     // routes match, but every vendor was left out
	Guarded        Reason = "guarded"          // a rule against fraud blocks it
	NumberBlocked  Reason = "number_blocked"   // a number list of the originator or the terminator forbids it
	Disabled       Reason = "disabled"         // the route, the terminator, its account or company is switched off
	WrongOrigin    Reason = "wrong_origin"     // the route is for other callers
	Closed         Reason = "closed"           // the route's hours are over
	SameCompany    Reason = "same_company"     // it would go back to where it came from
	NoBuyPrice     Reason = "no_buy_price"     // the vendor's deck has no price for the number
	Unprofitable   Reason = "unprofitable"     // the originator's profit control forbids it
	NoExchangeRate Reason = "no_exchange_rate" // sell and buy prices are in different currencies
	Full           Reason = "full"             // the vendor's channels are in use
	VendorOut      Reason = "vendor_out"       // we owe the vendor all that he lets us owe
	Rests          Reason = "rests"            // the vendor asked to be left alone for a while
	Down           Reason = "down"             // the vendor does not answer our pings
	Elsewhere      Reason = "elsewhere"        // other nodes serve the peer
	TooMany        Reason = "too_many"         // behind the first MaxCandidates
)

// Candidate is a vendor that could carry the call, or one that was left out.
type Candidate struct {
	Route      *wire.Route
	Terminator *wire.Terminator
	Buy        *wire.Terms
	// MarginNano is what a minute earns: the sell price less the buy price.
	MarginNano int64
	// Quality holds the figures that the order was made with, if any.
	Quality []*wire.QualityUsed
	// costNano is the price of a following minute in the payer's currency.
	costNano int64
	// Rejected is empty for a candidate that the call may try.
	Rejected Reason
}

// TimeoutsMS are how long to wait for ringing and for an answer: the route's, else
// the terminator's; 0 where neither names any.
func (c *Candidate) TimeoutsMS() (pdd, ring uint32) {
	pdd, ring = c.Route.PddTimeoutMs, c.Route.RingTimeoutMs
	if pdd == 0 {
		pdd = c.Terminator.PddTimeoutMs
	}
	if ring == 0 {
		ring = c.Terminator.RingTimeoutMs
	}
	return pdd, ring
}

// Decision is the route of a call.
type Decision struct {
	Sell       *wire.Terms
	Candidates []Candidate
	Rejected   []Candidate
	// Refused says why there are no candidates; empty if there are.
	Refused Reason
	// LimitPrefixes are those of the originator's prefix limits that the call counts for.
	LimitPrefixes []string
	// Emergency is the settings' number or prefix that makes the number an emergency
	// one; empty for all others. Such a call is not refused for limits, number lists or
	// profit, and costs nothing where a deck has no price for it.
	Emergency string
	// Package is the account in seconds that covers the call, if any does.
	Package string
	// Local says that the number leads to a subscriber or a peer within the switch,
	// and Owner who pays for being called, if anybody does.
	Local bool
	Owner *Owner
	// Guard is the rule against fraud that blocks the call, if any does.
	Guard string
}

// Route decides, and asks the guard about a call that has a route and a price.
func (w *World) Route(r Request) Decision {
	d := w.decide(r)
	if d.Refused == "" && d.Emergency == "" && d.Sell != nil && r.Guard != nil {
		if d.Guard = r.Guard(&r, d.Sell); d.Guard != "" {
			d.Refused = Guarded
		}
	}
	return d
}

// serves tells whether this node serves a peer.
func (r *Request) serves(nodes []string, failover bool) bool {
	return len(nodes) == 0 || r.Serves == nil || r.Serves(nodes, failover)
}

// decide finds the vendors. Of the routes that match a number and are open each vendor is
// considered once, by his longest prefix; the plan says how they are ordered.
func (w *World) decide(r Request) Decision {
	d := Decision{Emergency: catalog.Emergency(w.Catalog.Settings(), r.Called)}
	if d.Emergency == "" && !r.serves(r.Originator.Nodes, r.Originator.NodesFailover) {
		d.Refused = Elsewhere
		return d
	}
	if d.Emergency == "" && w.origins[r.Originator.Id].refuses(r.Called, r.Caller) {
		d.Refused = NumberBlocked
		return d
	}
	if d.Emergency == "" {
		if at := w.placeOf(&r); at != nil {
			return w.local(at, &r)
		}
	}
	sell, ok := quote(w.decks[r.Originator.SellDeck], w.Catalog.Account(r.Originator.Account).GetCurrency(), &r)
	if !ok && d.Emergency == "" {
		d.Refused = NoPrice
		return d
	}
	if d.Emergency == "" {
		d.Package = w.Catalog.PackageFor(r.Originator.Account, r.Called)
	}
	d.Sell, d.LimitPrefixes = sell.Terms, limitPrefixes(r.Originator, r.Called)
	p := w.plans[r.Originator.RoutePlan]
	if p == nil || !w.consider(&d, p, sale{sell, currencyOf(sell), d.Emergency != ""}, &r) {
		d.Refused = NoRoute
		return d
	}
	p.order(d.Candidates, r)
	if len(d.Candidates) > MaxCandidates {
		behind := d.Candidates[MaxCandidates:]
		for i := range behind {
			behind[i].Rejected = TooMany
		}
		d.Candidates = d.Candidates[:MaxCandidates:MaxCandidates]
		d.Rejected = append(behind, d.Rejected...)
	}
	if len(d.Candidates) == 0 {
		d.Refused = NoCandidate
	}
	return d
}

func currencyOf(q rating.Quote) string {
	if q.Terms == nil {
		return ""
	}
	return rating.Currency(q.Terms)
}

// quote is a deck's price of a call for an account in a currency.
func quote(t *rating.Table, currency string, r *Request) (rating.Quote, bool) {
	if t == nil {
		return rating.Quote{}, false
	}
	return t.Quote(rating.Query{Called: r.Called, Caller: r.Caller, AtUS: r.AtUS, Currency: currency})
}
