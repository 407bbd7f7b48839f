package state_test

import (
	"maps"
	"math/big"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// model is the book as an accountant would keep it on paper: plain sums, prices as
// fractions, times found by trying one after the other. It shares no code with what
// it is compared with. It knows accounts of one company and currency, and calls at
// terms without bands, fees and packages.
type model struct {
	posted  map[string]int64
	limit   map[string]int64
	mutual  *int64 // of the company
	decks   map[string]uint64
	holds   map[string]*modelHold
	closed  map[string]*modelClosed
	keys    map[string]string // the inputs by key
	moves   map[uint64][]move // by position
	undone  map[uint64]bool
	periods map[string]int64
	offline map[string]uint64
	// accounts that calls or people may name, and which of them are vendors.
	vendors map[string]bool
}

type move struct {
	account string
	micro   int64
}

type modelHold struct {
	node     string
	lines    []*wire.HoldLine
	amounts  []int64
	route    []*wire.Candidate
	paid     int64
	max      int64
	placedUS int64
}

type modelClosed struct {
	atUS               int64
	figures, contested string
}

func newModel() *model {
	return &model{
		posted: map[string]int64{}, limit: map[string]int64{}, decks: map[string]uint64{}, holds: map[string]*modelHold{},
		closed: map[string]*modelClosed{}, keys: map[string]string{}, moves: map[uint64][]move{}, undone: map[uint64]bool{},
		periods: map[string]int64{}, offline: map[string]uint64{}, vendors: map[string]bool{},
	}
}

// cost is net and gross of a call, each rounded half up from the exact fraction.
func cost(t *wire.Terms, ms int64) (net, gross int64) {
	seconds := (ms + 999) / 1000
	billed := int64(t.IntervalFirstS)
	for billed < seconds {
		billed += int64(t.IntervalNextS)
	}
	exact := new(big.Rat).SetFrac64(t.PriceNextNano*billed, 60_000)
	round := func(r *big.Rat) int64 {
		twice := new(big.Int).Add(new(big.Int).Lsh(r.Num(), 1), r.Denom())
		return new(big.Int).Quo(twice, new(big.Int).Lsh(r.Denom(), 1)).Int64()
	}
	taxed := new(big.Rat).Mul(exact, new(big.Rat).SetFrac64(1_000_000+int64(t.TaxPpm), 1_000_000))
	return round(exact), round(taxed)
}

func (m *model) held(account string) (sum int64) {
	for _, h := range m.holds {
		for i, l := range h.lines {
			if l.Payer == account {
				sum += h.amounts[i]
			}
		}
	}
	return sum
}

// credit is what an account may owe us; what a vendor lets us owe is none of that.
func (m *model) credit(account string) int64 {
	if m.vendors[account] {
		return 0
	}
	return m.limit[account]
}

// free is what a hold may take from an account.
func (m *model) free(account string) int64 {
	own := m.posted[account] + m.credit(account) - m.held(account)
	if m.mutual != nil {
		own = min(own, m.together())
	}
	return own
}

func (m *model) together() int64 {
	all := *m.mutual
	for a := range m.limit {
		all += m.posted[a] - m.held(a)
	}
	return all
}

// covers tells whether the payers have money for a time, of which some is reserved already.
func (m *model) covers(lines []*wire.HoldLine, reserved []int64, ms int64) bool {
	need := map[string]int64{}
	for i, l := range lines {
		if l.Payer != "" {
			_, gross := cost(l.Sell, ms)
			need[l.Payer] += gross - reserved[i]
		}
	}
	for a, n := range need {
		if n > m.free(a) {
			return false
		}
	}
	return true
}

// time is the longest time up to most that the payers have money for: most itself,
// or one at which a payer's increment ends, or, where one pays for two lines, a whole
// second; 0 if it is below the shortest of all.
func (m *model) time(lines []*wire.HoldLine, reserved []int64, most int64) int64 {
	best, shortest := most, int64(0)
	for _, l := range lines {
		if l.Payer == "" {
			continue
		}
		shortest = max(shortest, int64(l.Sell.IntervalFirstS)*1000)
		has := m.free(l.Payer)
		for i, o := range lines {
			if o.Payer == l.Payer {
				has += reserved[i]
			}
		}
		best = alone(l.Sell, has, best)
	}
	if best == 0 || !m.covers(lines, reserved, best) {
		for best = (best+999)/1000*1000 - 1000; best >= max(shortest, 1) && !m.covers(lines, reserved, best); {
			best -= 1000
		}
		if best < max(shortest, 1) {
			return 0
		}
	}
	if m.mutual != nil && len(lines) > 1 && m.more(lines, reserved, best) > m.together() {
		return 0
	}
	return best
}

// alone is how long some money lasts for one line.
func alone(t *wire.Terms, micro, most int64) (best int64) {
	if _, gross := cost(t, most); gross <= micro {
		return most
	}
	for at := int64(t.IntervalFirstS) * 1000; at < most; at += int64(t.IntervalNextS) * 1000 {
		if _, gross := cost(t, at); gross > micro {
			break
		}
		best = at
	}
	return best
}

func (m *model) more(lines []*wire.HoldLine, reserved []int64, ms int64) (sum int64) {
	for i, gross := range m.reserve(lines, ms) {
		sum += gross - reserved[i]
	}
	return sum
}

// forget drops closed calls after a day of the book's time.
func (m *model) forget(nowUS int64) {
	maps.DeleteFunc(m.closed, func(_ string, c *modelClosed) bool { return c.atUS+ledger.ClosedFor <= nowUS })
}

// expect says whether a command is accepted, and does what it does. An edit that
// changes nothing is not recorded, and its key is free.
func (m *model) expect(nowUS int64, pos uint64, recorded bool, c *wire.Command) bool {
	switch b := c.Body.(type) {
	case *wire.Command_PlaceHold:
		return m.place(nowUS, c.Node, b.PlaceHold)
	case *wire.Command_ExtendHold:
		return m.extend(c.Node, b.ExtendHold)
	case *wire.Command_ChargeCall:
		return m.charge(nowUS, c.Node, b.ChargeCall)
	case *wire.Command_ReleaseHold:
		return m.release(nowUS, c.Node, b.ReleaseHold)
	case *wire.Command_ClaimHold:
		h := m.holds[string(b.ClaimHold.Call)]
		if from := b.ClaimHold.From; h == nil || from != "" && from != h.node && c.Node != h.node {
			return false
		}
		h.node = c.Node
		return true
	case *wire.Command_WriteUpOffline:
		return m.writeUp(nowUS, c.Node, b.WriteUpOffline)
	}
	inputs := proto.CloneOf(c)
	inputs.Key, inputs.Node = nil, ""
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(inputs)
	if err != nil {
		return false
	}
	if old, ok := m.keys[string(c.Key)]; ok {
		return old == string(text)
	}
	yes, remembered := m.keyed(nowUS, pos, c)
	if yes && remembered && (recorded || c.GetChangeCatalog() == nil) {
		m.keys[string(c.Key)] = string(text)
	}
	return yes
}

// keyed does what is remembered by its key for ever.
func (m *model) keyed(nowUS int64, pos uint64, c *wire.Command) (yes, remembered bool) {
	if p := c.GetPostMoney(); p != nil {
		return m.post(pos, p), true
	}
	if p := c.GetClosePeriod(); p != nil {
		return m.closing(nowUS, p)
	}
	for _, change := range c.GetChangeCatalog().Changes {
		switch e := change.Change.Entity.Of.(type) {
		case *wire.Entity_Account:
			m.limit[e.Account.Id] = e.Account.CreditLimitMicro
			m.vendors[e.Account.Id] = e.Account.Kind == wire.AccountKind_ACCOUNT_KIND_VENDOR
		case *wire.Entity_Company:
			m.mutual = nil
			for _, l := range e.Company.MutualLimits {
				m.mutual = &l.LimitMicro
			}
		case *wire.Entity_Deck:
			m.decks[e.Deck.Id] = pos
		}
	}
	return true, true
}

func (m *model) place(nowUS int64, node string, p *wire.PlaceHold) bool {
	id := string(p.Call)
	if h := m.holds[id]; h != nil {
		return h.node == node
	}
	for _, deck := range m.decks {
		if deck > p.CatalogPosition {
			return false // routed on another price list
		}
	}
	if m.closed[id] != nil {
		return false
	}
	most, reserved := int64(60_000), make([]int64, len(p.Lines))
	for _, l := range p.Lines {
		if l.Payer != "" {
			most = max(most, int64(l.Sell.IntervalFirstS)*1000)
		}
	}
	paid := m.time(p.Lines, reserved, min(most, p.MaxMs))
	if paid == 0 {
		return false
	}
	m.holds[id] = &modelHold{node, p.Lines, m.reserve(p.Lines, paid), p.Route, paid, p.MaxMs, nowUS}
	return true
}

func (m *model) reserve(lines []*wire.HoldLine, ms int64) (out []int64) {
	for _, l := range lines {
		gross := int64(0)
		if l.Payer != "" {
			_, gross = cost(l.Sell, ms)
		}
		out = append(out, gross)
	}
	return out
}

func (m *model) extend(node string, x *wire.ExtendHold) bool {
	h := m.holds[string(x.Call)]
	switch {
	case h == nil || h.node != node:
		return false
	case h.paid > x.PaidMs:
		return true
	case h.paid >= h.max:
		return false
	}
	more := int64(60_000)
	for _, l := range h.lines {
		if l.Payer != "" {
			more = max(more, int64(l.Sell.IntervalNextS)*1000)
		}
	}
	paid := m.time(h.lines, h.amounts, min(h.paid+more, h.max))
	if paid <= h.paid {
		return false
	}
	h.paid, h.amounts = paid, m.reserve(h.lines, paid)
	return true
}

func figuresOf(c *wire.ChargeCall) string {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (m *model) charge(nowUS int64, node string, c *wire.ChargeCall) bool {
	id := string(c.Call)
	if old := m.closed[id]; old != nil {
		if f := figuresOf(c); f != old.figures {
			old.contested = f
		}
		return true
	}
	h := m.holds[id]
	if h == nil || h.node != node || int(c.Candidate) >= len(h.route) {
		return false
	}
	for i, l := range h.lines {
		if l.Payer == "" {
			continue
		}
		net, gross := cost(l.Sell, c.RawMs)
		paid := min(gross, h.amounts[i])
		m.move([]move{{l.Payer, -paid}, {"own/overrun/USD", paid - gross}, {"own/revenue/USD", net}, {"own/tax/USD", gross - net}})
	}
	m.payVendor(h.route[c.Candidate], c.RawMs)
	m.close(id, nowUS, figuresOf(c))
	return true
}

func (m *model) payVendor(v *wire.Candidate, ms int64) {
	if v.VendorAccount != "" {
		net, gross := cost(v.Buy, ms)
		m.move([]move{{v.VendorAccount, gross}, {"own/cost/USD", -net}, {"own/tax/USD", net - gross}})
	}
}

func (m *model) close(id string, nowUS int64, figures string) {
	delete(m.holds, id)
	m.closed[id] = &modelClosed{atUS: nowUS, figures: figures}
}

func (m *model) release(nowUS int64, node string, r *wire.ReleaseHold) bool {
	h := m.holds[string(r.Call)]
	if h != nil && h.node == node {
		m.close(string(r.Call), nowUS, "")
	}
	return h == nil || h.node == node
}
