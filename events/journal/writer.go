package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// WriterOptions say what to write. Journal and Node are required.
type WriterOptions struct {
	// Journal is the journal's name, a subject of the store.
	Journal string
	// Node is the writer's id in the blocks.
	Node string
	// Heads remembers each acknowledged block. It may be nil.
	Heads *Heads
}

// Writer appends blocks to one journal, one at a time: the next is encoded when
// the previous one is acknowledged. It is safe for concurrent use; calls wait
// for each other.
type Writer struct {
	store Store
	opts  WriterOptions

	mu     sync.Mutex
	cursor Cursor
	doubt  *draft
	failed error
}

// OpenWriter reads the journal's last block and continues behind it. The chain
// before it is not checked here: see Open.
func OpenWriter(ctx context.Context, store Store, opts WriterOptions) (*Writer, error) {
	end, err := End(ctx, store, opts.Journal)
	if err != nil {
		return nil, fmt.Errorf("open a writer: %w", err)
	}
	return &Writer{store: store, opts: opts, cursor: end}, nil
}

// OpenWriterAt continues behind a place to which the caller has read: the first
// block is refused with ErrFenced when the journal has gone on since.
func OpenWriterAt(store Store, opts WriterOptions, at Cursor) *Writer {
	return &Writer{store: store, opts: opts, cursor: at}
}

// End is the place behind a journal's last committed block, the zero Cursor for
// a journal without blocks. Only the block itself is checked.
func End(ctx context.Context, store Store, journal string) (Cursor, error) {
	m, err := store.Last(ctx, journal)
	if errors.Is(err, ErrNoMessage) {
		return Cursor{}, nil
	}
	if err != nil {
		return Cursor{}, err
	}
	return cursorAt(journal, m)
}

// cursorAt is the place behind a message, taken at its own word.
func cursorAt(journal string, m Message) (Cursor, error) {
	b, err := decode(m.Data)
	if err != nil {
		return Cursor{}, &Broken{Journal: journal, Sequence: m.Sequence, Reason: "the last block: " + err.Error()}
	}
	b.Sequence = m.Sequence
	before := Cursor{Number: b.Number - 1, Position: b.First - 1, Head: b.Previous}
	if _, err := before.check(journal, m); err != nil {
		return Cursor{}, err
	}
	return b.Cursor(), nil
}

// Append commits one block of events, which may be none. Its time is t, or a
// microsecond after the block before if that is later; epoch never falls.
//
// The errors: ErrTooLarge and ErrRefused leave the writer as it was. ErrInDoubt
// comes when ctx ends first: nothing more is taken until Settle has said what
// became of the block. ErrFenced is final: read to the end and open anew.
func (w *Writer) Append(ctx context.Context, t time.Time, epoch uint64, events [][]byte) (Committed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failed != nil:
		return Committed{}, w.failed
	case w.doubt != nil:
		return Committed{}, fmt.Errorf("append to %s: block %d: %w", w.opts.Journal, w.doubt.block.Number, ErrInDoubt)
	}
	d, err := w.cursor.draft(w.opts.Journal, w.opts.Node, t, epoch, events)
	if err != nil {
		return Committed{}, fmt.Errorf("append to %s: %w", w.opts.Journal, err)
	}
	return w.settle(ctx, d, false)
}

// Settle goes on with the block in doubt until it is known to be committed, and
// answers as its Append would have. Without one in doubt it gives the last
// block.
func (w *Writer) Settle(ctx context.Context) (Committed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.failed != nil:
		return Committed{}, w.failed
	case w.doubt == nil:
		return Committed{Cursor: w.cursor, First: w.cursor.Next()}, nil
	}
	return w.settle(ctx, *w.doubt, true)
}

func (w *Writer) settle(ctx context.Context, d draft, doubt bool) (Committed, error) {
	seq, err := settle(ctx, w.store, w.cursor.Sequence, d, doubt)
	switch {
	case errors.Is(err, ErrInDoubt):
		w.doubt = &d
	case errors.Is(err, ErrFenced):
		w.failed = err
	}
	if err != nil {
		return Committed{}, fmt.Errorf("append to %s: %w", w.opts.Journal, err)
	}
	w.doubt = nil
	c := d.committed(seq)
	w.cursor = c.Cursor
	if err := w.opts.Heads.Record(w.store.Name(), w.opts.Journal, c.Cursor); err != nil {
		// The block is committed; that it is not remembered must be seen,
		// and a disk that takes no line will take no block either.
		w.failed = err
		return c, fmt.Errorf("append to %s: block %d is committed: %w", w.opts.Journal, c.Number, err)
	}
	return c, nil
}

// committed is the answer for a block that lies at a sequence.
func (d draft) committed(seq uint64) Committed {
	b := d.block
	b.Sequence = seq
	return Committed{Cursor: b.Cursor(), First: b.First, Events: len(b.Events)}
}

// Cursor is the place behind the last committed block.
func (w *Writer) Cursor() Cursor {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cursor
}
