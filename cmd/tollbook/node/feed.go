package node

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
)

// recordedBlock is a block with its events, which nobody may change.
type recordedBlock struct {
	journal.Block
	records []events.Recorded
}

// decoded gives a block with its events.
func decoded(b journal.Block, give func(recordedBlock) error) error {
	evs, err := b.Decode()
	if err != nil {
		return err
	}
	return give(recordedBlock{b, b.Recorded(evs)})
}

// feedLength is how many blocks wait for a slow reader before he must read them
// from the stream.
const feedLength = 256

// feed hands the blocks of one journal, read and decoded once, from the follower
// that keeps the views in memory to a reader who may be slower and must not hold
// it up. What he misses he reads from the stream.
type feed struct {
	store  journal.Store
	name   string
	blocks chan recordedBlock
	missed chan struct{}
}

func newFeed(store journal.Store, name string) *feed {
	return &feed{store: store, name: name, blocks: make(chan recordedBlock, feedLength), missed: make(chan struct{}, 1)}
}

// offer never waits.
func (f *feed) offer(b recordedBlock) {
	select {
	case f.blocks <- b:
	default:
		select {
		case f.missed <- struct{}{}:
		default: // he knows already
		}
	}
}

// read gives every block behind a place in order, until ctx ends.
func (f *feed) read(ctx context.Context, from journal.Cursor, give func(recordedBlock) error) error {
	for {
		var err error
		if from, err = f.stored(ctx, from, give); err != nil {
			return err
		}
		for behind := false; !behind; {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-f.missed:
				behind = true
			case b := <-f.blocks:
				switch next := from.Number + 1; {
				case b.Number < next: // read already
				case b.Number > next:
					behind = true
				default:
					if err := give(b); err != nil {
						return err
					}
					from = b.Cursor()
				}
			}
		}
	}
}

// stored reads to the stream's end. A store that does not answer is asked again.
func (f *feed) stored(ctx context.Context, from journal.Cursor, give func(recordedBlock) error) (journal.Cursor, error) {
	for {
		var refused error
		var err error
		from, err = journal.Read(ctx, f.store, f.name, from, func(b journal.Block) error {
			refused = decoded(b, give)
			return refused
		})
		if err == nil || refused != nil || ctx.Err() != nil || journal.Lasting(err) {
			return from, err
		}
		select {
		case <-ctx.Done():
			return from, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}
