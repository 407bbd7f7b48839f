// Package lease lends names, such as addresses that several machines share, to one
// node of a cluster at a time.
//
// Each member promises a name to at most one node, for a term and a bit more, from
// when it was asked. Who has the promises of a majority holds the name until a term
// has passed since it began to ask, by its own clock, and asks anew four times a
// term. Two majorities have a member in common, which does not promise a name twice:
// so there is never more than one holder, as long as no clock runs a tenth faster
// than another. A member that has just started may have promised what it does not
// know any more, and promises nothing for as long as that could hold.
//
// Nothing is written and nobody is elected: a holder that dies is replaced after a
// term, whatever becomes of the streams' leaders meanwhile.
package lease

import (
	"sync"
	"time"
)

// slack is by what a promise outlasts the term that is counted on: a tenth for
// clocks, a tenth for the holder to let go.
const slack = 5

// Question is what a member is asked by one that wants a name, or holds it.
type Question struct {
	Name string `json:"name"`
	Node string `json:"node"`
	// Round numbers the node's questions: what it gives back of an earlier one does not
	// touch what it was promised since.
	Round int64 `json:"round"`
	// Release gives the name back.
	Release bool `json:"release"`
}

// Answer is a member's.
type Answer struct {
	Promised bool `json:"promised"`
	// To is whom the name is promised to where that is another node.
	To string `json:"to"`
}

// Promises are those of one member.
type Promises struct {
	term time.Duration

	mu   sync.Mutex
	from time.Time // nothing is promised before
	of   map[string]promise
}

type promise struct {
	node  string
	round int64
	until time.Time
}

// NewPromises are those of a member that starts now. The term is the same on all
// members.
func NewPromises(term time.Duration, now time.Time) *Promises {
	return &Promises{term: term, from: now.Add(lasting(term)), of: map[string]promise{}}
}

func lasting(term time.Duration) time.Duration { return term + term/slack }

// Answer promises a name, or says who has it.
func (p *Promises) Answer(q Question, now time.Time) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	given, ok := p.of[q.Name]
	if ok && given.node != q.Node && now.Before(given.until) {
		return Answer{To: given.node}
	}
	if q.Release {
		if ok && given.round <= q.Round && now.Before(given.until) {
			given.until = now
			p.of[q.Name] = given
		}
		return Answer{}
	}
	if now.Before(p.from) {
		return Answer{}
	}
	p.of[q.Name] = promise{q.Node, max(q.Round, given.round), now.Add(lasting(p.term))}
	return Answer{Promised: true}
}

// Holder is whom a name is promised to now, "" if to nobody, and since when it is free
// if it was promised before.
func (p *Promises) Holder(name string, now time.Time) (node string, free time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	given, ok := p.of[name]
	switch {
	case !ok:
		return "", p.from
	case now.Before(given.until):
		return given.node, time.Time{}
	default:
		return "", given.until
	}
}
