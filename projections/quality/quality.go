// Package quality tells how calls go by terminator and prefix: answered, effective,
// talk time and post-dial delay within the last quarter of an hour, hour and day.
// It folds the log of calls, and is what routing by quality is decided on. Its
// memory is bounded.
package quality

import (
	"sync"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// maxKeys bounds the pairs of a terminator and a prefix that are counted; each
	// has about 3 KB. Beyond them a new pair's calls count for its terminator only.
	maxKeys = 8000
	// maxOpen bounds the attempts in progress that are followed.
	maxOpen = 200_000
	// forgetEvery is how often a full view looks for pairs without calls.
	forgetEvery = 60_000_000
)

// Key is what attempts are counted by: a terminator and the prefix of his price,
// empty for all prefixes together.
type Key struct{ Terminator, Prefix string }

// View counts attempts. Its methods may be called from any goroutine.
type View struct {
	mu   sync.RWMutex
	sums map[Key]*history
	open map[leg]*attempt
	// forgotUS is when old pairs were looked for last: that takes a while.
	forgotUS int64
}

type leg struct {
	call   events.CallID
	number uint32
}

// attempt is one that has not ended.
type attempt struct {
	key             Key
	startUS, ringUS int64
	answered        bool
}

// New is a view before the first event.
func New() *View { return &View{sums: map[Key]*history{}, open: map[leg]*attempt{}} }

// Of sums up how attempts at a terminator to a prefix went in the seconds before
// an instant: 900, 3600 or 86400, to the granularity of a minute, five minutes and
// an hour.
func (v *View) Of(terminator, prefix string, windowS uint32, nowUS int64) routing.Quality {
	v.mu.RLock()
	defer v.mu.RUnlock()
	h := v.sums[Key{terminator, prefix}]
	if h == nil {
		return routing.Quality{}
	}
	return h.sum(windowS, nowUS)
}

// Keys counts the pairs that are counted.
func (v *View) Keys() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.sums)
}

// Apply folds events of the log; others change nothing.
func (v *View) Apply(list ...events.Recorded) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range list {
		v.apply(r.Event)
	}
}

func (v *View) apply(e *wire.Event) {
	switch b := e.GetBody().(type) {
	case *wire.Event_AttemptStarted:
		v.start(b.AttemptStarted)
	case *wire.Event_LegRinging:
		if a := v.attempt(b.LegRinging.Call, b.LegRinging.Leg); a != nil && a.ringUS == 0 {
			a.ringUS = b.LegRinging.AtUs
		}
	case *wire.Event_LegAnswered:
		if a := v.attempt(b.LegAnswered.Call, b.LegAnswered.Leg); a != nil {
			a.answered = true
			if a.ringUS == 0 {
				a.ringUS = b.LegAnswered.AtUs
			}
		}
	case *wire.Event_LegEnded:
		v.end(b.LegEnded)
	}
}

func (v *View) start(e *wire.AttemptStarted) {
	id, err := events.CallIDFrom(e.Call)
	if err != nil || len(v.open) >= maxOpen {
		return
	}
	v.open[leg{id, e.Leg}] = &attempt{key: Key{e.Terminator, e.Prefix}, startUS: e.AtUs}
}

func (v *View) attempt(call []byte, number uint32) *attempt {
	id, err := events.CallIDFrom(call)
	if err != nil {
		return nil
	}
	return v.open[leg{id, number}]
}

// end counts an attempt at the time of its end.
func (v *View) end(e *wire.LegEnded) {
	a := v.attempt(e.Call, e.Leg)
	if a == nil {
		return
	}
	delete(v.open, leg{events.CallID(e.Call), e.Leg})
	if e.EndedBy == wire.EndedBy_ENDED_BY_CALLER && !a.answered && a.ringUS == 0 {
		return // given up before the vendor could show anything
	}
	q := routing.Quality{Attempts: 1}
	if a.answered {
		q.Answered, q.TalkMS = 1, uint64(max(0, e.RawMs))
	}
	if a.answered || effective(e.SipCode, e.EndedBy) {
		q.Effective = 1
	}
	if a.ringUS != 0 {
		q.Rang, q.PDDMS = 1, uint64(max(0, a.ringUS-a.startUS)/1000)
	}
	v.count(a.key, e.AtUs, q)
	v.count(Key{Terminator: a.key.Terminator}, e.AtUs, q)
}

// effective tells whether an attempt that was not answered reached the callee or
// his network, as NER counts (ITU-T E.425): busy, no answer, declined, no such
// number, or given up while it rang.
func effective(code uint32, by wire.EndedBy) bool {
	switch code {
	case 404, 410, 480, 484, 486, 600, 603, 604:
		return true
	}
	return by == wire.EndedBy_ENDED_BY_CALLER
}

func (v *View) count(k Key, atUS int64, q routing.Quality) {
	h := v.sums[k]
	if h == nil {
		if len(v.sums) >= maxKeys && atUS-v.forgotUS >= forgetEvery {
			v.forget(atUS)
			v.forgotUS = atUS
		}
		if len(v.sums) >= maxKeys && k.Prefix != "" {
			return
		}
		h = &history{}
		v.sums[k] = h
	}
	h.add(atUS, q)
}

// forget drops the pairs without a call in the last day.
func (v *View) forget(nowUS int64) {
	for k, h := range v.sums {
		if h.sum(day, nowUS).Attempts == 0 {
			delete(v.sums, k)
		}
	}
}
