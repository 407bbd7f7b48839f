package rating

import (
	"strings"
	"sync/atomic"

	"github.com/tollbook/tollbook/events/wire"
)

// Table is one version of a deck, compiled for looking prices up. It never
// changes and may be read from any goroutine.
type Table struct {
	*prefixes
	deck    *wire.Deck
	version *wire.DeckVersion
	rows    []Row
	// origins are the sets that rows name, by name.
	origins map[string]callers
	shifts  []Shift
	// prices are the terms of the rows in the deck's own currency, changed those in
	// the currencies that it may be exchanged into.
	prices  *prices
	changed map[string]*prices
}

// prices are the terms of a table's rows in one currency, made when they are
// first asked for: a memory, which changes no answer.
type prices struct {
	exchange *wire.ExchangeRate // nil in the deck's own currency
	rows     []priced
}

// priced are the terms of a row, and what vendors are compared by beside them: a
// route looks at many prices and takes few.
type priced struct {
	terms       atomic.Pointer[wire.Terms]
	first, next atomic.Int64 // PerMinute's; negative where there is none
}

// newPrices has room for the terms of so many rows.
func newPrices(exchange *wire.ExchangeRate, rows int) *prices {
	return &prices{exchange: exchange, rows: make([]priced, rows)}
}

func (p *priced) keep(t *wire.Terms) {
	first, next, ok := PerMinute(t)
	if !ok {
		first, next = -1, -1
	}
	p.first.Store(first)
	p.next.Store(next)
	p.terms.Store(t) // last: who sees the terms sees the rest
}

// Quote is a price as routing compares it.
type Quote struct {
	*wire.Terms
	// First and Next are PerMinute's figures; Compared is false where it has none.
	First, Next int64
	Compared    bool
}

// quoteOf is a quote of terms that belong to no table.
func quoteOf(t *wire.Terms) Quote {
	first, next, ok := PerMinute(t)
	return Quote{t, first, next, ok}
}

// Shift is an instant from which another band is in force; "" is none.
type Shift struct {
	AtUS int64
	Band string
}

// Moment is what a table's prices depend on beside its rows: it is made anew when
// one of them changes.
type Moment struct {
	// Origins are the origin sets by id.
	Origins map[string]*wire.OriginSet
	// Shifts are the changes of band, by rising time; the first one is past.
	Shifts []Shift
	// Exchange are the rates in force from the deck's currency, by currency.
	Exchange map[string]*wire.ExchangeRate
}

// Query is what a price depends on.
type Query struct {
	// Called and Caller are numbers' digits.
	Called, Caller string
	// AtUS is the instant at which the price is fixed, in microseconds.
	AtUS int64
	// Currency is the account's; "" is the deck's.
	Currency string
}

// NewTable compiles rows that are sorted as ParseCSV sorts them.
func NewTable(d *wire.Deck, v *wire.DeckVersion, rows []Row) *Table {
	t := &Table{deck: d, version: v, rows: rows, prefixes: newPrefixes(rows)}
	t.prices = newPrices(nil, len(rows))
	return t
}

// With is the table at a moment. It shares what does not depend on it.
func (t *Table) With(m Moment) *Table {
	next := &Table{
		deck: t.deck, version: t.version, rows: t.rows, prefixes: t.prefixes, shifts: m.Shifts,
		prices: t.prices, origins: map[string]callers{}, changed: map[string]*prices{},
	}
	for _, id := range t.version.GetOriginSets() {
		next.origins[id] = newCallers(m.Origins[id].GetCallerPrefixes())
	}
	for currency, rate := range m.Exchange {
		if old := t.changed[currency]; old != nil && old.exchange == rate {
			next.changed[currency] = old
			continue
		}
		next.changed[currency] = newPrices(rate, len(t.rows))
	}
	return next
}

// Charges tells whether the deck can price calls for an account in a currency.
func (t *Table) Charges(currency string) bool { return t.in(currency) != nil }

func (t *Table) in(currency string) *prices {
	if currency == "" || currency == t.deck.Currency {
		return t.prices
	}
	return t.changed[currency]
}

// Find finds the row that fits best: of those with the longest prefix that has
// any that fits, the one whose origin set has the longest prefix of the caller,
// before those without a set; of these one for the band in force before one for
// any time.
func (t *Table) Find(q Query) (row *Row, number int, ok bool) {
	n := t.find(q)
	if n == 0 {
		return nil, 0, false
	}
	return &t.rows[n-1], n, true
}

// find is the number of the row that Find finds, from 1; 0 is none.
func (t *Table) find(q Query) int {
	at := t.longest(q.Called)
	if !t.variants {
		return int(at)
	}
	band := t.bandAt(q.AtUS)
	for ; at != 0; at = t.parent[at-1] {
		if n := t.best(at, q, band); n != 0 {
			return n
		}
	}
	return 0
}

