package live

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// hold is what the book has told of a call. Its fields are exported for snapshots.
type hold struct {
	ID       events.CallID
	Amounts  []int64
	Currency string
	PaidMS   int64
	// ClaimedBy is the node that took the call over, at ClaimedUS.
	ClaimedBy string
	ClaimedUS int64
	Closed    bool
}

// held sums the amounts of all payers.
func (h *hold) held() (sum int64) {
	for _, amount := range h.Amounts {
		sum += amount
	}
	return sum
}

// decided takes one event of the book.
func (v *View) decided(r events.Recorded) {
	switch body := r.Event.GetBody().(type) {
	case *wire.Event_HoldPlaced:
		v.placed(body.HoldPlaced)
	case *wire.Event_HoldExtended:
		v.extended(body.HoldExtended)
	case *wire.Event_HoldClaimed:
		v.claimed(body.HoldClaimed, r.TimeUS)
	case *wire.Event_CallCharged:
		v.money.charge(body.CallCharged, r.TimeUS)
		v.close(body.CallCharged.GetCall())
		v.settled(body.CallCharged.GetCall(), body.CallCharged.GetEndedAtUs(), body.CallCharged.GetRawMs())
	case *wire.Event_OfflineWrittenUp:
		v.writtenUp(body.OfflineWrittenUp, r.TimeUS)
	case *wire.Event_HoldReleased:
		v.close(body.HoldReleased.GetCall())
		v.settled(body.HoldReleased.GetCall(), r.TimeUS, 0)
	}
}

// settled ends a call that only another log than its owner's has told the end of so far.
func (v *View) settled(b []byte, atUS, rawMS int64) {
	if id, ok := callID(b); ok && v.calls[id] != nil && v.calls[id].GoneUS != 0 {
		v.gone(id, atUS, rawMS)
	}
}

func (v *View) placed(e *wire.HoldPlaced) {
	id, ok := callID(e.GetCall())
	if !ok || v.holds[id] != nil {
		return
	}
	if len(v.holds) >= maxCalls {
		v.dropped++
		return
	}
	h := &hold{ID: id, PaidMS: e.GetPaidMs()}
	for _, line := range e.GetLines() {
		h.Amounts = append(h.Amounts, line.GetAmountMicro())
		if h.Currency == "" {
			h.Currency = rating.Currency(line.GetSell())
		}
	}
	v.holds[id] = h
}

// writtenUp notes a call that was let through while the book was silent.
func (v *View) writtenUp(u *wire.OfflineWrittenUp, recordedUS int64) {
	switch {
	case u.GetHold() != nil:
		v.placed(u.GetHold())
	case u.GetBooked():
		v.money.charge(ledger.OfflineCharge(u), recordedUS)
		v.close(u.GetCall().GetCall())
	}
}

func (v *View) extended(e *wire.HoldExtended) {
	id, _ := callID(e.GetCall())
	h := v.holds[id]
	if h == nil {
		return
	}
	h.PaidMS = e.GetPaidMs()
	h.Amounts = slices.Clone(e.GetAmountsMicro())
}

// claimed moves a call to another node. Only that node's later signs of life
// speak for it.
func (v *View) claimed(e *wire.HoldClaimed, recordedUS int64) {
	id, _ := callID(e.GetCall())
	h := v.holds[id]
	if h == nil {
		return
	}
	c := v.calls[id]
	if c != nil {
		c.ProvenUS = max(c.ProvenUS, v.alive(c))
		v.tally(c, -1)
	}
	h.ClaimedBy, h.ClaimedUS = e.GetToNode(), recordedUS
	if c != nil {
		v.tally(c, 1)
	}
}

// close notes that the book has closed a hold. It is forgotten with the call, or
// when enough others have been closed after it.
func (v *View) close(b []byte) {
	id, ok := callID(b)
	if !ok {
		return
	}
	if v.over.has(id) {
		delete(v.holds, id)
		return
	}
	h := v.holds[id]
	if h == nil {
		return
	}
	h.Closed = true
	v.closed.add(id, func(old events.CallID) {
		if v.calls[old] == nil {
			delete(v.holds, old)
		}
	})
}

// remembered is a bounded set of call ids that forgets the oldest.
type remembered struct {
	ids  map[events.CallID]struct{}
	ring []events.CallID
	next int
}

func newRemembered() remembered { return remembered{ids: make(map[events.CallID]struct{})} }

func (m *remembered) has(id events.CallID) bool {
	_, ok := m.ids[id]
	return ok
}

// add remembers an id, and calls forgotten with the one that gives way.
func (m *remembered) add(id events.CallID, forgotten func(events.CallID)) {
	if m.has(id) {
		return
	}
	m.ids[id] = struct{}{}
	if len(m.ring) < maxClosed {
		m.ring = append(m.ring, id)
		return
	}
	old := m.ring[m.next]
	delete(m.ids, old)
	m.ring[m.next] = id
	m.next = (m.next + 1) % maxClosed
	if forgotten != nil {
		forgotten(old)
	}
}

// oldestFirst returns the ids in the order in which they were added.
func (m *remembered) oldestFirst() []events.CallID {
	return slices.Concat(m.ring[m.next:], m.ring[:m.next])
}
