package quality

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
)

// snapshotVersion is that of the fold and of the snapshot's form.
const snapshotVersion = 1

// ErrVersion says that a snapshot was made by another version.
var ErrVersion = errors.New("quality snapshot of another version")

// snapshot is a view in writing. Its lists are ordered, so that the same state
// gives the same bytes.
type snapshot struct {
	Version  int
	Sums     []sumSnapshot
	Open     []openSnapshot
	ForgotUS int64
}

// sumSnapshot is a pair's slots, those that were ever used: seven numbers each.
type sumSnapshot struct {
	Key
	Minutes, Fives, Hours [][7]uint64
}

type openSnapshot struct {
	Call            events.CallID
	Leg             uint32
	Key             Key
	StartUS, RingUS int64
	Answered        bool
}

// Snapshot returns the view in writing: the same bytes for the same state.
func (v *View) Snapshot() ([]byte, error) {
	text, err := json.Marshal(v.copy())
	if err != nil {
		return nil, fmt.Errorf("write quality snapshot: %w", err)
	}
	return text, nil
}

func (v *View) copy() snapshot {
	v.mu.RLock()
	defer v.mu.RUnlock()
	s := snapshot{Version: snapshotVersion, ForgotUS: v.forgotUS}
	for k, h := range v.sums {
		s.Sums = append(s.Sums, sumSnapshot{k, written(h.minutes[:]), written(h.fives[:]), written(h.hours[:])})
	}
	slices.SortFunc(s.Sums, func(a, b sumSnapshot) int {
		return cmp.Or(cmp.Compare(a.Terminator, b.Terminator), cmp.Compare(a.Prefix, b.Prefix))
	})
	for l, a := range v.open {
		s.Open = append(s.Open, openSnapshot{l.call, l.number, a.key, a.startUS, a.ringUS, a.answered})
	}
	slices.SortFunc(s.Open, func(a, b openSnapshot) int {
		return cmp.Or(bytes.Compare(a.Call[:], b.Call[:]), cmp.Compare(a.Leg, b.Leg))
	})
	return s
}

func written(ring []slot) (out [][7]uint64) {
	for _, s := range ring {
		if s.at != 0 {
			out = append(out, [7]uint64{uint64(s.at), uint64(s.attempts), uint64(s.answered), uint64(s.effective), uint64(s.rang), s.talkMS, s.pddMS})
		}
	}
	return out
}

func read(ring []slot, from [][7]uint64) {
	for _, n := range from {
		ring[int(n[0]%uint64(len(ring)))] = slot{
			at: int64(n[0]), attempts: uint32(n[1]), answered: uint32(n[2]), effective: uint32(n[3]), rang: uint32(n[4]), talkMS: n[5], pddMS: n[6],
		}
	}
}

// Restore puts a snapshot in the place of all that the view knows. When it
// returns an error nothing has changed.
func (v *View) Restore(text []byte) error {
	var s snapshot
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read quality snapshot: %w", err)
	}
	if s.Version != snapshotVersion {
		return fmt.Errorf("%w: %d, this program has %d", ErrVersion, s.Version, snapshotVersion)
	}
	from := New()
	for _, sum := range s.Sums {
		h := &history{}
		read(h.minutes[:], sum.Minutes)
		read(h.fives[:], sum.Fives)
		read(h.hours[:], sum.Hours)
		from.sums[sum.Key] = h
	}
	for _, a := range s.Open {
		from.open[leg{a.Call, a.Leg}] = &attempt{a.Key, a.StartUS, a.RingUS, a.Answered}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sums, v.open, v.forgotUS = from.sums, from.open, s.ForgotUS
	return nil
}
