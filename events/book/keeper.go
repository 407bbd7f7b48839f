package book

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// queueLength bounds the commands that wait for the next block.
	queueLength = 8192
	// blockEvents and blockBytes bound what goes into one block.
	blockEvents = 2000
	blockBytes  = 448 << 10
	// patience is how long the end of a call may wait for company.
	patience = 10 * time.Millisecond
)

// Writer commits blocks; *journal.Writer does.
type Writer interface {
	Append(ctx context.Context, t time.Time, epoch uint64, events [][]byte) (journal.Committed, error)
	Settle(ctx context.Context) (journal.Committed, error)
	Cursor() journal.Cursor
}

// Keeper is the book's single writer for one term. It ends with its first block
// that could not be committed: then what it folded may be wrong, and the next
// term begins by reading the journal again.
type Keeper struct {
	writer Writer
	state  *state.State
	rates  *state.Rates
	epoch  uint64
	node   string
	clock  func() time.Time
	log    *slog.Logger

	queue chan request
	carry []request // did not fit into the last block
	room  []byte    // the events of the block that is being made
	// pending is when the block that is on its way was sent, nil if none is.
	pending atomic.Pointer[time.Time]
	done    chan struct{} // closed when the term is over
	once    sync.Once
	err     error // why it is over
}

type request struct {
	cmd   *wire.Command
	reply chan *wire.Reply
}

// Open begins a term: it commits keeper.opened with the next epoch, and decides
// nothing before that is acknowledged. st must be folded to the writer's end; the
// keeper owns it from now on.
func Open(ctx context.Context, w Writer, st *state.State, node string, clock func() time.Time, log *slog.Logger) (*Keeper, error) {
	k := &Keeper{
		writer: w, state: st, rates: state.NewRates(), epoch: st.Keeper.Epoch + 1, node: node, clock: clock, log: log,
		queue: make(chan request, queueLength), done: make(chan struct{}),
	}
	if end := events.Position(w.Cursor().Position); end != st.Position {
		return nil, fmt.Errorf("open the book: the state is at position %d, the journal at %d", st.Position, end)
	}
	opened := &wire.Event{
		Id: events.EventID([]byte(node), int(k.epoch)), Schema: 1, Actor: "keeper",
		Body: &wire.Event_KeeperOpened{KeeperOpened: &wire.KeeperOpened{Node: node, Epoch: k.epoch, FoldVersion: state.FoldVersion}},
	}
	now := k.now()
	opened.EffectiveAtUs = now.UnixMicro()
	data, err := events.Marshal(opened)
	if err != nil {
		return nil, err
	}
	if err := k.state.Evolve(now.UnixMicro(), opened); err != nil {
		return nil, err
	}
	if _, err := w.Append(ctx, now, k.epoch, [][]byte{data}); err != nil {
		return nil, fmt.Errorf("open the book: %w", err)
	}
	return k, nil
}

// Run decides until ctx ends or a block cannot be committed.
func (k *Keeper) Run(ctx context.Context) error {
	defer k.end(context.Canceled)
	for {
		waiting := k.carry
		if waiting == nil {
			select {
			case <-ctx.Done():
				return nil
			case r := <-k.queue:
				waiting = k.linger(ctx, r)
			}
		}
		k.carry = nil
		if err := k.round(ctx, waiting); err != nil {
			k.end(err)
			return err
		}
	}
}

// patient tells commands that nobody waits for: a call that has ended can be
// charged with the next call's hold, and share its block and its sync.
func patient(c *wire.Command) bool {
	switch c.Body.(type) {
	case *wire.Command_ChargeCall, *wire.Command_ReleaseHold:
		return true
	default:
		return false
	}
}

