package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
)

// snapshotVersion is that of the fold and of the snapshot's form. A snapshot of
// another version is refused, and the view is built from the journals.
const snapshotVersion = 2

// ErrVersion says that a snapshot was made by another version.
var ErrVersion = errors.New("live snapshot of another version")

// snapshot is a view in writing. Its lists are ordered, so that the same state
// gives the same bytes.
type snapshot struct {
	Version   int
	Positions map[string]uint64
	Calls     []*call
	Holds     []*hold
	Over      []events.CallID
	Closed    []events.CallID
	Nodes     []nodeSnapshot
	Minutes   []minute
	Days      map[int64]map[string]Money
	Dropped   uint64
}

type nodeSnapshot struct {
	Name   string
	LastUS int64
	Calls  uint32
	Silent []events.CallID
}

// Snapshot returns the view in writing: the same bytes for the same events in
// the same order.
func (v *View) Snapshot() ([]byte, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := snapshot{
		Version: snapshotVersion, Positions: v.positions, Dropped: v.dropped,
		Over: v.over.oldestFirst(), Closed: v.closed.oldestFirst(),
		Minutes: v.window.minutes[:], Days: v.money.days,
	}
	for _, id := range slices.SortedFunc(maps.Keys(v.calls), compareIDs) {
		s.Calls = append(s.Calls, v.calls[id])
	}
	for _, id := range slices.SortedFunc(maps.Keys(v.holds), compareIDs) {
		s.Holds = append(s.Holds, v.holds[id])
	}
	for _, name := range sortedKeys(v.nodes) {
		n := v.nodes[name]
		s.Nodes = append(s.Nodes, nodeSnapshot{name, n.lastUS, n.calls,
			slices.SortedFunc(maps.Keys(n.silent), compareIDs)})
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write live snapshot: %w", err)
	}
	return text, nil
}

// Restore puts a snapshot in the place of all that the view knows. When it
// returns an error nothing has changed.
func (v *View) Restore(text []byte) error {
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read live snapshot: %w", err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("%w: %d, this program has %d", ErrVersion, s.Version, snapshotVersion)
	}
	if len(s.Minutes) != windowMinutes || len(s.Over) > maxClosed || len(s.Closed) > maxClosed {
		return errors.New("read live snapshot: its lists have the wrong length")
	}
	from := New()
	maps.Copy(from.positions, s.Positions)
	copy(from.window.minutes[:], s.Minutes)
	maps.Copy(from.money.days, s.Days)
	from.dropped = s.Dropped
	for _, h := range s.Holds {
		from.holds[h.ID] = h
	}
	for _, c := range s.Calls {
		from.calls[c.ID] = c
		from.tally(c, 1)
	}
	for _, id := range s.Over {
		from.over.add(id, nil)
	}
	for _, id := range s.Closed {
		from.closed.add(id, nil)
	}
	for _, n := range s.Nodes {
		restored := &node{lastUS: n.LastUS, calls: n.Calls, silent: make(map[events.CallID]struct{})}
		for _, id := range n.Silent {
			restored.silent[id] = struct{}{}
		}
		from.nodes[n.Name] = restored
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.positions, v.calls, v.holds, v.over, v.closed = from.positions, from.calls, from.holds, from.over, from.closed
	v.nodes, v.counts, v.window, v.money, v.dropped = from.nodes, from.counts, from.window, from.money, from.dropped
	return nil
}

func compareIDs(a, b events.CallID) int { return bytes.Compare(a[:], b[:]) }
