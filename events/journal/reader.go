package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pollEvery is how often a follower asks for the end without being told: the
// live feed may lose a message and nothing come after it.
const pollEvery = time.Second

// Read gives fn every block behind a cursor, in order and verified, to the
// journal's end, and returns the place it came to. A chain that is wrong is a
// *Broken; an error of fn ends the reading and is returned as it is. In both
// cases the cursor stands behind the last block that fn took.
func Read(ctx context.Context, store Store, journal string, from Cursor, fn func(Block) error) (Cursor, error) {
	at := from
	for {
		var err error
		if at, err = readBatches(ctx, store, journal, at, fn); err != nil {
			return at, err
		}
		// An empty batch is the end, or a block that cannot be read, or a
		// replica that lags: the leader knows.
		m, err := beyond(ctx, store, journal, at)
		if errors.Is(err, ErrNoMessage) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
		b, err := at.check(journal, m)
		if err != nil {
			return at, err
		}
		if err := fn(b); err != nil {
			return at, err
		}
		at = b.Cursor()
	}
}

// readBatches reads until an empty batch, one batch ahead.
func readBatches(ctx context.Context, store Store, journal string, at Cursor, fn func(Block) error) (Cursor, error) {
	ctx, cancel := context.WithCancel(ctx)
	batches := prefetch(ctx, store, journal, at.Sequence+1)
	defer func() {
		cancel()
		for range batches { // Until the goroutine has ended.
		}
	}()
	for batch := range batches {
		if batch.err != nil {
			return at, fmt.Errorf("read journal %s: %w", journal, batch.err)
		}
		for _, m := range batch.messages {
			b, err := at.check(journal, m)
			if err != nil {
				return at, err
			}
			if err := fn(b); err != nil {
				return at, err
			}
			at = b.Cursor()
		}
	}
	if err := ctx.Err(); err != nil {
		return at, fmt.Errorf("read journal %s: %w", journal, err)
	}
	return at, nil
}

// batch is one answer of the store.
type batch struct {
	messages []Message
	err      error
}

// prefetch reads ahead by one batch, until the end, an error, or ctx.
func prefetch(ctx context.Context, store Store, journal string, from uint64) <-chan batch {
	out := make(chan batch, 1)
	go func() {
		defer close(out)
		for {
			messages, err := store.Read(ctx, journal, from)
			if err == nil && len(messages) == 0 {
				return
			}
			select {
			case out <- batch{messages, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			from = messages[len(messages)-1].Sequence + 1
		}
	}()
	return out
}

// beyond is the block behind the cursor, ErrNoMessage at the journal's true
// end, or a *Broken when the stream has lost something.
func beyond(ctx context.Context, store Store, journal string, at Cursor) (Message, error) {
	last, err := store.Last(ctx, journal)
	switch {
	case errors.Is(err, ErrNoMessage) && at.Number == 0:
		return Message{}, err
	case errors.Is(err, ErrNoMessage):
		return Message{}, at.broken(journal, at.Sequence, "the stream holds nothing of it any more")
	case err != nil:
		return Message{}, fmt.Errorf("read journal %s: %w", journal, err)
	case last.Sequence == at.Sequence:
		return Message{}, ErrNoMessage
	case last.Sequence < at.Sequence:
		return Message{}, at.broken(journal, at.Sequence, "the stream ends before it, with sequence %d", last.Sequence)
	}
	m, err := store.Next(ctx, journal, at.Sequence+1)
	if errors.Is(err, ErrNoMessage) {
		return m, at.broken(journal, at.Sequence, "the stream cannot read the block, though it goes on to sequence %d", last.Sequence)
	}
	return m, err
}

// Follow gives fn every block behind a cursor, verified, first those that are
// there and then each as it is committed. It ends with the error of ctx, of fn,
// a *Broken, or ErrStoreClosed; a store that does not answer for a while is asked
// again. The place is returned as by Read; the error is never nil.
func Follow(ctx context.Context, store Store, journal string, from Cursor, fn func(Block) error) (Cursor, error) {
	live, err := store.Live(journal)
	if err != nil {
		return from, err
	}
	defer live.Stop()
	f := follower{store: store, journal: journal, fn: fn, at: from}
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	err = f.read(ctx)
	for {
		if f.final(ctx, err) {
			return f.at, err
		}
		select {
		case <-ctx.Done():
			return f.at, ctx.Err()
		case m := <-live.C:
			err = f.take(ctx, m)
		case <-poll.C:
			err = f.poll(ctx)
		}
	}
}

// follower is one Follow at work.
type follower struct {
	store   Store
	journal string
	fn      func(Block) error
	at      Cursor
	// stop is the error of fn.
	stop error
}

func (f *follower) final(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || f.stop != nil || Lasting(err))
}

// Lasting tells an error of reading that asking again does not mend: a *Broken or
// ErrStoreClosed.
func Lasting(err error) bool {
	var wrong *Broken
	return errors.As(err, &wrong) || errors.Is(err, ErrStoreClosed)
}

func (f *follower) give(b Block) error {
	f.stop = f.fn(b)
	return f.stop
}

func (f *follower) read(ctx context.Context) (err error) {
	f.at, err = Read(ctx, f.store, f.journal, f.at, f.give)
	return err
}

// take uses a live message when it is the next block, and reads otherwise.
func (f *follower) take(ctx context.Context, m Message) error {
	if m.Sequence <= f.at.Sequence {
		return nil
	}
	b, err := f.at.check(f.journal, m)
	if err != nil {
		// A gap in the feed, or something is wrong: the stream decides.
		return f.read(ctx)
	}
	if err := f.give(b); err != nil {
		return err
	}
	f.at = b.Cursor()
	return nil
}

// poll reads when the journal's end is elsewhere.
func (f *follower) poll(ctx context.Context) error {
	last, err := f.store.Last(ctx, f.journal)
	if err == nil && last.Sequence == f.at.Sequence {
		return nil
	}
	return f.read(ctx)
}
