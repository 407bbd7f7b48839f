// Package state is the whole state of the book: the ledger and the catalog, with
// the rules that need both. Decide says yes or no to a command, Evolve folds what
// was decided; neither knows a clock, a file or another goroutine.
package state

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
)

// FoldVersion is the version of the rules in Evolve. It rises when the same
// events would fold to another state.
const FoldVersion = 1

// State is the book at one position. It belongs to one goroutine at a time; its
// Catalog may be handed to any.
type State struct {
	Ledger   *ledger.State
	Catalog  *catalog.State
	Position events.Position
	// TimeUS is the time of the last block folded.
	TimeUS int64
	// Rescues are the times that the book went on from one survivor's store, the oldest
	// first.
	Rescues []*wire.RescueRecorded
	// Keeper is the term that the last events belong to.
	Keeper *wire.KeeperOpened
}

// New is the book before its first event.
func New() *State {
	return &State{Ledger: ledger.New(), Catalog: catalog.New(), Keeper: &wire.KeeperOpened{}}
}

// Evolve folds the event at the next position, recorded in a block of the given time.
func (s *State) Evolve(timeUS int64, e *wire.Event) error {
	pos := s.Position + 1
	if k := e.GetKeeperOpened(); k != nil {
		if k.FoldVersion > FoldVersion {
			return fmt.Errorf("position %d was written by fold version %d, this program knows %d: upgrade it", pos, k.FoldVersion, FoldVersion)
		}
		s.Keeper = k
	}
	if err := s.Ledger.Evolve(pos, timeUS, e); err != nil {
		return fmt.Errorf("fold position %d: %w", pos, err)
	}
	s.Catalog = s.Catalog.Evolve(pos, e)
	if r := e.GetStoreRescued(); r != nil {
		s.Rescues = append(s.Rescues[:len(s.Rescues):len(s.Rescues)], &wire.RescueRecorded{Position: uint64(pos), TimeUs: timeUS, Rescued: r})
	}
	s.Position, s.TimeUS = pos, timeUS
	return nil
}

// Hash is the hash of the whole state, the same on every node at a position.
func (s *State) Hash() events.Sum {
	sum := s.Ledger.Sum()
	sum.Merge(s.Catalog.Sum())
	s.addRescues(&sum)
	return sum
}

// Rehash computes the hash anew from everything in the state.
func (s *State) Rehash() events.Sum {
	sum := s.Ledger.Resum()
	sum.Merge(s.Catalog.Resum())
	s.addRescues(&sum)
	return sum
}

// Snapshot writes the state in bytes that Restore reads.
func (s *State) Snapshot() ([]byte, error) {
	snap := &wire.BookSnapshot{Position: uint64(s.Position), TimeUs: s.TimeUS, Keeper: s.Keeper, Rescues: s.Rescues}
	s.Ledger.Save(snap)
	s.Catalog.Save(snap)
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("write snapshot of the book: %w", err)
	}
	return b, nil
}

// Restore reads a state out of a snapshot's bytes.
func Restore(b []byte) (*State, error) {
	snap := new(wire.BookSnapshot)
	if err := proto.Unmarshal(b, snap); err != nil {
		return nil, fmt.Errorf("read snapshot of the book: %w", err)
	}
	l, err := ledger.Load(snap)
	if err != nil {
		return nil, fmt.Errorf("read snapshot of the book: %w", err)
	}
	s := &State{
		Ledger: l, Catalog: catalog.Load(snap),
		Position: events.Position(snap.Position), TimeUS: snap.TimeUs, Keeper: snap.Keeper, Rescues: snap.Rescues,
	}
	if s.Keeper == nil {
		s.Keeper = &wire.KeeperOpened{}
	}
	return s, nil
}
