package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
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

// followAll feeds the views with the book, and with what this node and all others
// observe: the follower, the tables and the live calls from memory on, the history
// from where it last stood.
func (n *Node) followAll(ctx context.Context) error {
	blocks := make(chan recordedBlock, 256)
	n.task("history", func(ctx context.Context) error { return n.writeHistory(ctx, blocks) })
	if err := n.followFeeds(ctx, blocks, newFeed(n.bookStore, book.Journal)); err != nil {
		return err
	}
	known := map[string]bool{}
	own := []string{callsJournal(n.settings.Node), auditJournal(n.settings.Node)}
	if err := n.followLogs(ctx, blocks, known, own); err != nil {
		return err
	}
	var there []string
	err := n.patient(ctx, func() (err error) {
		there, err = n.logStore.Subjects(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if err := n.followLogs(ctx, blocks, known, there); err != nil {
		return err
	}
	if n.server.Clustered() {
		n.task("logs of other nodes", func(ctx context.Context) error { return n.followNewLogs(ctx, blocks, known) })
	}
	return nil
}

// newLogsEvery is how often a node looks for logs of nodes that joined.
const newLogsEvery = 2 * time.Second

func (n *Node) followNewLogs(ctx context.Context, blocks chan<- recordedBlock, known map[string]bool) error {
	tick := time.NewTicker(newLogsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		there, err := n.logStore.Subjects(ctx)
		if err != nil {
			continue // the store does not answer now: asked again
		}
		if err := n.followLogs(ctx, blocks, known, there); err != nil && journal.Lasting(err) {
			return err
		}
	}
}

// followLogs follows those of the logs that are not followed yet: calls into all
// views, the others into the history alone.
func (n *Node) followLogs(ctx context.Context, blocks chan<- recordedBlock, known map[string]bool, names []string) error {
	for _, name := range names {
		if known[name] {
			continue
		}
		var err error
		if strings.HasPrefix(name, callsJournal("")) {
			err = n.followFeeds(ctx, blocks, newFeed(n.logStore, name))
		} else {
			err = n.followToHistory(blocks, name)
		}
		if err != nil {
			return err
		}
		known[name] = true
	}
	return nil
}

// followFeeds follows a journal into the views in memory, and has the history
// written from the same blocks.
func (n *Node) followFeeds(ctx context.Context, blocks chan<- recordedBlock, f *feed) error {
	if err := n.followLive(ctx, f); err != nil {
		return err
	}
	from, err := n.checkpoint(f.name)
	if err != nil {
		return err
	}
	n.task("read "+f.name+" for the history", func(ctx context.Context) error { return f.read(ctx, from, into(ctx, blocks)) })
	return nil
}

func (n *Node) followToHistory(blocks chan<- recordedBlock, name string) error {
	from, err := n.checkpoint(name)
	if err != nil {
		return err
	}
	n.task("follow "+name, func(ctx context.Context) error {
		give := into(ctx, blocks)
		_, err := journal.Follow(ctx, n.logStore, name, from, func(b journal.Block) error { return decoded(b, give) })
		return err
	})
	return nil
}

// into hands blocks to the history's writer.
func into(ctx context.Context, blocks chan<- recordedBlock) func(recordedBlock) error {
	return func(b recordedBlock) error {
		select {
		case blocks <- b:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// followLive reads a journal from where the views stand to its end, so that what follows sees all that happened
// before the start, and then goes on reading and hands the blocks on.
func (n *Node) followLive(ctx context.Context, f *feed) error {
	var end journal.Cursor
	err := n.patient(ctx, func() (err error) {
		n.viewing.mu.Lock()
		from := n.viewing.at[f.name]
		n.viewing.mu.Unlock()
		end, err = journal.Read(ctx, f.store, f.name, from, func(b journal.Block) error {
			_, err := n.liveBlock(b)
			return err
		})
		return err
	})
	if err != nil {
		return err
	}
	n.task("follow "+f.name, func(ctx context.Context) error {
		_, err := journal.Follow(ctx, f.store, f.name, end, func(b journal.Block) error {
			r, err := n.liveBlock(b)
			if err == nil {
				f.offer(r)
			}
			return err
		})
		return err
	})
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
	n.viewing.mu.Lock()
	defer n.viewing.mu.Unlock()
	n.live.Apply(r.records...)
	n.quality.Apply(r.records...)
	n.guard.Apply(r.records...)
	n.viewing.at[b.Journal] = b.Cursor()
	n.eraseCopies(r.records)
	n.letGo(evs)
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
