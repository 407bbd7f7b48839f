package routing

import (
	"strings"

	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// sale is the price that the call is sold for, in the payer's currency.
type sale struct {
	rating.Quote
	currency  string
	emergency bool
}

// consider sorts the vendors of the routes that match into candidates and
// rejected ones. It is false if no route matches.
func (w *World) consider(d *Decision, p *plan, sell sale, r *Request) bool {
	taken := make([]uint64, (len(w.vendors)+63)/64)
	for n := min(p.longest, len(r.Called)); n > 0; n-- {
		for _, e := range p.byPrefix[r.Called[:n]] {
			word, bit := e.vendor.index/64, uint64(1)<<(e.vendor.index%64)
			if taken[word]&bit != 0 {
				continue
			}
			c := Candidate{Route: e.route, Terminator: e.vendor.Terminator}
			if c.Rejected = notOpen(e.route, r); c.Rejected == "" {
				taken[word] |= bit
				w.judge(&c, sell, e, r)
			}
			if c.Rejected != "" {
				d.Rejected = append(d.Rejected, c)
				continue
			}
			if d.Candidates == nil {
				d.Candidates = make([]Candidate, 0, len(p.byPrefix[r.Called[:n]]))
			}
			d.Candidates = append(d.Candidates, c)
		}
	}
	return len(d.Candidates)+len(d.Rejected) > 0
}

// notOpen says why a route is not for this caller or this hour: then the vendor's
// next shorter prefix counts.
func notOpen(route *wire.Route, r *Request) Reason {
	if len(route.CallerPrefixes) > 0 && !hasPrefix(r.Caller, route.CallerPrefixes) {
		return WrongOrigin
	}
	if len(route.Hours) > 0 && !Open(route.Hours, route.TimeZone, r.AtUS, r.Offset) {
		return Closed
	}
	return ""
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// judge prices a vendor and says why the call must not try him, if so. Of an
// emergency call only those are left out who are switched off, and the caller's own
// company, to whom it would go back.
func (w *World) judge(c *Candidate, sell sale, e entry, r *Request) {
	v, emergency := e.vendor, sell.emergency
	switch {
	case e.route.Disabled || v.off:
		c.Rejected = Disabled
	case v.Company == r.Originator.Company:
		c.Rejected = SameCompany
	case !emergency && v.refuses(r.Called, r.Caller):
		c.Rejected = NumberBlocked
	}
	if c.Rejected != "" {
		return
	}
	buy, ok := quote(v.buy, v.currency, r)
	c.Buy = buy.Terms
	if emergency {
		w.earns(c, sell, v.currency, buy, r)
		return
	}
	if !ok {
		c.Rejected = NoBuyPrice
		if v.buy != nil && !v.buy.Charges(v.currency) {
			c.Rejected = NoExchangeRate
		}
		return
	}
	first, next, ok := w.earns(c, sell, v.currency, buy, r)
	if !ok {
		c.Rejected = NoExchangeRate
		return
	}
	if !profitable(r.Originator, sell, first, next) {
		c.Rejected = Unprofitable
		return
	}
	c.Rejected = crowded(v.Terminator, r)
}

// earns fills in what a minute costs and earns, and gives what a first and a
// following one earn. It is false where a price is missing, or the exchange rate
// between the two.
func (w *World) earns(c *Candidate, sell sale, currency string, buy rating.Quote, r *Request) (first, next int64, ok bool) {
	if sell.Terms == nil || buy.Terms == nil {
		return 0, 0, false
	}
	first, next, ok = w.cost(currency, sell.currency, buy, r)
	if !ok {
		return 0, 0, false
	}
	c.costNano = next
	first, next = sell.First-first, sell.Next-next
	c.MarginNano = min(first, next)
	return first, next, true
}

func crowded(t *wire.Terminator, r *Request) Reason {
	if !r.serves(t.Nodes, t.NodesFailover) {
		return Elsewhere
	}
	if r.Down != nil && r.Down(t.Id) {
		return Down
	}
	if r.VendorOut != nil && r.VendorOut(t.Account) {
		return VendorOut
	}
	if r.Rests != nil && r.Rests(t.Id) {
		return Rests
	}
	if t.Channels > 0 && r.InUse != nil && r.InUse(t.Id) >= int(t.Channels) {
		return Full
	}
	return ""
}

// cost is what a first and a following minute of a vendor, priced in one currency,
// cost in the payer's, before taxes: a tax within a price is not ours to keep. It is false
// where no exchange rate leads there.
func (w *World) cost(from, to string, buy rating.Quote, r *Request) (first, next int64, ok bool) {
	if from == to || !buy.Compared {
		return buy.First, buy.Next, buy.Compared
	}
	rate := w.Catalog.Exchange(from, to, r.AtUS)
	if rate == nil {
		return 0, 0, false
	}
	first, ok = rating.Convert(buy.First, rate.RateE12)
	next, also := rating.Convert(buy.Next, rate.RateE12)
	return first, next, ok && also
}

const ppm = 1_000_000

// profitable judges the smaller margin by the originator's profit control, and
// each by its share of the price that it is earned on.
func profitable(o *wire.Originator, sell sale, first, next int64) bool {
	if o.ProfitMode == wire.ProfitMode_PROFIT_MODE_ALLOW_LOSSES {
		return true
	}
	least := min(first, next)
	if o.ProfitMode != wire.ProfitMode_PROFIT_MODE_NO_LOSSES && least <= 0 {
		return false
	}
	return least >= max(0, o.MinimumMarginNano) &&
		share(first, sell.First, o.MinimumMarginPpm) && share(next, sell.Next, o.MinimumMarginPpm)
}

// share tells whether a margin that is not negative is at least so many millionths
// of a price.
func share(margin, price int64, least uint32) bool {
	if least == 0 {
		return true
	}
	return !money.WideOf(uint64(margin), ppm).Less(money.WideOf(uint64(price), uint64(least)))
}

// limitPrefixes are the prefixes of an originator's limits that a number has.
func limitPrefixes(o *wire.Originator, called string) []string {
	var out []string
	for _, l := range o.PrefixLimits {
		if strings.HasPrefix(called, l.Prefix) {
			out = append(out, l.Prefix)
		}
	}
	return out
}
