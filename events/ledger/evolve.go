package ledger

import (
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

// Evolve folds one event, recorded at a position in a block of the given time.
// An event that contradicts the state is an error: the journal or the fold is
// wrong, and the reader must stop.
func (s *State) Evolve(pos events.Position, timeUS int64, e *wire.Event) error {
	s.forget(timeUS)
	switch b := e.Body.(type) {
	case *wire.Event_MoneyPosted:
		return s.evolvePosted(pos, b.MoneyPosted)
	case *wire.Event_HoldPlaced:
		return s.evolvePlaced(pos, timeUS, b.HoldPlaced)
	case *wire.Event_RouteAdvanced:
		return s.evolveAdvanced(b.RouteAdvanced)
	case *wire.Event_HoldExtended:
		return s.evolveExtended(b.HoldExtended)
	case *wire.Event_CallCharged:
		return s.evolveCharged(pos, timeUS, b.CallCharged)
	case *wire.Event_HoldReleased:
		return s.evolveReleased(pos, timeUS, b.HoldReleased)
	case *wire.Event_ChargeContested:
		return s.evolveContested(b.ChargeContested)
	case *wire.Event_HoldClaimed:
		return s.evolveClaimed(b.HoldClaimed)
	case *wire.Event_PeriodClosed:
		return s.evolvePeriod(pos, b.PeriodClosed)
	case *wire.Event_OfflineWrittenUp:
		return s.evolveWrittenUp(pos, timeUS, b.OfflineWrittenUp)
	case *wire.Event_AlertRaised:
		return s.evolveRaised(pos, b.AlertRaised)
	case *wire.Event_AlertCleared:
		return s.evolveCleared(pos, b.AlertCleared)
	case *wire.Event_ChangeSetAccepted:
		set := b.ChangeSetAccepted
		s.remember(set.Key, &Known{InputsHash: string(set.InputsHash), Position: pos})
	}
	return nil
}

// forget drops closed calls that are older than ClosedFor.
func (s *State) forget(timeUS int64) {
	n := 0
	for n < len(s.queue) {
		id := s.queue[n]
		c := s.closed[id]
		if c.AtUS+ClosedFor > timeUS {
			break
		}
		s.sum.Remove(c.encoding(&s.scratch, id))
		delete(s.closed, id)
		n++
	}
	s.queue = s.queue[n:]
}

// remember keeps an accepted command. A large change set stands as several
// events with one key: the last one's position counts.
func (s *State) remember(key []byte, k *Known) {
	if len(key) != len(events.Key{}) {
		return
	}
	id := events.Key(key)
	k.Key = id
	if old, ok := s.keys[id]; ok {
		s.sum.Remove(old.encoding(&s.scratch, id))
	}
	s.keys[id] = k
	s.sum.Add(k.encoding(&s.scratch, id))
}

func (s *State) evolvePosted(pos events.Position, m *wire.MoneyPosted) error {
	if err := CheckBalanced(m.Postings); err != nil {
		return fmt.Errorf("money posted at %d: %w", pos, err)
	}
	if m.Reverses != 0 {
		if err := s.evolveReversal(pos, m); err != nil {
			return err
		}
	}
	s.post(m.Postings)
	known := &Known{InputsHash: string(m.InputsHash), Position: pos, Postings: m.Postings}
	s.remember(m.Key, known)
	s.postedAt[pos] = known
	return nil
}

func (s *State) evolveReversal(pos events.Position, m *wire.MoneyPosted) error {
	old, ok := s.postedAt[events.Position(m.Reverses)]
	if !ok || old.Reversed {
		return fmt.Errorf("the reversal at %d names position %d, which has nothing to reverse", pos, m.Reverses)
	}
	if !opposite(old.Postings, m.Postings) {
		return fmt.Errorf("the reversal at %d is not the opposite of position %d", pos, m.Reverses)
	}
	s.sum.Remove(old.encoding(&s.scratch, old.Key))
	old.Reversed = true
	s.sum.Add(old.encoding(&s.scratch, old.Key))
	return nil
}

func opposite(a, b []*wire.Posting) bool {
	return slices.EqualFunc(a, b, func(p, q *wire.Posting) bool {
		return p.Account == q.Account && p.Currency == q.Currency && p.AmountMicro == -q.AmountMicro
	})
}

func (s *State) evolvePlaced(pos events.Position, timeUS int64, p *wire.HoldPlaced) error {
	id, err := events.CallIDFrom(p.Call)
	if err != nil {
		return err
	}
	if _, open := s.holds[id]; open {
		return fmt.Errorf("the hold at %d is the second of call %s", pos, id)
	}
	if _, closed := s.closed[id]; closed {
		return fmt.Errorf("the hold at %d is of call %s, which is closed", pos, id)
	}
	h := &Hold{HoldPlaced: p, Position: pos, PlacedAtUS: timeUS}
	s.holds[id] = h
	s.sum.Add(h.encoding(&s.scratch, id))
	s.take(p)
	for _, l := range p.Lines {
		reserves(l, func(account, currency string, amount money.Amount) {
			s.touch(account, currency, func(a *Account) { a.Held += amount; a.Calls++ })
		})
		counted(l, func(key string) { s.peerCalls[key]++ })
	}
	return nil
}

func (s *State) open(call []byte) (events.CallID, *Hold, error) {
	id, err := events.CallIDFrom(call)
	if err != nil {
		return id, nil, err
	}
	h, ok := s.holds[id]
	if !ok {
		return id, nil, fmt.Errorf("call %s has no open hold", id)
	}
	return id, h, nil
}

func (s *State) evolveExtended(x *wire.HoldExtended) error {
	id, h, err := s.open(x.Call)
	if err != nil {
		return err
	}
	if len(x.AmountsMicro) != len(h.Lines) {
		return fmt.Errorf("the extension of call %s has %d amounts for %d lines", id, len(x.AmountsMicro), len(h.Lines))
	}
	if len(x.PackageMicro) != 0 && len(x.PackageMicro) != len(h.Lines) {
		return fmt.Errorf("the extension of call %s has seconds of %d packages for %d lines", id, len(x.PackageMicro), len(h.Lines))
	}
	s.change(id, h, func(next *wire.HoldPlaced) {
		for i, l := range next.Lines {
			more := money.Amount(x.AmountsMicro[i] - l.AmountMicro)
			if l.Payer != "" {
				s.touch(l.Payer, rating.Currency(l.Sell), func(a *Account) { a.Held += more })
			}
			l.AmountMicro = x.AmountsMicro[i]
			if l.Package != "" && len(x.PackageMicro) > 0 {
				seconds := money.Amount(x.PackageMicro[i] - l.PackageMicro)
				s.touch(l.Package, string(money.Seconds), func(a *Account) { a.Held += seconds })
				l.PackageMicro = x.PackageMicro[i]
			}
		}
		next.PaidMs, next.ExpiresAtUs = x.PaidMs, x.ExpiresAtUs
	})
	return nil
}

// change puts a changed copy in the place of an open hold, and keeps the hash right.
func (s *State) change(id events.CallID, h *Hold, edit func(*wire.HoldPlaced)) {
	s.sum.Remove(h.encoding(&s.scratch, id))
	next := *h
	next.HoldPlaced = copyPlaced(h.HoldPlaced)
	edit(next.HoldPlaced)
	s.holds[id] = &next
	s.sum.Add(next.encoding(&s.scratch, id))
}

// copyPlaced copies what an extension, an advance or a claim changes; events stay as they are.
func copyPlaced(p *wire.HoldPlaced) *wire.HoldPlaced {
	c := &wire.HoldPlaced{
		Call: p.Call, Node: p.Node, Route: p.Route, PaidMs: p.PaidMs,
		ExpiresAtUs: p.ExpiresAtUs, SetupMs: p.SetupMs, MaxMs: p.MaxMs, Emergency: p.Emergency,
		Candidate: p.Candidate, Passed: p.Passed,
	}
	for _, l := range p.Lines {
		c.Lines = append(c.Lines, &wire.HoldLine{
			Leg: l.Leg, Payer: l.Payer, Originator: l.Originator, Sell: l.Sell, AmountMicro: l.AmountMicro,
			LimitPrefixes: l.LimitPrefixes, Did: l.Did, Package: l.Package, PackageMicro: l.PackageMicro,
		})
	}
	return c
}

func (s *State) close(id events.CallID, h *Hold, c *Closed) {
	s.sum.Remove(h.encoding(&s.scratch, id))
	delete(s.holds, id)
	s.free(h.HoldPlaced)
	for _, l := range h.Lines {
		reserves(l, func(account, currency string, amount money.Amount) {
			s.touch(account, currency, func(a *Account) { a.Held -= amount; a.Calls-- })
		})
		counted(l, func(key string) { less(s.peerCalls, key) })
	}
	s.keepClosed(id, c)
}

func (s *State) keepClosed(id events.CallID, c *Closed) {
	s.closed[id] = c
	s.queue = append(s.queue, id)
	s.sum.Add(c.encoding(&s.scratch, id))
}

func (s *State) evolveCharged(pos events.Position, timeUS int64, c *wire.CallCharged) error {
	id, h, err := s.open(c.Call)
	if err != nil {
		return err
	}
	if err := CheckBalanced(c.Postings); err != nil {
		return fmt.Errorf("the charge at %d: %w", pos, err)
	}
	gross, cost := totals(c.Lines)
	s.close(id, h, &Closed{
		Figures: string(c.Figures), AtUS: timeUS, Position: pos,
		Gross: gross, Cost: cost, Over: money.Amount(c.OverrunMicro),
	})
	s.post(c.Postings)
	return nil
}

func totals(lines []*wire.PriceLine) (gross, cost money.Amount) {
	for _, l := range lines {
		if l.Side == wire.Side_SIDE_SELL {
			gross += money.Amount(l.GrossMicro)
		} else {
			cost += money.Amount(l.GrossMicro)
		}
	}
	return gross, cost
}

func (s *State) evolveReleased(pos events.Position, timeUS int64, r *wire.HoldReleased) error {
	id, h, err := s.open(r.Call)
	if err != nil {
		return err
	}
	s.close(id, h, &Closed{AtUS: timeUS, Position: pos})
	return nil
}

func (s *State) evolveContested(c *wire.ChargeContested) error {
	id, err := events.CallIDFrom(c.Call)
	if err != nil {
		return err
	}
	if closed, ok := s.closed[id]; ok {
		s.sum.Remove(closed.encoding(&s.scratch, id))
		closed.Contested = string(c.Figures)
		s.sum.Add(closed.encoding(&s.scratch, id))
	}
	return nil
}

func (s *State) evolveClaimed(c *wire.HoldClaimed) error {
	id, h, err := s.open(c.Call)
	if err != nil {
		return err
	}
	s.change(id, h, func(next *wire.HoldPlaced) { next.Node = c.ToNode })
	return nil
}
