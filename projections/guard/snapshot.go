package guard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// snapshotVersion is that of the fold and of the snapshot's form.
const snapshotVersion = 1

// ErrVersion says that a snapshot was made by another version.
var ErrVersion = errors.New("guard snapshot of another version")

// snapshot is a view in writing. Its lists are ordered, so that the same state
// gives the same bytes. The calls that are waited for are not in it: they are those
// of a process, and end with it.
type snapshot struct {
	Version  int
	Rules    [][]byte
	Since    []sinceSnapshot
	Counters []counterSnapshot
	Seen     []seenSnapshot
	Dialled  []dialSnapshot
	Holds    []holdSnapshot
	Trips    []tripSnapshot
	SweptUS  map[string]int64
}

type sinceSnapshot struct {
	Of      wire.GuardMeasure
	WindowS uint32
	US      int64
}

type counterSnapshot struct {
	Account, Subject string
	Number           bool
	Of               wire.GuardMeasure
	WindowS          uint32
	Slots            [][2]int64
}

type seenSnapshot struct {
	Account, Destination string
	US                   int64
}

type dialSnapshot struct {
	Call            events.CallID
	Account, Called string
}

type holdSnapshot struct {
	Call  events.CallID
	Lines []heldSnapshot
}

type heldSnapshot struct {
	Account, Destination string
	Micro                int64
}

type tripSnapshot struct {
	Event  []byte
	Lifted bool
}

// Snapshot returns the view in writing. Calls are judged again as soon as it is
// copied; sorting and writing it takes longer.
func (v *View) Snapshot() ([]byte, error) {
	s, err := v.copy()
	if err != nil {
		return nil, fmt.Errorf("write guard snapshot: %w", err)
	}
	s.sort()
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write guard snapshot: %w", err)
	}
	return text, nil
}

func (v *View) copy() (snapshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := snapshot{Version: snapshotVersion, SweptUS: maps.Clone(v.sweptUS), Seen: make([]seenSnapshot, 0, len(v.seen))}
	for _, r := range v.rules {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.GuardRule)
		if err != nil {
			return s, err
		}
		s.Rules = append(s.Rules, text)
	}
	for _, t := range v.trips {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(t.GuardTripped)
		if err != nil {
			return s, err
		}
		s.Trips = append(s.Trips, tripSnapshot{text, t.Lifted})
	}
	for m, us := range v.since {
		s.Since = append(s.Since, sinceSnapshot{m.of, m.windowS, us})
	}
	for of, counters := range v.counters {
		for m, c := range counters {
			saved := counterSnapshot{Account: of.account, Subject: of.destination, Number: of.number, Of: m.of, WindowS: m.windowS}
			for _, slot := range c.slots {
				saved.Slots = append(saved.Slots, [2]int64{slot.at, slot.n})
			}
			s.Counters = append(s.Counters, saved)
		}
	}
	for p, us := range v.seen {
		s.Seen = append(s.Seen, seenSnapshot{p.account, p.destination, us})
	}
	for id, d := range v.dialled {
		s.Dialled = append(s.Dialled, dialSnapshot{id, d.account, d.called})
	}
	for id, list := range v.holds {
		saved := holdSnapshot{Call: id}
		for _, h := range list {
			saved.Lines = append(saved.Lines, heldSnapshot{h.account, h.destination, h.micro})
		}
		s.Holds = append(s.Holds, saved)
	}
	return s, nil
}

func (s *snapshot) sort() {
	slices.SortFunc(s.Since, func(a, b sinceSnapshot) int {
		return cmp.Or(cmp.Compare(a.Of, b.Of), cmp.Compare(a.WindowS, b.WindowS))
	})
	slices.SortFunc(s.Counters, func(a, b counterSnapshot) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Of, b.Of), cmp.Compare(a.WindowS, b.WindowS))
	})
	slices.SortFunc(s.Seen, func(a, b seenSnapshot) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Destination, b.Destination))
	})
	slices.SortFunc(s.Dialled, func(a, b dialSnapshot) int { return bytes.Compare(a.Call[:], b.Call[:]) })
	slices.SortFunc(s.Holds, func(a, b holdSnapshot) int { return bytes.Compare(a.Call[:], b.Call[:]) })
	slices.SortFunc(s.Trips, func(a, b tripSnapshot) int { return bytes.Compare(a.Event, b.Event) })
}

// Restore puts a snapshot in the place of all that the view knows. When it
// returns an error nothing has changed.
func (v *View) Restore(text []byte) error {
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read guard snapshot: %w", err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("%w: %d, this program has %d", ErrVersion, s.Version, snapshotVersion)
	}
	from := New(v.node, v.log, v.bounds)
	if err := s.fill(from); err != nil {
		return fmt.Errorf("read guard snapshot: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rules, v.since, v.counters, v.counted, v.seen = from.rules, from.since, from.counters, from.counted, from.seen
	v.dialled, v.holds, v.holding, v.trips, v.sweptUS = from.dialled, from.holds, from.holding, from.trips, from.sweptUS
	return nil
}

func (s *snapshot) fill(v *View) error {
	for _, text := range s.Rules {
		g := new(wire.GuardRule)
		if err := proto.Unmarshal(text, g); err != nil {
			return err
		}
		v.rules = append(v.rules, newRule(g))
	}
	for _, t := range s.Trips {
		e := new(wire.GuardTripped)
		if err := proto.Unmarshal(t.Event, e); err != nil {
			return err
		}
		v.trips[trip{e.Rule, place{e.Account, e.Subject}}] = &Trip{GuardTripped: e, Lifted: t.Lifted}
	}
	for _, m := range s.Since {
		v.since[measure{m.Of, m.WindowS}] = m.US
	}
	for _, c := range s.Counters {
		of := subject{place{c.Account, c.Subject}, c.Number}
		if v.counters[of] == nil {
			v.counters[of] = map[measure]*counter{}
		}
		restored := new(counter)
		for _, n := range c.Slots {
			restored.slots = append(restored.slots, slot{n[0], n[1]})
		}
		v.counters[of][measure{c.Of, c.WindowS}] = restored
		v.counted++
	}
	for _, p := range s.Seen {
		v.seen[place{p.Account, p.Destination}] = p.US
	}
	for _, d := range s.Dialled {
		v.dialled[d.Call] = dial{d.Account, d.Called}
	}
	for _, h := range s.Holds {
		var list []held
		for _, l := range h.Lines {
			list = append(list, held{place{l.Account, l.Destination}, l.Micro})
		}
		v.holds[h.Call] = list
		v.hold(list, 1)
	}
	maps.Copy(v.sweptUS, s.SweptUS)
	return nil
}
