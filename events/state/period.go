package state

import (
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// closePeriod adds to the ledger's decision what the whole book was before it: its
// hash, and its last position. That a period ends with a day of its company's is
// the keeper's to check: time zones are files.
func (s *State) closePeriod(d ledger.Deciding, c *wire.ClosePeriod) ([]*wire.Event, *wire.Reply, error) {
	if reply, err := s.known(d.Command); reply != nil || err != nil {
		return nil, reply, err
	}
	p, err := s.Ledger.ClosePeriod(d, c)
	if err != nil {
		return nil, nil, err
	}
	if p == nil { // closed already, under another key
		at := s.Ledger.Period(c.Account).Through + 1
		return nil, &wire.Reply{Repeated: true, Body: &wire.Reply_Posted{Posted: &wire.Posted{Position: at}}}, nil
	}
	hash := s.Hash()
	p.StateHash, p.Through = hash.Bytes(), uint64(s.Position)
	p.Key, p.InputsHash = d.Command.Key, ledger.InputsHash(d.Command)
	e := &wire.Event{EffectiveAtUs: p.ToUs, Body: &wire.Event_PeriodClosed{PeriodClosed: p}}
	return one(d.Command.Key, e), &wire.Reply{Body: &wire.Reply_Posted{Posted: &wire.Posted{Position: p.Through + 1}}}, nil
}
