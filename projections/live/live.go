// Package live is the view of the calls in progress, with the last hour's
// traffic and the day's money: what a console shows, what soft limits count, and
// what a node needs to know about its calls after a crash.
//
// It is a deterministic fold of BOOK and LOG events in memory. The journals may
// come in any relative order; within a journal events come in order, and those
// that were applied before are passed over, so a view can be restored from a
// snapshot and fed again from anywhere before it. A call appears with its
// CallReceived and disappears when leg 0 has ended.
package live

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/tollbook/tollbook/events"
)

// bookJournal is the name of the one journal of what is decided.
const bookJournal = "book"

// The bounds of a view. What exceeds them is counted in Dropped.
const (
	// maxCalls bounds the calls that are open or held at a time.
	maxCalls = 200_000
	// maxLegs bounds the attempts of one call that are kept.
	maxLegs = 64
	// maxClosed bounds the closed calls that are remembered, so that an event
	// of the slower journal does not bring one back.
	maxClosed = 32_768
	// maxNodes bounds the nodes whose signs of life are kept.
	maxNodes = 1024
)

// View is the state of the calls in progress. Its methods may be called from
// many goroutines.
type View struct {
	mu        sync.RWMutex
	positions map[string]uint64
	calls     map[events.CallID]*call
	holds     map[events.CallID]*hold
	// over are calls that have ended; closed are holds that the book has closed.
	over   remembered
	closed remembered
	nodes  map[string]*node
	counts counts
	window window
	money  money
	// dropped counts what exceeded a bound.
	dropped uint64
}

// New returns an empty view.
func New() *View {
	return &View{
		positions: make(map[string]uint64),
		calls:     make(map[events.CallID]*call),
		holds:     make(map[events.CallID]*hold),
		over:      newRemembered(),
		closed:    newRemembered(),
		nodes:     make(map[string]*node),
		counts:    newCounts(),
		money:     newMoney(),
	}
}

// Apply takes events, each journal's in its order.
func (v *View) Apply(events ...events.Recorded) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range events {
		if r.Position <= v.positions[r.Journal] {
			continue
		}
		v.positions[r.Journal] = r.Position
		if r.Journal == bookJournal {
			v.decided(r)
		} else {
			v.observed(r)
		}
	}
}

// Position returns how far a journal has been applied: a restored view goes on
// with the event after it.
func (v *View) Position(journal string) uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.positions[journal]
}

// Journals are the names of the journals that were read.
func (v *View) Journals() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return sortedKeys(v.positions)
}

// Calls returns the calls in progress, oldest first.
func (v *View) Calls() []Call { return v.list(func(*call) bool { return true }) }

// OpenCalls returns the calls of a node whose leg 0 has not ended, oldest first:
// what has to be closed, with its legs' states, when the node has crashed. A
// call that was taken over belongs to the node that took it.
func (v *View) OpenCalls(node string) []Call {
	return v.list(func(c *call) bool { return v.owner(c) == node })
}

func (v *View) list(wanted func(*call) bool) []Call {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var all []Call
	for _, c := range v.calls {
		if c.Received && wanted(c) {
			all = append(all, v.show(c))
		}
	}
	slices.SortFunc(all, func(a, b Call) int {
		return cmp.Or(cmp.Compare(a.SetupUS, b.SetupUS), slices.Compare(a.ID[:], b.ID[:]))
	})
	return all
}

// Get returns one call in progress, and false if it is none.
func (v *View) Get(id events.CallID) (Call, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	c := v.calls[id]
	if c == nil || !c.Received {
		return Call{}, false
	}
	return v.show(c), true
}

// Counts returns how many calls are in progress, in all and by party.
func (v *View) Counts() Counts {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return Counts{
		Calls: v.counts.calls, Talking: v.counts.talking,
		ByAccount:    maps.Clone(v.counts.accounts),
		ByOriginator: maps.Clone(v.counts.originators),
		ByTerminator: maps.Clone(v.counts.terminators),
		ByNode:       maps.Clone(v.counts.nodes),
	}
}

// AccountCalls, OriginatorCalls and TerminatorCalls count one party's calls in
// progress; a terminator's are its legs that have not ended.
func (v *View) AccountCalls(id string) int { return v.count(v.counts.accounts, id) }

// OriginatorCalls counts the calls that an originator has in progress.
func (v *View) OriginatorCalls(id string) int { return v.count(v.counts.originators, id) }

// TerminatorCalls counts the legs that a terminator has in progress.
func (v *View) TerminatorCalls(id string) int { return v.count(v.counts.terminators, id) }

func (v *View) count(of map[string]int, id string) int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return of[id]
}

// Traffic sums the last minutes before a time, its own minute included, at most
// 60: what an overview shows.
func (v *View) Traffic(nowUS int64, minutes int) Traffic {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.window.sum(nowUS, minutes)
}

// Money returns what was charged on the UTC day of a time, by currency. Two days
// are kept.
func (v *View) Money(nowUS int64) map[string]Money {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.money.of(nowUS)
}

// Dropped counts the calls and legs that exceeded a bound and are not shown.
func (v *View) Dropped() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.dropped
}
