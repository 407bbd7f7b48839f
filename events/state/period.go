package state

import (
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// closePeriod adds to the ledger's decision what the whole book was before it: its
// hash, and its last position.
func (s *State) closePeriod(d ledger.Deciding, c *wire.ClosePeriod) ([]*wire.Event, *wire.Reply, error) {
	p, err := s.Ledger.ClosePeriod(d, c)
	if err != nil || p == nil {
		return nil, &wire.Reply{Repeated: true}, err
	}
	hash := s.Hash()
	p.StateHash, p.Through = hash.Bytes(), uint64(s.Position)
	e := &wire.Event{EffectiveAtUs: p.ToUs, Body: &wire.Event_PeriodClosed{PeriodClosed: p}}
	return one(d.Command.Key, e), &wire.Reply{}, nil
}
