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
	calls := callsJournal(n.settings.Node)
	live := []*feed{newFeed(n.bookStore, book.Journal), newFeed(n.logStore, calls)}
	if err := n.followLive(ctx, live); err != nil {
		return err
	}
	blocks := make(chan recordedBlock, 256)
	toHistory := func(ctx context.Context) func(recordedBlock) error {
		return func(b recordedBlock) error {
			select {
			case blocks <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	for _, f := range live {
		from, err := n.checkpoint(f.name)
		if err != nil {
			return err
		}
		n.task("read "+f.name+" for the history", func(ctx context.Context) error { return f.read(ctx, from, toHistory(ctx)) })
	}
	audit := auditJournal(n.settings.Node)
	from, err := n.checkpoint(audit)
	if err != nil {
		return err
	}
	n.task("follow "+audit, func(ctx context.Context) error {
		give := toHistory(ctx)
		_, err := journal.Follow(ctx, n.logStore, audit, from, func(b journal.Block) error { return decoded(b, give) })
		return err
	})
	n.task("history", func(ctx context.Context) error { return n.writeHistory(ctx, blocks) })
	return nil
}

// followLive reads journals to their ends, so that what follows sees all that
// happened before the start, and then goes on reading and hands the blocks on.
func (n *Node) followLive(ctx context.Context, feeds []*feed) error {
	ends := make([]journal.Cursor, len(feeds))
	for i, f := range feeds {
		var err error
		ends[i], err = journal.Read(ctx, f.store, f.name, journal.Cursor{}, func(b journal.Block) error {
			_, err := n.liveBlock(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, f := range feeds {
		n.task("follow "+f.name, func(ctx context.Context) error {
			_, err := journal.Follow(ctx, f.store, f.name, ends[i], func(b journal.Block) error {
				r, err := n.liveBlock(b)
				if err == nil {
					f.offer(r)
				}
				return err
			})
			return err
		})
	}
	return nil
}

// liveBlock brings one block into the views in memory.
func (n *Node) liveBlock(b journal.Block) (recordedBlock, error) {
	var evs []*wire.Event
	var err error
	if b.Journal == book.Journal {
		evs, err = n.followBook(b)
	} else {
		evs, err = b.Decode()
	}
	if err != nil {
		return recordedBlock{}, err
	}
	n.tellAlerts(b.Time, evs)
	r := recordedBlock{b, b.Recorded(evs)}
	n.live.Apply(r.records...)
	n.quality.Apply(r.records...)
	n.guard.Apply(r.records...)
	return r, nil
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
