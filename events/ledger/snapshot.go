package ledger

import (
	"bytes"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/wire"
)

// Save writes the ledger into a snapshot, in an order that is always the same.
func (s *State) Save(to *wire.BookSnapshot) {
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[id]
		to.Accounts = append(to.Accounts, &wire.AccountBalance{
			Account: a.ID, Currency: string(a.Currency), PostedMicro: int64(a.Posted),
		})
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.holds), func(a, b events.CallID) int { return bytes.Compare(a[:], b[:]) }) {
		h := s.holds[id]
		to.Holds = append(to.Holds, &wire.OpenHold{Placed: h.HoldPlaced, Position: uint64(h.Position), PlacedAtUs: h.PlacedAtUS})
	}
	for _, id := range s.queue {
		c := s.closed[id]
		to.Closed = append(to.Closed, &wire.ClosedCall{
			Call: id[:], Figures: []byte(c.Figures), Contested: []byte(c.Contested), AtUs: c.AtUS, Position: uint64(c.Position),
			GrossMicro: int64(c.Gross), CostMicro: int64(c.Cost), OverrunMicro: int64(c.Over),
		})
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.keys), func(a, b events.Key) int { return bytes.Compare(a[:], b[:]) }) {
		k := s.keys[id]
		to.Keys = append(to.Keys, &wire.KnownKey{
			Key: id[:], InputsHash: []byte(k.InputsHash), Position: uint64(k.Position), Postings: k.Postings, Reversed: k.Reversed,
		})
	}
	for _, node := range slices.Sorted(maps.Keys(s.offline)) {
		to.Offline = append(to.Offline, &wire.OfflineMark{Node: node, Last: s.offline[node]})
	}
	to.Alerts, to.Periods = s.Alerts(), s.closedPeriods()
}

// Load reads a ledger out of a snapshot.
func Load(from *wire.BookSnapshot) (*State, error) {
	s := New()
	for _, a := range from.Accounts {
		s.touch(a.Account, a.Currency, func(to *Account) { to.Posted = money.Amount(a.PostedMicro) })
		s.sums[money.Currency(a.Currency)] += money.Amount(a.PostedMicro)
	}
	for _, h := range from.Holds {
		if err := s.evolvePlaced(events.Position(h.Position), h.PlacedAtUs, h.Placed); err != nil {
			return nil, err
		}
	}
	for _, c := range from.Closed {
		id, err := events.CallIDFrom(c.Call)
		if err != nil {
			return nil, err
		}
		closed := &Closed{
			Figures: string(c.Figures), Contested: string(c.Contested), AtUS: c.AtUs, Position: events.Position(c.Position),
			Gross: money.Amount(c.GrossMicro), Cost: money.Amount(c.CostMicro), Over: money.Amount(c.OverrunMicro),
		}
		s.closed[id] = closed
		s.queue = append(s.queue, id)
		s.sum.Add(closed.encoding(&s.scratch, id))
	}
	for _, k := range from.Keys {
		known := &Known{InputsHash: string(k.InputsHash), Position: events.Position(k.Position), Postings: k.Postings, Reversed: k.Reversed}
		s.remember(k.Key, known)
		if len(k.Postings) > 0 {
			s.postedAt[known.Position] = known
		}
	}
	for _, p := range from.Periods {
		s.keepPeriod(p)
	}
	for _, m := range from.Offline {
		s.markOffline(m.Node, m.Last)
	}
	for _, a := range from.Alerts {
		if err := s.evolveRaised(0, a); err != nil {
			return nil, err
		}
	}
	return s, nil
}