// best is the best row of one prefix, counted from 1; 0 if none fits.
func (t *Table) best(at uint32, q Query, band string) int {
	from := t.group[at-1]
	to := uint32(len(t.rows))
	if int(at) < len(t.group) {
		to = t.group[at]
	}
	found, rank := 0, -1
	for i := from; i < to; i++ {
		r := &t.rows[i]
		if r.Band != "" && r.Band != band || !r.fits(len(q.Called)) {
			continue
		}
		score := 0
		if r.Origin != "" {
			n := t.origins[r.Origin].match(q.Caller)
			if n == 0 {
				continue
			}
			score = 2 * n
		}
		if r.Band != "" {
			score++
		}
		if score > rank {
			found, rank = int(i)+1, score
		}
	}
	return found
}

func (r *Row) fits(length int) bool {
	return length >= int(r.MinLength) && (r.MaxLength == 0 || length <= int(r.MaxLength))
}

// bandAt is the band in force at an instant.
func (t *Table) bandAt(us int64) string {
	band := ""
	for _, s := range t.shifts {
		if s.AtUS > us {
			break
		}
		band = s.Band
	}
	return band
}

// Price are the terms of a call, if the deck has a price for it in the account's
// currency. They are shared and must not be changed.
func (t *Table) Price(q Query) (*wire.Terms, bool) {
	quote, ok := t.Quote(q)
	return quote.Terms, ok
}

// Quote is Price with what vendors are compared by.
func (t *Table) Quote(q Query) (Quote, bool) {
	in := t.in(q.Currency)
	if in == nil {
		return Quote{}, false
	}
	n := t.find(q)
	if n == 0 {
		return Quote{}, false
	}
	if t.deck.BandsSplit && len(t.shifts) > 1 {
		terms, ok := t.splitting(q, in, &t.rows[n-1], n)
		if !ok {
			return Quote{}, false
		}
		return quoteOf(terms), true
	}
	p := &in.rows[n-1]
	terms := p.terms.Load()
	if terms == nil {
		if t.rows[n-1].Blocked {
			return Quote{}, false
		}
		terms = t.make(in, &t.rows[n-1], n)
		p.keep(terms)
	}
	first, next := p.first.Load(), p.next.Load()
	return Quote{terms, first, next, first >= 0}, true
}

func (t *Table) make(in *prices, row *Row, n int) *wire.Terms {
	terms := row.Terms(t.deck, t.version, n)
	if in.exchange != nil {
		terms.AccountCurrency, terms.ExchangeE12, terms.Exchange = in.exchange.Quote, in.exchange.RateE12, in.exchange.Id
	}
	return terms
}

// horizonUS is how far ahead a call's changes of price are known: 25 hours. What
// is in force then stays until the call's end.
const horizonUS = 25 * 3600 * 1_000_000

// splitting makes the terms of a call whose price changes with the bands.
func (t *Table) splitting(q Query, in *prices, row *Row, n int) (*wire.Terms, bool) {
	if row.Blocked {
		return nil, false
	}
	terms, last := t.make(in, row, n), n
	for _, s := range t.shifts {
		if s.AtUS <= q.AtUS {
			continue
		}
		if s.AtUS > q.AtUS+horizonUS || len(terms.Switches) == MaxSwitches {
			break
		}
		later := q
		later.AtUS = s.AtUS
		r, number, ok := t.Find(later)
		if !ok || r.Blocked || number == last {
			continue
		}
		last = number
		terms.Switches = append(terms.Switches, &wire.PriceSwitch{
			AtUs: s.AtUS, Band: r.Band, PriceFirstNano: int64(r.PriceFirst), PriceNextNano: int64(r.PriceNext), Row: uint32(number),
		})
	}
	return terms, true
}

// Rows are the version's rows, sorted; they must not be changed.
func (t *Table) Rows() []Row { return t.rows }

// Version is the deck version that the table was compiled from.
func (t *Table) Version() *wire.DeckVersion { return t.version }

// Deck is the deck that the table belongs to.
func (t *Table) Deck() *wire.Deck { return t.deck }

// callers are the prefixes of an origin set.
type callers struct {
	known   map[string]bool
	longest int
}

func newCallers(prefixes []string) callers {
	c := callers{known: make(map[string]bool, len(prefixes))}
	for _, p := range prefixes {
		p = strings.TrimPrefix(p, "+")
		c.known[p] = true
		c.longest = max(c.longest, len(p))
	}
	return c
}

// match is the length of the longest prefix of a number in the set, 0 if none is.
func (c callers) match(digits string) int {
	for n := min(c.longest, len(digits)); n > 0; n-- {
		if c.known[digits[:n]] {
			return n
		}
	}
	return 0
}
