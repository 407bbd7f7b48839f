package state

import (
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// writeUpOffline records offline calls in the order of their numbers. The answer
// names the last of them, on a repeat as the first time.
func (s *State) writeUpOffline(d ledger.Deciding, w *wire.WriteUpOffline) ([]*wire.Event, *wire.Reply, error) {
	written, err := s.Ledger.WriteUpOffline(d, w)
	if err != nil {
		return nil, nil, err
	}
	var evs []*wire.Event
	repeated := true
	for i, r := range written {
		o := w.Calls[i]
		if r.Up != nil {
			repeated = false
			e := &wire.Event{EffectiveAtUs: o.AnsweredAtUs, Body: &wire.Event_OfflineWrittenUp{OfflineWrittenUp: r.Up}}
			evs = append(evs, one(o.Call, e)...)
		}
		if r.Contested != nil {
			evs = append(evs, one(o.Call, &wire.Event{Body: &wire.Event_ChargeContested{ChargeContested: r.Contested}})...)
		}
	}
	through := w.Calls[len(w.Calls)-1].Number
	return evs, &wire.Reply{Repeated: repeated, Body: &wire.Reply_WrittenUp{WrittenUp: &wire.WrittenUp{Through: through}}}, nil
}
