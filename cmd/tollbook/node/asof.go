package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

const (
	// pastStates is how many states of the past are kept in memory.
	pastStates = 4
	// pastFold bounds the fold to a place in the past.
	pastFold = 20 * time.Second
)

// past keeps states of the past that somebody asked for, the newest asked last.
// One fold runs at a time: it reads much, and calls come first.
type past struct {
	mu   sync.Mutex
	kept []pastState
}

// pastState is a state and the place behind its last block; whole says that the
// state ends there, so that a fold can go on from it.
type pastState struct {
	st    *state.State
	at    journal.Cursor
	whole bool
}

// PositionAt is the last position of the book that was recorded at or before an
// instant.
func (n *Node) PositionAt(ctx context.Context, at time.Time) (events.Position, error) {
	b, err := journal.BlockAt(ctx, n.bookStore, book.Journal, func(b journal.Block) bool { return b.Time.After(at) })
	if errors.Is(err, journal.ErrNoMessage) {
		end, _ := n.follower.Position()
		return end, nil
	}
	if err != nil {
		return 0, err
	}
	return events.Position(b.First - 1), nil
}

// StateAt is the book's state as it was at a position, folded from its events
// anew. It is not to be changed.
func (n *Node) StateAt(ctx context.Context, position events.Position) (*state.State, error) {
	ctx, cancel := context.WithTimeout(ctx, pastFold)
	defer cancel()
	n.past.mu.Lock()
	defer n.past.mu.Unlock()
	from := pastState{st: state.New(), whole: true}
	for _, k := range n.past.kept {
		if k.st.Position == position {
			return k.st, nil
		}
		if k.whole && k.st.Position < position && k.st.Position > from.st.Position {
			from = k
		}
	}
	next, err := n.foldTo(ctx, from, position)
	if err != nil {
		if ctx.Err() != nil {
			err = events.Refuse(events.CodeUnavailable, "position %d is too far from what this node keeps to fold it in %v", position, pastFold)
		}
		return nil, err
	}
	n.past.kept = append(n.past.kept, next)
	if len(n.past.kept) > pastStates {
		n.past.kept = n.past.kept[1:]
	}
	return next.st, nil
}

// foldTo folds a copy of a state on to a position.
func (n *Node) foldTo(ctx context.Context, from pastState, position events.Position) (pastState, error) {
	data, err := from.st.Snapshot()
	if err != nil {
		return from, err
	}
	next := pastState{whole: true}
	if next.st, err = state.Restore(data); err != nil {
		return from, err
	}
	enough := errors.New("enough")
	next.at, err = journal.Read(ctx, n.bookStore, book.Journal, from.at, func(b journal.Block) error {
		if next.st.Position >= position {
			return enough
		}
		evs, err := b.Decode()
		if err != nil {
			return err
		}
		for _, e := range evs {
			if next.st.Position == position {
				next.whole = false
				return enough
			}
			if err := next.st.Evolve(b.Time.UnixMicro(), e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return from, err
	}
	if next.st.Position != position {
		return from, events.NotFound("the book ends with position %d", next.st.Position)
	}
	return next, nil
}

// Proof is the file that proves an event of the book, nil for no such event. What
// is not signed yet is signed now.
func (n *Node) Proof(ctx context.Context, position events.Position) ([]byte, error) {
	p, err := n.prove(ctx, position)
	if errors.Is(err, journal.ErrNotSigned) {
		if err := n.heads.Sign(); err != nil {
			return nil, err
		}
		p, err = n.prove(ctx, position)
	}
	if errors.Is(err, journal.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return p.Bytes()
}

func (n *Node) prove(ctx context.Context, position events.Position) (*journal.Proof, error) {
	set, err := n.heads.Set()
	if err != nil {
		return nil, err
	}
	return journal.Prove(ctx, n.bookStore, set, book.Journal, uint64(position))
}
