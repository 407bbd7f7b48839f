// Package lookup keeps the tables that the call path reads: one immutable World
// behind an atomic pointer. Following the catalog, it makes another World on each
// edit, and when a deck's version takes effect.
package lookup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	retryAfter    = time.Second
	compileWithin = 30 * time.Second
)

// Blobs gives the bytes behind a SHA-256.
type Blobs interface {
	Get(ctx context.Context, digest []byte) ([]byte, error)
}

// Tables holds the World in force. Its methods may be called from any goroutine.
type Tables struct {
	blobs Blobs
	log   *slog.Logger
	world atomic.Pointer[routing.World]
	zones Zones

	mu     sync.Mutex
	cat    *catalog.State
	tables map[string]*rating.Table // compiled versions by their id
	timer  *time.Timer
	closed bool
}

// New starts with an empty World.
func New(blobs Blobs, log *slog.Logger) *Tables {
	t := &Tables{blobs: blobs, log: log, tables: map[string]*rating.Table{}}
	t.world.Store(routing.Compile(catalog.New(), nil))
	return t
}

// World is the one in force.
func (t *Tables) World() *routing.World { return t.world.Load() }

// Follow makes the World of a catalog as it is at an instant. It returns when
// the World is in force. The error names decks whose rows cannot be had: they have
// no prices until they can, which is tried every second.
func (t *Tables) Follow(ctx context.Context, c *catalog.State, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.cat = c
	return t.try(ctx, now)
}

// try compiles, and sees to it that a failure is tried again. The lock is held.
func (t *Tables) try(ctx context.Context, now time.Time) error {
	err := t.compile(ctx, now)
	if err != nil {
		t.wake(retryAfter)
	}
	return err
}

// wake compiles again after a while.
func (t *Tables) wake(after time.Duration) {
	if t.timer != nil {
		t.timer.Stop()
	}
	t.timer = time.AfterFunc(after, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.closed {
			return
		}
		// The block times that judge versions are never behind this clock by more
		// than a block, so a version that was waited for is in force now.
		ctx, cancel := context.WithTimeout(context.Background(), compileWithin)
		defer cancel()
		if err := t.try(ctx, time.Now()); err != nil {
			t.log.Error("some decks have no prices yet", "err", err)
		}
	})
}

// compile is called with the lock held. A deck whose rows cannot be had has no
// prices in the new World; everything else is as the catalog says, and the error
// says what is missing.
func (t *Tables) compile(ctx context.Context, now time.Time) error {
	decks := map[string]*rating.Table{}
	kept := map[string]*rating.Table{}
	var missing []error
	for _, it := range t.cat.List(catalog.KindDeck) {
		d := it.Entity.GetDeck()
		v := t.cat.VersionAt(d.Id, now.UnixMicro())
		if v == nil {
			continue
		}
		table, err := t.table(ctx, d, v)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		if m := MomentOf(&t.zones, t.cat, d, v, now); len(m.Origins)+len(m.Shifts)+len(m.Exchange) > 0 {
			table = table.With(m)
		}
		decks[d.Id], kept[v.Id] = table, table
	}
	t.tables = kept
	t.world.Store(routing.Compile(t.cat, decks))
	switch next := nextChange(t.cat, now); {
	case next != 0:
		t.wake(time.UnixMicro(next).Sub(now))
	case t.timer != nil:
		t.timer.Stop()
	}
	return errors.Join(missing...)
}

// table compiles a version, or finds it compiled.
func (t *Tables) table(ctx context.Context, d *wire.Deck, v *wire.DeckVersion) (*rating.Table, error) {
	if old, ok := t.tables[v.Id]; ok {
		if old.Deck() == d {
			return old, nil
		}
		return rating.NewTable(d, v, old.Rows()), nil // the deck's tax or rounding was edited
	}
	data, err := t.blobs.Get(ctx, v.Digest)
	if err != nil {
		return nil, fmt.Errorf("get the rows of deck version %s: %w", v.Id, err)
	}
	if sha256.Sum256(data) != [32]byte(v.Digest) {
		return nil, fmt.Errorf("the rows of deck version %s do not have its digest %x", v.Id, v.Digest)
	}
	rows, err := rating.ParseCSV(data)
	if err != nil {
		return nil, fmt.Errorf("read the rows of deck version %s: %w", v.Id, err)
	}
	return rating.NewTable(d, v, rows), nil
}

// Close stops waiting for versions to take effect.
func (t *Tables) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
