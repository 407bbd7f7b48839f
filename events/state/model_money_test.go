package state_test

import (
	"slices"

	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

func (m *model) move(moves []move) {
	for _, x := range moves {
		m.posted[x.account] += x.micro
	}
}

// earned is where a note's other side goes.
func (m *model) earned(account string) string {
	if m.vendors[account] {
		return "own/cost/USD"
	}
	return "own/revenue/USD"
}

func (m *model) post(pos uint64, p *wire.PostMoney) bool {
	moves := []move{{p.Account, p.AmountMicro}, {"own/payments/USD", -p.AmountMicro}}
	available := m.posted[p.Account] + m.credit(p.Account) - m.held(p.Account)
	_, known := m.limit[p.Account]
	spends := p.Kind == wire.PostingKind_POSTING_KIND_DEBIT || p.Kind == wire.PostingKind_POSTING_KIND_TRANSFER
	switch {
	case p.Kind == wire.PostingKind_POSTING_KIND_REVERSAL:
		old, ok := m.moves[p.Reverses]
		if !ok || m.undone[p.Reverses] {
			return false
		}
		m.undone[p.Reverses] = true
		if moves = slices.Clone(old); ok {
			for i := range moves {
				moves[i].micro = -moves[i].micro
			}
		}
	case !known || p.AmountMicro == 0 || p.AmountMicro < 0 && p.Kind != wire.PostingKind_POSTING_KIND_ADJUSTMENT || spends && p.AmountMicro > available:
		return false
	case p.Kind == wire.PostingKind_POSTING_KIND_ADJUSTMENT:
		moves[1].account = "own/suspense/USD"
	case p.Kind == wire.PostingKind_POSTING_KIND_CREDIT_NOTE:
		moves[1].account = m.earned(p.Account)
	case p.Kind == wire.PostingKind_POSTING_KIND_DEBIT_NOTE:
		moves = []move{{p.Account, -p.AmountMicro}, {m.earned(p.Account), p.AmountMicro}}
	case p.Kind == wire.PostingKind_POSTING_KIND_TRANSFER:
		if _, ok := m.limit[p.ToAccount]; !ok || p.ToAccount == p.Account {
			return false
		}
		moves = []move{{p.Account, -p.AmountMicro}, {p.ToAccount, p.AmountMicro}}
	case p.Kind != wire.PostingKind_POSTING_KIND_CREDIT:
		moves = []move{{p.Account, -p.AmountMicro}, {"own/payments/USD", p.AmountMicro}}
	}
	m.move(moves)
	m.moves[pos] = moves
	return true
}

// closing says whether a period may be closed, and whether its key is remembered.
func (m *model) closing(nowUS int64, p *wire.ClosePeriod) (yes, remembered bool) {
	_, known := m.limit[p.Account]
	switch last := m.periods[p.Account]; {
	case !known || p.ToUs <= 0 || p.ToUs > nowUS:
		return false, false
	case last != 0 && last == p.ToUs:
		return true, false
	case last > p.ToUs:
		return false, false
	}
	for _, h := range m.holds {
		if h.placedUS < p.ToUs && h.names(p.Account) {
			return false, false
		}
	}
	m.periods[p.Account] = p.ToUs
	return true, true
}

func (h *modelHold) names(account string) bool {
	for _, l := range h.lines {
		if l.Payer == account {
			return true
		}
	}
	for _, v := range h.route {
		if v.VendorAccount == account {
			return true
		}
	}
	return false
}

// writeUp takes offline calls in the order of their numbers.
func (m *model) writeUp(nowUS int64, node string, w *wire.WriteUpOffline) bool {
	next := m.offline[node] + 1
	calls := map[string]bool{}
	for i, o := range w.Calls {
		if o.Number != w.Calls[0].Number+uint64(i) || calls[string(o.Call)] {
			return false
		}
		calls[string(o.Call)] = true
	}
	if first := w.Calls[0].Number; first == 0 || first > next {
		return false
	}
	for _, o := range w.Calls {
		if o.Number >= next {
			m.offline[node] = o.Number
			m.written(nowUS, node, o)
		}
	}
	return true
}

func (m *model) written(nowUS int64, node string, o *wire.OfflineCall) {
	id := string(o.Call)
	h := m.holds[id]
	lines := []*wire.HoldLine{{Payer: o.Payer, Sell: o.Sell}}
	switch {
	case m.closed[id] != nil && m.closed[id].atUS+ledger.ClosedFor > nowUS, h != nil && (o.Running || h.node != node):
		return // the book knows better
	case o.Running:
		m.holds[id] = &modelHold{node, lines, m.reserve(lines, o.PaidMs), []*wire.Candidate{o.Candidate}, o.PaidMs, o.MaxMs, o.PlacedAtUs}
		return
	}
	if o.Payer != "" {
		net, gross := cost(o.Sell, o.RawMs)
		m.move([]move{{o.Payer, -gross}, {"own/revenue/USD", net}, {"own/tax/USD", gross - net}})
	}
	m.payVendor(o.Candidate, o.RawMs)
	m.close(id, nowUS, "offline")
}
