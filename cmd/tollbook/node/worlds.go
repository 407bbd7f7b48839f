package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/projections/lookup"
)

const (
	// worldsWithin bounds a fold of the book's beginning, worldsKept the worlds kept.
	worldsWithin = 20 * time.Second
	worldsKept   = 8
)

// earlier keeps the worlds of earlier positions that were asked for last.
type earlier struct {
	mu     sync.Mutex // one fold at a time
	worlds []earlierWorld
}

type earlierWorld struct {
	position events.Position
	asked    time.Time
	at       time.Time
	world    *routing.World
}

var errReached = errors.New("the place is reached")

// WorldAt is the world as of a position of the book, or else as of an instant;
// both zero is now.
func (n *Node) WorldAt(ctx context.Context, position events.Position, at time.Time) (*routing.World, time.Time, error) {
	if position == 0 && at.IsZero() {
		return n.tables.World(), time.Now(), nil
	}
	n.earlier.mu.Lock()
	defer n.earlier.mu.Unlock()
	for _, w := range n.earlier.worlds {
		if w.position == position && w.asked.Equal(at) {
			return w.world, w.at, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, worldsWithin)
	defer cancel()
	cat, when, err := n.catalogAt(ctx, position, at)
	if err != nil {
		return nil, when, err
	}
	tables := lookup.New(n.blobs, n.log)
	defer tables.Close()
	if err := tables.Follow(ctx, cat, when); err != nil {
		return nil, when, err
	}
	if len(n.earlier.worlds) >= worldsKept {
		n.earlier.worlds = n.earlier.worlds[1:]
	}
	n.earlier.worlds = append(n.earlier.worlds, earlierWorld{position, at, when, tables.World()})
	return tables.World(), when, nil
}

// catalogAt folds the book from its beginning to a position, or up to the last
// block before an instant. The instant of the answer is the one asked for, or else
// the position's block's.
func (n *Node) catalogAt(ctx context.Context, position events.Position, at time.Time) (*catalog.State, time.Time, error) {
	cat, when := catalog.New(), at
	reached := false
	_, err := journal.Read(ctx, n.bookStore, book.Journal, journal.Cursor{}, func(b journal.Block) error {
		if position == 0 && b.Time.After(at) {
			reached = true
			return errReached
		}
		evs, err := b.Decode()
		if err != nil {
			return err
		}
		for i, e := range evs {
			pos := events.Position(b.First) + events.Position(i)
			if position != 0 && pos > position {
				break
			}
			cat = cat.Evolve(pos, e)
		}
		if position != 0 && events.Position(b.First)+events.Position(len(evs)) > position {
			reached = true
			if at.IsZero() {
				when = b.Time
			}
			return errReached
		}
		return nil
	})
	if err != nil && !reached {
		return nil, when, err
	}
	if position != 0 && !reached {
		return nil, when, events.NotFound("the book has not come to position %d", position)
	}
	return cat, when, nil
}

// Quality tells how calls by a terminator to a prefix went before an instant.
func (n *Node) Quality(terminator, prefix string, windowS uint32, nowUS int64) routing.Quality {
	return n.quality.Of(terminator, prefix, windowS, nowUS)
}
