package ledger

import (
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Why a vendor is passed over.
const (
	PassedFull    = "full"     // his channels are in use
	PassedTooFast = "too_fast" // he had his calls of this second
)

// VendorCalls counts the calls that have a channel of a terminator: those that try him
// and those that he answered, on all nodes. A call goes on being counted at a vendor
// before until the book is told of the next one, which it is where either has limits.
func (s *State) VendorCalls(terminator string) int { return s.vendorCalls[terminator] }

// room finds the first candidate of a route, from an index on, that has a channel free
// and may have another call in this second: it is counted. Those before are passed over.
// The index is the route's length if there is none. The channel that the call has of a
// terminator of its own is not in its way. An emergency call passes nobody over.
func (s *State) room(d Deciding, p *wire.HoldPlaced, from int, own string) (int, []*wire.PassedOver) {
	var passed []*wire.PassedOver
	for i := from; i < len(p.Route); i++ {
		t, used := d.Catalog.Terminator(p.Route[i].Terminator), s.VendorCalls(p.Route[i].Terminator)
		if p.Route[i].Terminator == own {
			used--
		}
		reason := ""
		switch {
		case p.Emergency != "" || t == nil: // one that was removed since is the node's to refuse
		case t.Channels > 0 && used >= int(t.Channels):
			reason = PassedFull
		case t.CallsPerSecond > 0 && d.Pace != nil && !d.Pace("terminator "+t.Id, t.CallsPerSecond):
			reason = PassedTooFast
		}
		if reason == "" {
			return i, passed
		}
		passed = append(passed, &wire.PassedOver{Candidate: uint32(i), Reason: reason})
	}
	return len(p.Route), passed
}

// seat gives a new call the first vendor of its route that has room.
func (s *State) seat(d Deciding, p *wire.HoldPlaced) error {
	at, passed := s.room(d, p, 0, "")
	if at == len(p.Route) {
		last := passed[len(passed)-1]
		words := "has its channels in use"
		if last.Reason == PassedTooFast {
			words = "had its calls of this second"
		}
		return events.Refuse(events.CodeLimit, "terminator %s, the last of %d, %s", p.Route[at-1].Terminator, at, words).At("route")
	}
	p.Candidate, p.Passed = uint32(at), passed
	return nil
}

// AdvanceRoute decides which vendor a call tries next. It gives the hold where the call
// has gone on as far already, with nothing to record.
func (s *State) AdvanceRoute(d Deciding, a *wire.AdvanceRoute) (*wire.RouteAdvanced, *Hold, error) {
	_, h, err := s.owned(d, a.Call)
	switch {
	case err != nil:
		return nil, nil, err
	case int(a.Candidate) >= len(h.Route):
		return nil, nil, events.Invalid("the hold has no candidate %d", a.Candidate)
	case a.Candidate <= h.Candidate:
		return nil, h, nil
	}
	at, passed := s.room(d, h.HoldPlaced, int(a.Candidate), holdsAt(h.HoldPlaced))
	return &wire.RouteAdvanced{Call: a.Call, Candidate: uint32(at), Passed: passed}, h, nil
}

// Passed tells whether a candidate of a hold was passed over: he was sent no INVITE.
func Passed(h *wire.HoldPlaced, candidate int) bool {
	return slices.ContainsFunc(h.GetPassed(), func(p *wire.PassedOver) bool { return int(p.Candidate) == candidate })
}

// holdsAt is the terminator that a hold has a channel of; empty for none.
func holdsAt(p *wire.HoldPlaced) string {
	if int(p.Candidate) >= len(p.Route) {
		return ""
	}
	return p.Route[p.Candidate].Terminator
}

// take counts the channel that a hold has.
func (s *State) take(p *wire.HoldPlaced) {
	if terminator := holdsAt(p); terminator != "" {
		s.vendorCalls[terminator]++
	}
}

// free gives it back.
func (s *State) free(p *wire.HoldPlaced) {
	if terminator := holdsAt(p); terminator != "" {
		less(s.vendorCalls, terminator)
	}
}

// less counts down; a counter at 0 is none.
func less(counters map[string]int, key string) {
	if counters[key]--; counters[key] == 0 {
		delete(counters, key)
	}
}

func (s *State) evolveAdvanced(a *wire.RouteAdvanced) error {
	id, h, err := s.open(a.Call)
	if err != nil {
		return err
	}
	s.free(h.HoldPlaced)
	s.change(id, h, func(next *wire.HoldPlaced) {
		next.Candidate = a.Candidate
		next.Passed = append(slices.Clone(h.Passed), a.Passed...)
		s.take(next)
	})
	return nil
}
