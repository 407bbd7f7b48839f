// Package mirror copies the book into a stream of EventStoreDB (KurrentDB), for houses that
// keep their events of record there.
//
// The event at position p of the book is the stream's revision p-1, with an id that follows
// from its place and its bytes, and is appended with the revision that it must come behind.
// So a repetition changes nothing, two writers cannot both be right, and the place to go on
// from is the stream's own end. Before anything is appended that end is compared with the
// book; Compare compares everything. A stream that is no copy of this book is left alone.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
)

// Config says where the mirror is.
type Config struct {
	// URL is a connection string of EventStoreDB, as esdb://user:password@host:2113.
	URL    string
	Stream string
	// Writes says whether this node is the one that writes now; nil is always.
	Writes func() bool
	Log    *slog.Logger
}

// ErrDiffers is for a stream that is not a copy of the book.
var ErrDiffers = errors.New("the stream in EventStoreDB is not a copy of this book")

// Mirror copies one journal to one stream.
type Mirror struct {
	config  Config
	servers *esdb.Configuration
	store   journal.Store
	journal string

	sent, failures, position, differs atomic.Int64
}

// Stats are a mirror's figures since the start.
type Stats struct {
	// Sent are the events that were appended, Failures the attempts that failed.
	Sent, Failures int64
	// Position is the book's last position that is known to be in the stream.
	Position int64
	// Differs says that the stream is no copy of the book.
	Differs bool
}

// Stats returns the mirror's figures.
func (m *Mirror) Stats() Stats {
	return Stats{Sent: m.sent.Load(), Failures: m.failures.Load(), Position: m.position.Load(), Differs: m.differs.Load() != 0}
}

// Open makes a mirror of a journal. The server need not be there.
func Open(config Config, store journal.Store, name string) (*Mirror, error) {
	servers, err := esdb.ParseConnectionString(config.URL)
	if err != nil {
		return nil, fmt.Errorf("eventstore.url is not a connection string such as esdb://user:password@host:2113: %w", err)
	}
	if servers.Address == "" && len(servers.GossipSeeds) == 0 {
		return nil, errors.New("eventstore.url names no server")
	}
	servers.MaxDiscoverAttempts = 1
	servers.Logger = func(level esdb.LogLevel, format string, args ...any) {
		if level == esdb.LogError || level == esdb.LogWarn {
			config.Log.Debug("eventstore: " + fmt.Sprintf(format, args...))
		}
	}
	return &Mirror{config: config, servers: servers, store: store, journal: name}, nil
}

// Pauses between attempts that fail, each twice the one before.
const (
	leastPause = time.Second
	mostPause  = time.Minute
	// lookEvery is how often a node that does not write looks whether it is to.
	lookEvery = time.Second
)

