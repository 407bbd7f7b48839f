package book

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// Follower is a node's own fold of the committed book, for reading. It moves
// block by block, so no reader sees half of a change set.
type Follower struct {
	mu     sync.RWMutex
	state  *state.State
	cursor journal.Cursor
	moved  chan struct{} // closed and replaced at each block
	marks  Marks
}

// NewFollower reads on from a state that is folded to a cursor.
func NewFollower(st *state.State, at journal.Cursor) *Follower {
	return &Follower{state: st, cursor: at, moved: make(chan struct{})}
}

// evolve brings a block's events into a state.
func evolve(st *state.State, b journal.Block, evs []*wire.Event) error {
	for _, e := range evs {
		if err := st.Evolve(b.Time.UnixMicro(), e); err != nil {
			return err
		}
	}
	return nil
}

// Apply folds a block and gives its events. A block that was folded before is
// only read.
func (f *Follower) Apply(b journal.Block) ([]*wire.Event, error) {
	evs, err := b.Decode()
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if b.Number <= f.cursor.Number {
		return evs, nil
	}
	if b.Number != f.cursor.Number+1 {
		return nil, fmt.Errorf("the follower of the book is at block %d and was given block %d", f.cursor.Number, b.Number)
	}
	if f.cursor.Number > 0 && b.Time.Unix() != events.Instant(f.cursor.Time).Unix() {
		f.marks.add(Mark{Position: events.Position(f.cursor.Position), Hash: f.state.Hash().String(), TimeUS: f.cursor.Time})
	}
	if err := evolve(f.state, b, evs); err != nil {
		return nil, err
	}
	f.cursor = b.Cursor()
	close(f.moved)
	f.moved = make(chan struct{})
	return evs, nil
}

// Marks are the hashes of the state at positions that all nodes mark.
func (f *Follower) Marks() *Marks { return &f.marks }

// View lets fn read the state. fn must not keep it, nor take long.
func (f *Follower) View(fn func(*state.State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	fn(f.state)
}

// Catalog is the catalog at the follower's position; it never changes.
func (f *Follower) Catalog() *catalog.State {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.state.Catalog
}

// Position is how far the follower has read, and when that block was cut.
func (f *Follower) Position() (events.Position, time.Time) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return events.Position(f.cursor.Position), events.Instant(f.cursor.Time)
}

// Wait returns when the follower has read up to a position.
func (f *Follower) Wait(ctx context.Context, pos events.Position) error {
	for {
		f.mu.RLock()
		at, moved := events.Position(f.cursor.Position), f.moved
		f.mu.RUnlock()
		if at >= pos {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return events.Refuse(events.CodeUnavailable, "this node has read to position %d, not yet to %d", at, pos)
		}
	}
}

// Snapshot writes the state, and says how far it goes.
func (f *Follower) Snapshot() ([]byte, journal.Cursor, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	b, err := f.state.Snapshot()
	return b, f.cursor, err
}

// Fork copies the state for somebody who will change it, and says how far it goes.
func (f *Follower) Fork() (*state.State, journal.Cursor, error) {
	f.mu.RLock()
	payload, err := f.state.Snapshot()
	at, hash := f.cursor, f.state.Hash()
	f.mu.RUnlock()
	if err != nil {
		return nil, at, fmt.Errorf("copy the book's state: %w", err)
	}
	st, err := state.Restore(payload)
	if err != nil {
		return nil, at, fmt.Errorf("copy the book's state: %w", err)
	}
	if st.Hash() != hash {
		return nil, at, fmt.Errorf("the book's state and its copy differ at position %d: this is a fault of the program", at.Position)
	}
	return st, at, nil
}
