// Package evidence keeps what calls said: it copies their packets and messages into
// queues, and a few writers bring them into recordings (package record), captures
// (package capture) and to a HOMER server.
//
// The relay and the gate hand over copies and never wait. What a full queue cannot
// take is missing in the evidence and counted; the call goes on. Each call's files
// are written by one goroutine, which looks at its calls several times a second, so
// what was said stands in the file less than a second later, whatever becomes of the
// program.
package evidence

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
	"github.com/tollbook/tollbook/media/record"
)

const (
	// tick is how often writers look at their calls.
	tick = 100 * time.Millisecond
	// linger is how long after a call's end its last messages may come.
	linger = time.Second
)

// Config says where evidence goes.
type Config struct {
	Files *archive.Store
	// HEP gets signalling; nil sends none. HEPAll sends that of all that passes the
	// gate, else only that of calls that are captured.
	HEP    *capture.Sender
	HEPAll bool
	// Captures tells whether any rule may capture calls now. Nil is no.
	Captures func() bool
	Log      *slog.Logger
}

// Keeper keeps the evidence of a node's calls.
type Keeper struct {
	config  Config
	queued  atomic.Int64
	signals *queue
	writers []*writer
	next    atomic.Uint32
	counts  counts

	mu       sync.Mutex
	byCallID map[string][]*Call

	stopping sync.Once
	sorting  chan struct{} // closed first: the sorter ends
	writing  chan struct{} // then the writers do
	sorted   sync.WaitGroup
	written  sync.WaitGroup
	finish   sync.WaitGroup // files that are being ended
	slots    chan struct{}  // for them
}

// Stats are counts since the start.
type Stats struct {
	// Recordings and Captures were begun, Refused could not be.
	Recordings, Captures, Refused uint64
	// Lost are packets and messages that a full queue did not take.
	Lost uint64
	// Waiting are the bytes in the queues.
	Waiting int64
	// HEPSent and HEPDropped are packets for the HOMER server.
	HEPSent, HEPDropped uint64
}

type counts struct{ recordings, captures, refused, lost atomic.Uint64 }

// finishers is how many files are ended at once, which reads all of each.
const finishers = 2

// Open starts a keeper.
func Open(c Config) *Keeper {
	k := &Keeper{
		config: c, byCallID: map[string][]*Call{}, sorting: make(chan struct{}), writing: make(chan struct{}), slots: make(chan struct{}, finishers),
	}
	k.signals = newQueue(maxSignals, &k.queued)
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		w := &writer{keeper: k}
		k.writers = append(k.writers, w)
		k.written.Go(w.run)
	}
	s := &sorter{keeper: k}
	k.sorted.Go(s.run)
	return k
}

// Stats counts what was kept so far.
func (k *Keeper) Stats() Stats {
	s := Stats{
		Recordings: k.counts.recordings.Load(), Captures: k.counts.captures.Load(), Refused: k.counts.refused.Load(),
		Lost: k.counts.lost.Load(), Waiting: k.queued.Load(),
	}
	if hep := k.config.HEP; hep != nil {
		s.HEPSent, s.HEPDropped = hep.Sent(), hep.Dropped()
	}
	return s
}

// Close ends all files and returns when they are finished. No call may be begun or
// heard after it.
func (k *Keeper) Close() {
	k.stopping.Do(func() {
		close(k.sorting)
		k.sorted.Wait()
		close(k.writing)
		k.written.Wait()
		k.finish.Wait()
		if k.config.HEP != nil {
			k.config.HEP.Close()
		}
	})
}

// Repair ends a file that a killed program left open.
func Repair(f *archive.File) (archive.Details, error) {
	if f.Name().Kind == archive.Capture {
		err := capture.Repair(f)
		if errors.Is(err, capture.ErrEmpty) {
			err = archive.ErrNothing
		}
		return archive.Details{Codec: codecOfCaptures}, err
	}
	codec, err := record.Repair(f)
	if errors.Is(err, record.ErrNoSound) {
		err = archive.ErrNothing
	}
	return archive.Details{Codec: codec}, err
}

// writer writes the files of its calls.
type writer struct {
	keeper *Keeper
	mu     sync.Mutex
	fresh  []*Call
	calls  []*Call
}

func (w *writer) add(c *Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = append(w.fresh, c)
}

// run looks at all calls again and again. At the end it ends them.
func (w *writer) run() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		stopping := false
		select {
		case <-ticker.C:
		case <-w.keeper.writing:
			stopping = true
		}
		w.mu.Lock()
		w.calls = append(w.calls, w.fresh...)
		clear(w.fresh)
		w.fresh = w.fresh[:0]
		w.mu.Unlock()
		going := w.calls[:0]
		for _, c := range w.calls {
			if !c.look(time.Now(), stopping) {
				going = append(going, c)
			}
		}
		clear(w.calls[len(going):])
		w.calls = going
		if stopping {
			return
		}
	}
}

// ending ends a file beside the writers, who must not wait for its hash.
func (k *Keeper) ending(fn func()) {
	k.finish.Add(1)
	go func() {
		defer k.finish.Done()
		k.slots <- struct{}{}
		defer func() { <-k.slots }()
		fn()
	}()
}

// Begin begins a call's evidence. Nothing is kept of it until that is decided; its
// signalling waits for the decision.
func (k *Keeper) Begin(id events.CallID) *Call {
	return &Call{keeper: k, id: id, queue: newQueue(maxBatch, &k.queued), level: levelOpen}
}
