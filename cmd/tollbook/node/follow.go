package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// batchEvents and batchWait bound what the history applies at once.
	batchEvents = 1000
	batchWait   = 100 * time.Millisecond
	// busyEvents in that time are load: then a batch waits for busyWait more. Each
	// batch writes every call in it anew, so short calls are written less often.
	busyEvents = 100
	busyWait   = 300 * time.Millisecond
)

// followAll feeds the views: the follower, the tables and the live calls from
// memory on, the history from where it last stood.
func (n *Node) followAll(ctx context.Context) error {
	if err := n.followLive(ctx); err != nil {
		return err
	}
	blocks := make(chan recordedBlock, 256)
	for _, f := range []struct {
		store *journal.Stream
		name  string
	}{
		{n.bookStore, book.Journal},
		{n.logStore, callsJournal(n.settings.Node)},
		{n.logStore, auditJournal(n.settings.Node)},
	} {
		from, err := n.checkpoint(f.name)
		if err != nil {
			return err
		}
		n.task("follow "+f.name+" for the history", func(ctx context.Context) error {
			_, err := journal.Follow(ctx, f.store, f.name, from, func(b journal.Block) error {
				evs, err := b.Decode()
				if err != nil {
					return err
				}
				select {
				case blocks <- recordedBlock{b, b.Recorded(evs)}:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			return err
		})
	}
	n.task("history", func(ctx context.Context) error { return n.writeHistory(ctx, blocks) })
	return nil
}

// recordedBlock is a block on its way into the history.
type recordedBlock struct {
	journal.Block
	records []events.Recorded
}

// followLive reads the journals to their ends, so that what follows sees all that
// happened before the start, and then goes on reading.
func (n *Node) followLive(ctx context.Context) error {
	fromBook, err := journal.Read(ctx, n.bookStore, book.Journal, journal.Cursor{}, n.liveBlock)
	if err != nil {
		return err
	}
	name := callsJournal(n.settings.Node)
	fromLog, err := journal.Read(ctx, n.logStore, name, journal.Cursor{}, n.liveBlock)
	if err != nil {
		return err
	}
	n.task("follow the book", func(ctx context.Context) error {
		_, err := journal.Follow(ctx, n.bookStore, book.Journal, fromBook, n.liveBlock)
		return err
	})
	n.task("follow "+name, func(ctx context.Context) error {
		_, err := journal.Follow(ctx, n.logStore, name, fromLog, n.liveBlock)
		return err
	})
	return nil
}

// liveBlock brings one block into the views in memory.
func (n *Node) liveBlock(b journal.Block) error {
	var evs []*wire.Event
	var err error
	if b.Journal == book.Journal {
		if evs, err = n.followBook(b); err != nil {
			return err
		}
	} else if evs, err = b.Decode(); err != nil {
		return err
	}
	n.tellAlerts(b.Time, evs)
	records := b.Recorded(evs)
	n.live.Apply(records...)
	n.quality.Apply(records...)
	return nil
}

// followBook folds a block and compiles the tables anew when that changed the
// catalog.
func (n *Node) followBook(b journal.Block) ([]*wire.Event, error) {
	before := n.follower.Catalog()
	evs, err := n.follower.Apply(b)
	if err != nil {
		return nil, err
	}
	if after := n.follower.Catalog(); after != before {
		if err := n.tables.Follow(n.ctx, after, time.Now()); err != nil {
			n.log.Error("some decks have no prices yet", "err", err)
		}
	}
	return evs, nil
}

// checkpoint is where the history stands in a journal.
func (n *Node) checkpoint(name string) (journal.Cursor, error) {
	var c journal.Cursor
	data, err := n.history.Checkpoint(name)
	if err != nil || data == nil {
		return c, err
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, fmt.Errorf("read the history's checkpoint in %s: %w", name, err)
	}
	return c, nil
}

// writeHistory applies blocks in batches. A batch that fails is tried again: the
// history may lag, it must not skip.
func (n *Node) writeHistory(ctx context.Context, blocks <-chan recordedBlock) error {
	for {
		var first recordedBlock
		select {
		case <-ctx.Done():
			return nil
		case first = <-blocks:
		}
		batch, checkpoints := gather(first, blocks)
		for {
			err := n.history.Apply(ctx, batch, checkpoints)
			if err == nil {
				n.historyMoved()
				break
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.log.Error("the history was not written; trying again", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}
}

// gather takes what is there, and what comes within a moment.
func gather(first recordedBlock, blocks <-chan recordedBlock) ([]events.Recorded, map[string][]byte) {
	var batch []events.Recorded
	checkpoints := map[string][]byte{}
	take := func(b recordedBlock) {
		batch = append(batch, b.records...)
		data, err := json.Marshal(b.Cursor())
		if err != nil {
			panic("node: a cursor cannot be written: " + err.Error())
		}
		checkpoints[b.Journal] = data
	}
	take(first)
	timer := time.NewTimer(batchWait)
	defer timer.Stop()
	for waited := false; len(batch) < batchEvents; {
		select {
		case b := <-blocks:
			take(b)
		case <-timer.C:
			if waited || len(batch) < busyEvents {
				return batch, checkpoints
			}
			waited = true
			timer.Reset(busyWait)
		}
	}
	return batch, checkpoints
}