// linger waits a little for more, as long as nobody waits for an answer.
func (k *Keeper) linger(ctx context.Context, first request) []request {
	waiting := []request{first}
	if !patient(first.cmd) {
		return waiting
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(waiting) < blockEvents {
		select {
		case r := <-k.queue:
			waiting = append(waiting, r)
			if !patient(r.cmd) {
				return waiting
			}
		case <-timer.C:
			return waiting
		case <-ctx.Done():
			return waiting
		}
	}
	return waiting
}

// Done is closed when the term is over.
func (k *Keeper) Done() <-chan struct{} { return k.done }

func (k *Keeper) end(err error) {
	k.once.Do(func() {
		k.err = err
		close(k.done)
	})
}

// Execute brings a command into the next block and waits for the answer until ctx
// ends. A keeper that has been waiting for a block too long takes nothing more.
func (k *Keeper) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if k.stalled() {
		return nil, unavailable(errStalled)
	}
	r := request{cmd: cmd, reply: make(chan *wire.Reply, 1)}
	queue, reply := k.queue, (chan *wire.Reply)(nil)
	for {
		select {
		case queue <- r:
			queue, reply = nil, r.reply
		case answer := <-reply:
			return answer, nil
		case <-k.done:
			return nil, unavailable(k.err)
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
}

// stallAfter is how long a block may be on its way before the keeper may be cut off
// from the others, and listens to nobody any more.
const stallAfter = time.Second

var errStalled = errors.New("its last block has not been committed yet")

func (k *Keeper) stalled() bool {
	since := k.pending.Load()
	return since != nil && time.Since(*since) > stallAfter
}

// now is the time of the next block: the clock, but after the block before.
func (k *Keeper) now() time.Time {
	now := k.clock().UnixMicro()
	return events.Instant(max(now, k.writer.Cursor().Time+1))
}

// round decides what waits, commits it as one block and sends the answers.
func (k *Keeper) round(ctx context.Context, waiting []request) error {
	now := k.now()
	b := block{timeUS: now.UnixMicro(), room: k.room[:0]}
	for i := 0; ; i++ {
		if i == len(waiting) {
			r, more := k.poll()
			if !more {
				break
			}
			waiting = append(waiting, r)
		}
		fits, err := k.decide(&b, waiting[i])
		if err != nil {
			return err
		}
		if !fits {
			k.carry = waiting[i:]
			break
		}
		if b.full() {
			if i+1 < len(waiting) {
				k.carry = waiting[i+1:]
			}
			break
		}
	}
	k.room = b.room
	begun := time.Now()
	k.pending.Store(&begun)
	_, err := k.writer.Append(ctx, now, k.epoch, b.events)
	if errors.Is(err, journal.ErrInDoubt) {
		_, err = k.writer.Settle(ctx) // decide nothing more before this is known
	}
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			k.log.Error("the book's block was not committed", "err", err, "position", k.state.Position)
		}
		return err
	}
	k.pending.Store(nil)
	for i, r := range b.asked {
		r.reply <- b.replies[i]
	}
	return nil
}

// poll takes what is in the queue already.
func (k *Keeper) poll() (request, bool) {
	select {
	case r := <-k.queue:
		return r, true
	default:
		return request{}, false
	}
}

// block is what one round gathers.
type block struct {
	timeUS  int64
	room    []byte
	events  [][]byte // parts of room, or of what it was before it grew
	bytes   int
	asked   []request
	replies []*wire.Reply
}

func (b *block) full() bool {
	return len(b.events) >= blockEvents || b.bytes >= blockBytes || len(b.asked) >= queueLength
}

// decide answers one command and folds what it led to, so that the next command
// is decided on it. It is false for a command whose events do not fit behind the
// others: that one is decided anew for the next block.
func (k *Keeper) decide(b *block, r request) (fits bool, err error) {
	evs, reply := k.answer(b.timeUS, r.cmd)
	encoded, size, err := b.encode(evs)
	if err != nil {
		// Such a command is its sender's fault, and must not end the term.
		evs, encoded, size = nil, nil, 0
		reply = &wire.Reply{TimeUs: b.timeUS, Error: events.Refusal(events.Invalid("the command cannot be recorded: %v", err))}
	}
	if len(b.events) > 0 && b.bytes+size > journal.MaxBlock-(16<<10) {
		return false, nil
	}
	for _, e := range evs {
		if err := k.state.Evolve(b.timeUS, e); err != nil {
			return false, fmt.Errorf("fold a decision: %w", err)
		}
	}
	reply.Position = uint64(k.state.Position)
	b.events = append(b.events, encoded...)
	b.bytes += size
	b.asked = append(b.asked, r)
	b.replies = append(b.replies, reply)
	return true, nil
}

// encode writes events into the block's room; text that is not UTF-8 cannot be
// written, nor what is longer than a journal takes.
func (b *block) encode(evs []*wire.Event) (encoded [][]byte, size int, err error) {
	encoded = make([][]byte, 0, len(evs))
	for _, e := range evs {
		from := len(b.room)
		room, err := events.Append(b.room, e)
		if err != nil {
			return nil, 0, err
		}
		data := room[from:len(room):len(room)]
		if len(data) > journal.MaxEvent {
			return nil, 0, fmt.Errorf("its event has %d bytes, at most %d are allowed", len(data), journal.MaxEvent)
		}
		b.room = room
		encoded = append(encoded, data)
		size += len(data)
	}
	return encoded, size, nil
}