// Run copies until ctx ends, while this node is the one that writes.
func (m *Mirror) Run(ctx context.Context) {
	for pause := leastPause; ctx.Err() == nil; {
		wait := lookEvery
		if m.writes() {
			began := time.Now()
			err := m.Copy(ctx)
			if err != nil && ctx.Err() == nil {
				if time.Since(began) > mostPause {
					pause = leastPause // it went well for a while
				}
				m.failed(err, pause)
				wait, pause = pause, min(2*pause, mostPause)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

func (m *Mirror) writes() bool { return m.config.Writes == nil || m.config.Writes() }

func (m *Mirror) failed(err error, again time.Duration) {
	m.failures.Add(1)
	if errors.Is(err, ErrDiffers) {
		if m.differs.Swap(1) == 0 {
			m.config.Log.Error("the book is not copied to EventStoreDB", "stream", m.config.Stream, "err", err)
		}
		return
	}
	m.config.Log.Warn("copying to EventStoreDB failed", "stream", m.config.Stream, "again", again, "err", err)
}

// Copy goes on from the stream's end and follows the book, until ctx ends, this node is no
// longer the one that writes, or something fails. A client that failed once does not come
// back by itself, so each call has one of its own.
func (m *Mirror) Copy(ctx context.Context) error {
	client, err := esdb.NewClient(m.servers)
	if err != nil {
		return fmt.Errorf("open eventstore: %w", err)
	}
	defer func() { _ = client.Close() }() // it cannot fail
	w := writer{m: m, client: client}
	from, err := w.place(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for m.writes() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		cancel()
	}()
	_, err = journal.Follow(ctx, m.store, m.journal, from, func(b journal.Block) error { return w.block(ctx, &b) })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// writer is one client at work.
type writer struct {
	m      *Mirror
	client *esdb.Client
	// next is the position of the book that the stream does not have yet.
	next uint64
	// before is the place before the block that comes.
	before journal.Cursor
}

// place finds where to go on: before the block of the stream's last event, which is compared
// with the book's.
func (w *writer) place(ctx context.Context) (journal.Cursor, error) {
	w.next = 1
	last, err := w.last(ctx)
	if err != nil || last == nil {
		return journal.Cursor{}, err
	}
	note, err := readNote(last)
	if err != nil {
		return journal.Cursor{}, err
	}
	found := false
	stop := errors.New("found")
	_, err = journal.Read(ctx, w.m.store, w.m.journal, note.before(), func(b journal.Block) error {
		i := note.Position - b.First
		if note.Position < b.First || i >= uint64(len(b.Events)) {
			return nil
		}
		if err := alike(last, b.Events[i], note.Position); err != nil {
			return err
		}
		found = true
		return stop
	})
	if err != nil && !errors.Is(err, stop) {
		if broken := new(journal.Broken); errors.As(err, &broken) {
			return journal.Cursor{}, fmt.Errorf("%w: its last event names a block that the book does not have: %w", ErrDiffers, err)
		}
		return journal.Cursor{}, err
	}
	if !found {
		return journal.Cursor{}, fmt.Errorf("%w: it goes to position %d, the book does not", ErrDiffers, note.Position)
	}
	w.next, w.before = note.Position+1, note.before()
	w.m.position.Store(int64(note.Position))
	w.m.differs.Store(0)
	return w.before, nil
}

// What goes into one append: a server takes a megabyte at most.
const (
	batchBytes  = 512 << 10
	batchEvents = 500
)

// block appends what the stream does not have of a block.
func (w *writer) block(ctx context.Context, b *journal.Block) error {
	var batch []esdb.EventData
	size := 0
	for i := range b.Events {
		position := b.First + uint64(i)
		if position < w.next {
			continue
		}
		e, err := proposed(b, i, w.before)
		if err != nil {
			return fmt.Errorf("position %d: %w", position, err)
		}
		batch, size = append(batch, e), size+len(e.Data)+len(e.Metadata)
		if size >= batchBytes || len(batch) == batchEvents || i == len(b.Events)-1 {
			if err := w.append(ctx, batch); err != nil {
				return err
			}
			batch, size = nil, 0
		}
	}
	w.before = b.Cursor()
	return nil
}

// append appends events behind those that are there.
func (w *writer) append(ctx context.Context, batch []esdb.EventData) error {
	var expected esdb.ExpectedRevision = esdb.NoStream{}
	if w.next > 1 {
		expected = esdb.Revision(w.next - 2)
	}
	_, err := w.client.AppendToStream(ctx, w.m.config.Stream, esdb.AppendToStreamOptions{ExpectedRevision: expected, RequiresLeader: true}, batch...)
	if err != nil {
		return fmt.Errorf("append to eventstore: %w", err)
	}
	w.next += uint64(len(batch))
	w.m.sent.Add(int64(len(batch)))
	w.m.position.Store(int64(w.next - 1))
	return nil
}

// last is the stream's last event, nil for no stream.
func (w *writer) last(ctx context.Context) (*esdb.RecordedEvent, error) {
	var last *esdb.RecordedEvent
	err := read(ctx, w.client, w.m.config.Stream, esdb.Backwards, esdb.End{}, 1, func(e *esdb.RecordedEvent) error {
		last = e
		return nil
	})
	return last, err
}

// Compared counts what Compare found equal.
type Compared struct {
	// Events are in both, Missing are the book's that the stream does not have yet.
	Events, Missing uint64
}

// Compare reads the book and the stream side by side, from end to end, and reports the
// first place in which they differ as ErrDiffers.
func (m *Mirror) Compare(ctx context.Context) (n Compared, err error) {
	client, err := esdb.NewClient(m.servers)
	if err != nil {
		return n, fmt.Errorf("open eventstore: %w", err)
	}
	defer func() { _ = client.Close() }() // it cannot fail
	mirrored := pages{client: client, stream: m.config.Stream}
	_, err = journal.Read(ctx, m.store, m.journal, journal.Cursor{}, func(b journal.Block) error {
		for i, stored := range b.Events {
			e, err := mirrored.next(ctx)
			switch {
			case err != nil:
				return err
			case e == nil:
				n.Missing++
			default:
				if err := alike(e, stored, b.First+uint64(i)); err != nil {
					return err
				}
				n.Events++
			}
		}
		return nil
	})
	if err != nil {
		return n, err
	}
	if e, err := mirrored.next(ctx); err != nil || e != nil {
		return n, errors.Join(err, fmt.Errorf("%w: it goes on behind position %d, where the book ends", ErrDiffers, n.Events))
	}
	return n, nil
}

// alike compares one event of the stream with the book's bytes.
func alike(e *esdb.RecordedEvent, stored []byte, position uint64) error {
	if e.EventNumber != position-1 {
		return fmt.Errorf("%w: revision %d stands where position %d should", ErrDiffers, e.EventNumber, position)
	}
	note, err := readNote(e)
	if err != nil {
		return err
	}
	have, err := bytesOf(e)
	if err != nil {
		return fmt.Errorf("%w: position %d: %w", ErrDiffers, position, err)
	}
	if hashed(have) != hashed(stored) || note.SHA256 != hashed(stored) || note.Position != position || e.EventID != idOf(position, stored) {
		kind := "?"
		if known, err := events.Unmarshal(stored); err == nil {
			kind = kindOf(known)
		}
		return fmt.Errorf("%w: position %d is a %s there and a %s here, of other content", ErrDiffers, position, e.EventType, kind)
	}
	return nil
}
