package node

import (
	"context"
	"errors"
	"sync"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
)

// maxTold is of how many places in the book the block is remembered.
const maxTold = 1000

// told remembers which block ends at a position, where somebody read to: those who
// listen go on from there without a search.
type told struct {
	mu sync.Mutex
	at map[uint64]journal.Cursor
}

func (t *told) behind(position uint64) (journal.Cursor, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.at[position]
	return c, ok || position == 0
}

func (t *told) remember(c journal.Cursor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.at) >= maxTold || t.at == nil {
		t.at = map[uint64]journal.Cursor{}
	}
	t.at[c.Position] = c
}

// errEnough ends the reading of a journal.
var errEnough = errors.New("enough")

// Told are the book's events behind a position, as far as this node's store has them.
func (n *Node) Told(ctx context.Context, after events.Position, most int) ([]events.Recorded, error) {
	var out []events.Recorded
	take := func(b journal.Block) error {
		if len(out) >= most {
			return errEnough
		}
		evs, err := b.Decode()
		if err != nil {
			return err
		}
		for _, rec := range b.Recorded(evs) {
			if rec.Position > uint64(after) && len(out) < most {
				out = append(out, rec)
			}
		}
		if len(out) > 0 && out[len(out)-1].Position == b.Cursor().Position {
			n.told.remember(b.Cursor())
		}
		return nil
	}
	from, known := n.told.behind(uint64(after))
	if !known {
		b, err := journal.BlockAt(ctx, n.bookStore, book.Journal, func(b journal.Block) bool { return b.Cursor().Position > uint64(after) })
		if errors.Is(err, journal.ErrNoMessage) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if err := take(b); err != nil {
			return nil, err
		}
		from = b.Cursor()
	}
	if _, err := journal.Read(ctx, n.bookStore, book.Journal, from, take); err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return out, nil
}
