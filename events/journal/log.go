package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// LogOptions say what a Log writes and how much it holds. Journal and Node are
// required.
type LogOptions struct {
	// Journal is the journal's name, "log.calls.n1".
	Journal string
	// Node is the writer's id in the blocks.
	Node string
	// Heads remembers each acknowledged block. It may be nil.
	Heads *Heads
	// Queue is how many bytes of events may wait. The default is 16 MB.
	Queue int
	// Linger is how long a cut waits for more under load. The default is
	// 500 µs; it costs nothing when little happens.
	Linger time.Duration
	// Pace is the least time between two cuts, unless a block is full enough or
	// the log closes. A block costs a sync of the disk and a message to every
	// reader, so it pays to wait where nobody waits for the answer. The default
	// is none.
	Pace time.Duration
	// SpoolDir is where blocks go that the store does not commit for
	// SpoolAfter (default 2 s), up to SpoolLimit bytes (default 256 MB). When
	// empty, blocks wait in memory.
	SpoolDir   string
	SpoolAfter time.Duration
	SpoolLimit int64
	// Now is the clock of the blocks' times. The default is time.Now.
	Now func() time.Time
}

func (o *LogOptions) defaults() {
	if o.Queue == 0 {
		o.Queue = 16 << 20
	}
	if o.Linger == 0 {
		o.Linger = 500 * time.Microsecond
	}
	if o.SpoolAfter == 0 {
		o.SpoolAfter = 2 * time.Second
	}
	if o.SpoolLimit == 0 {
		o.SpoolLimit = 256 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

const (
	// blockRoom is what a log's block holds in events: the rest is header.
	blockRoom = MaxBlock - 2048
	// eventRoom is what an event's tag and length take at most.
	eventRoom = 4
	// A block of so many events or bytes is load: the next lingers, unless it
	// is this large already.
	loadEvents = 32
	loadBytes  = 64 << 10
)

// Log appends events to a journal that this node alone writes, from any number
// of goroutines. A block is cut when the previous one is acknowledged and
// something waits, so that many events share one sync of the disk. Events keep
// their order. While the store does not commit, blocks go to a spool file and
// are published later, the same bytes with the same ids.
type Log struct {
	store Store
	opts  LogOptions
	epoch uint64
	spool *spool

	mu      sync.Mutex
	queue   []*pending
	waiting int // bytes of events in the queue and in flight
	// inflight left the queue and is not durable yet.
	inflight *pending
	space    chan struct{}
	wake     chan struct{}
	closing  bool
	failed   error

	// hard ends when Close may wait no longer; ended is closed by run.
	hard  context.Context
	stop  context.CancelFunc
	ended chan struct{}

	// The goroutine's own: the place behind the last committed block, and
	// behind the last one that was encoded, which may lie in the spool.
	acked, tail Cursor
	lastEvents  int
	lastCut     time.Time
	held        *pending
	stats       LogStats // guarded by mu
}

// LogStats say how a log does.
type LogStats struct {
	// Waiting is how many bytes of events are not durable yet.
	Waiting int
	// Spooled is how many blocks lie in the spool and not in the stream.
	Spooled int
	// End is the place behind the last block in the stream.
	End Cursor
	// Blocks and Events count what was committed or spooled since the start.
	Blocks, Events uint64
	// Failed is the error that ended the log, nil while it works.
	Failed error
}

// pending is a block to be: events that wait, and those who wait for them.
type pending struct {
	events [][]byte
	size   int // of the events' bytes
	done   chan struct{}
	// draft is set with the first attempt: the bytes never change after it.
	draft *draft
	// Set before done is closed.
	committed Committed
	err       error
}

// OpenLog continues a journal behind its last block, and publishes first what a
// spool still holds of it. Each opening is a new epoch.
func OpenLog(ctx context.Context, store Store, opts LogOptions) (*Log, error) {
	opts.defaults()
	end, err := End(ctx, store, opts.Journal)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", opts.Journal, err)
	}
	l := &Log{
		store: store, opts: opts, acked: end, tail: end,
		space: make(chan struct{}), wake: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	if opts.SpoolDir != "" {
		if l.spool, err = openSpool(opts.SpoolDir, opts.Journal, opts.SpoolLimit, end); err != nil {
			return nil, fmt.Errorf("open log %s: %w", opts.Journal, err)
		}
		l.tail = l.spool.tail(end)
	}
	l.epoch = l.tail.Epoch + 1
	l.stats.End = end
	l.hard, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go l.run()
	return l, nil
}

// Append queues events, which come to lie in one block in the given order, and
// returns at once. The bytes must not be changed any more. The errors:
// ErrQueueFull when the store is behind, ErrTooLarge, ErrClosed, and the error
// that ended the log.
func (l *Log) Append(events ...[]byte) (Ticket, error) {
	size, err := sizeOf(events)
	if err != nil {
		return Ticket{}, fmt.Errorf("log to %s: %w", l.opts.Journal, err)
	}
	t, _, err := l.put(events, size)
	return t, err
}

// AppendWait is Append, but waits while the queue is full, until ctx ends.
func (l *Log) AppendWait(ctx context.Context, events ...[]byte) (Ticket, error) {
	size, err := sizeOf(events)
	if err != nil {
		return Ticket{}, fmt.Errorf("log to %s: %w", l.opts.Journal, err)
	}
	for {
		t, space, err := l.put(events, size)
		if !errors.Is(err, ErrQueueFull) {
			return t, err
		}
		select {
		case <-space:
		case <-ctx.Done():
			return Ticket{}, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

func sizeOf(events [][]byte) (int, error) {
	size, room := 0, 0
	for _, e := range events {
		if len(e) > MaxEvent {
			return 0, fmt.Errorf("event of %d bytes, the limit is %d: %w", len(e), MaxEvent, ErrTooLarge)
		}
		size += len(e)
		room += len(e) + eventRoom
	}
	if room > blockRoom {
		return 0, fmt.Errorf("%d events of %d bytes do not fit in one block: %w", len(events), size, ErrTooLarge)
	}
	return size, nil
}

// put queues, or says on which channel space will be announced.
func (l *Log) put(events [][]byte, size int) (Ticket, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failed != nil:
		return Ticket{}, nil, l.failed
	case l.closing:
		return Ticket{}, nil, fmt.Errorf("log to %s: %w", l.opts.Journal, ErrClosed)
	case l.waiting > 0 && l.waiting+size > l.opts.Queue:
		return Ticket{}, l.space, fmt.Errorf("log to %s: %d bytes wait: %w", l.opts.Journal, l.waiting, ErrQueueFull)
	}
	var p *pending
	if n := len(l.queue); n > 0 {
		p = l.queue[n-1]
	}
	room := size + eventRoom*len(events)
	if p == nil || p.size+eventRoom*len(p.events)+room > blockRoom {
		p = &pending{done: make(chan struct{})}
		l.queue = append(l.queue, p)
	}
	t := Ticket{block: p, index: len(p.events), count: len(events)}
	p.events = append(p.events, events...)
	p.size += size
	l.waiting += size
	l.signal()
	return t, nil, nil
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Flush waits until everything that was queued before is durable.
func (l *Log) Flush(ctx context.Context) error {
	l.mu.Lock()
	p, err := l.inflight, l.failed
	if n := len(l.queue); n > 0 {
		p = l.queue[n-1]
	}
	l.mu.Unlock()
	if err != nil || p == nil {
		return err
	}
	_, err = Ticket{block: p}.Wait(ctx)
	return err
}

// Close takes nothing more, and waits until what is queued is durable. When ctx
// ends first, what remains goes to the spool; without a spool it is lost, and
// the error says how much.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closing = true
	l.signal()
	l.mu.Unlock()
	select {
	case <-l.ended:
	case <-ctx.Done():
		l.stop()
		<-l.ended
	}
	l.stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.spool != nil {
		return errors.Join(l.failed, l.spool.close())
	}
	return l.failed
}

// Stats says how the log does.
func (l *Log) Stats() LogStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Waiting, s.Failed = l.waiting, l.failed
	return s
}

// Ticket stands for events that were queued.
type Ticket struct {
	block        *pending
	index, count int
}

// Done is closed when the events are durable or lost.
func (t Ticket) Done() <-chan struct{} { return t.block.done }

// Wait waits until the events are durable, in the stream or in the spool. First
// is the position of the ticket's first event, Events how many there are.
func (t Ticket) Wait(ctx context.Context) (Committed, error) {
	select {
	case <-t.block.done:
	case <-ctx.Done():
		return Committed{}, ctx.Err()
	}
	if t.block.err != nil {
		return Committed{}, t.block.err
	}
	c := t.block.committed
	c.First += uint64(t.index)
	c.Events = t.count
	return c, nil
}
