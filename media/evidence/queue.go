package evidence

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/media/relay"
)

const (
	// maxBatch bounds what waits of one call, maxSignals the signalling that waits
	// to be told apart, maxQueued all of it, in bytes.
	maxBatch   = 512 << 10
	maxSignals = 16 << 20
	maxQueued  = 256 << 20
	maxEntries = 1 << 15
	// pairsBack is how far back a pair of addresses is looked for before it is
	// written anew.
	pairsBack = 8
)

// what an entry is.
type what uint8

const (
	isMedia what = iota
	isSignal
	isDeed
)

// entry is one thing that waits in a batch.
type entry struct {
	at             time.Time
	offset, length uint32
	pair           uint16
	what           what
}

// pair is where a packet came from and went to, and what else it shares with others.
type pair struct {
	from, to netip.AddrPort
	side     relay.Side
	rtcp     bool
	stream   bool
}

// batch is what was heard since its reader looked last. Bytes lie one behind the
// other, so that a packet costs one copy.
type batch struct {
	entries []entry
	bytes   []byte
	pairs   []pair
	deeds   []func()
	lost    uint64
}

// data is an entry's bytes.
func (b *batch) data(e *entry) []byte { return b.bytes[e.offset : e.offset+e.length] }

func (b *batch) reset() {
	clear(b.deeds)
	b.entries, b.bytes, b.pairs, b.deeds, b.lost = b.entries[:0], b.bytes[:0], b.pairs[:0], b.deeds[:0], 0
}

// queue is two batches: one that fills and one that is read. Who fills it never waits
// for who reads it.
type queue struct {
	most  int
	total *atomic.Int64 // bytes of all queues

	mu    sync.Mutex
	fills *batch
	spare *batch
}

func newQueue(most int, total *atomic.Int64) *queue {
	return &queue{most: most, total: total, fills: &batch{}, spare: &batch{}}
}

// put copies bytes into the queue, or counts them as lost.
func (q *queue) put(w what, p pair, data []byte, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fills
	if len(b.bytes)+len(data) > q.most || len(b.entries) >= maxEntries || q.total.Load() > maxQueued {
		b.lost++
		return
	}
	n := b.pair(p)
	b.entries = append(b.entries, entry{at: at, offset: uint32(len(b.bytes)), length: uint32(len(data)), pair: n, what: w})
	b.bytes = append(b.bytes, data...)
	q.total.Add(int64(len(data)))
}

// pair finds a pair's number. There are never more than entries.
func (b *batch) pair(p pair) uint16 {
	for n := len(b.pairs) - 1; n >= 0 && n >= len(b.pairs)-pairsBack; n-- {
		if b.pairs[n] == p {
			return uint16(n)
		}
	}
	b.pairs = append(b.pairs, p)
	return uint16(len(b.pairs) - 1)
}

// do queues a deed for the reader, behind what was heard before it.
func (q *queue) do(deed func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fills
	b.entries = append(b.entries, entry{offset: uint32(len(b.deeds)), what: isDeed})
	b.deeds = append(b.deeds, deed)
}

// take gives what waits; give gives its batch back.
func (q *queue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fills
	q.fills, q.spare = q.spare, nil
	return b
}

func (q *queue) give(b *batch) {
	q.total.Add(-int64(len(b.bytes)))
	b.reset()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = b
}
