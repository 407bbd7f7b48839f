// Package guard looks out for fraud: it counts what the catalog's guard rules ask
// for, and tells of a call whether a rule blocks it.
//
// It is a fold of the book and the log of calls. Rules, holds and charges come from
// the book, calls to numbers and the trips from the log, so that a restart keeps
// what was counted and what is blocked. Its memory is bounded: what does not find
// room is not counted, which is told.
package guard

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	second = 1_000_000
	// memory is how long a destination that an account called is remembered.
	memory = 90 * 86_400 * second
)

// View is the state of the guard. Its methods may be called from any goroutine.
type View struct {
	node   string
	log    *slog.Logger
	bounds Bounds

	mu    sync.Mutex
	rules []*rule // by id
	// since tells from when on a measure is counted.
	since    map[measure]int64
	counters map[subject]map[measure]*counter
	counted  int // counters in all
	seen     map[place]int64
	dialled  map[events.CallID]dial
	holds    map[events.CallID][]held
	holding  map[place]int64 // micro-units that calls in progress hold
	trips    map[trip]*Trip
	waiting  map[events.CallID]*waiting
	ahead    map[subject]int64 // calls that are waited for
	// full are the parts that had no room, sweptUS when each was swept last.
	full    map[string]bool
	sweptUS map[string]int64
}

// measure is one that rules ask for.
type measure struct {
	of      wire.GuardMeasure
	windowS uint32
}

// place is a destination of an account's calls.
type place struct{ account, destination string }

// subject is what is counted: a number or a destination.
type subject struct {
	place
	number bool
}

// dial is a call that has come and is not routed yet.
type dial struct{ account, called string }

// held is what a call holds for a destination.
type held struct {
	place
	micro int64
}

// New is a node's view before the first event.
func New(node string, log *slog.Logger, b Bounds) *View {
	return &View{
		node: node, log: log, bounds: b, since: map[measure]int64{}, counters: map[subject]map[measure]*counter{}, seen: map[place]int64{},
		dialled: map[events.CallID]dial{}, holds: map[events.CallID][]held{}, holding: map[place]int64{},
		trips: map[trip]*Trip{}, waiting: map[events.CallID]*waiting{}, ahead: map[subject]int64{}, full: map[string]bool{}, sweptUS: map[string]int64{},
	}
}

// Apply folds events of the book and of the log; others change nothing.
func (v *View) Apply(list ...events.Recorded) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range list {
		v.decided(r)
		v.observed(r.Event)
		v.settled(r.Event)
	}
}

// decided takes an event of the book.
func (v *View) decided(r events.Recorded) {
	switch b := r.Event.GetBody().(type) {
	case *wire.Event_ChangeSetAccepted:
		v.edit(b.ChangeSetAccepted.Changes, r.TimeUS)
	case *wire.Event_HoldPlaced:
		v.placed(b.HoldPlaced, r.TimeUS)
	case *wire.Event_HoldExtended:
		v.extended(b.HoldExtended)
	case *wire.Event_HoldReleased:
		v.close(b.HoldReleased.Call)
	case *wire.Event_CallCharged:
		v.close(b.CallCharged.Call)
		v.charged(b.CallCharged.Lines, r.TimeUS)
	case *wire.Event_OfflineWrittenUp:
		if b.OfflineWrittenUp.Hold != nil {
			v.placed(b.OfflineWrittenUp.Hold, r.TimeUS)
		}
		v.charged(b.OfflineWrittenUp.Lines, r.TimeUS)
	}
}

// observed takes an event of the log. What is counted of it is what was dialled and
// let through: the record of the route follows the hold, so no call counts itself.
func (v *View) observed(e *wire.Event) {
	switch b := e.GetBody().(type) {
	case *wire.Event_CallReceived:
		if v.asks(wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER) {
			v.received(b.CallReceived)
		}
	case *wire.Event_CallRouted:
		v.routed(b.CallRouted)
	case *wire.Event_LegEnded:
		if id, err := events.CallIDFrom(b.LegEnded.Call); err == nil && b.LegEnded.Leg == 0 {
			delete(v.dialled, id)
		}
	case *wire.Event_GuardTripped:
		v.keep(b.GuardTripped)
	case *wire.Event_GuardLifted:
		v.lift(b.GuardLifted)
	}
}

func (v *View) received(e *wire.CallReceived) {
	id, err := events.CallIDFrom(e.Call)
	called, ok := number.Normalise(e.CalledRouted)
	if err != nil || !ok || e.Account == "" || len(v.dialled) >= v.bounds.Open {
		return
	}
	v.dialled[id] = dial{e.Account, called}
}

func (v *View) routed(e *wire.CallRouted) {
	id, err := events.CallIDFrom(e.Call)
	d, ok := v.dialled[id]
	if err != nil || !ok {
		return
	}
	delete(v.dialled, id)
	if e.Refused == "" && e.Emergency == "" {
		v.count(subject{place{d.account, d.called}, true}, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, e.AtUs, 1)
	}
}

// Destination is what calls are counted by: the destination of the sell price, or
// its prefix where it has no name.
func Destination(sell *wire.Terms) string {
	if sell.GetDestination() != "" {
		return sell.Destination
	}
	return sell.GetPrefix()
}

func (v *View) placed(e *wire.HoldPlaced, atUS int64) {
	id, err := events.CallIDFrom(e.Call)
	if err != nil || e.Emergency != "" {
		return
	}
	spend := v.asks(wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION) && len(v.holds) < v.bounds.Open
	var list []held
	for _, l := range e.Lines {
		h := held{place{l.Payer, Destination(l.Sell)}, l.AmountMicro}
		if l.Payer != "" && l.Did == "" { // the owner of a number does not call it
			v.see(h.place, atUS)
			v.count(subject{place: h.place}, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION, atUS, 1)
		}
		list = append(list, h) // those of nobody, too: extensions go by the lines' order
	}
	if _, again := v.holds[id]; spend && !again {
		v.holds[id] = list
		v.hold(list, 1)
	}
}

// hold adds what a call holds to what is held for its destinations, or takes it away.
func (v *View) hold(list []held, sign int64) {
	for _, h := range list {
		if v.holding[h.place] += sign * h.micro; v.holding[h.place] == 0 {
			delete(v.holding, h.place)
		}
	}
}

func (v *View) extended(e *wire.HoldExtended) {
	id, err := events.CallIDFrom(e.Call)
	list := v.holds[id]
	if err != nil || len(list) == 0 {
		return
	}
	v.hold(list, -1)
	for i := range min(len(list), len(e.AmountsMicro)) {
		list[i].micro = e.AmountsMicro[i]
	}
	v.hold(list, 1)
}

func (v *View) close(call []byte) {
	if id, err := events.CallIDFrom(call); err == nil {
		v.hold(v.holds[id], -1)
		delete(v.holds, id)
	}
}

func (v *View) charged(lines []*wire.PriceLine, atUS int64) {
	for _, l := range lines {
		if l.Side != wire.Side_SIDE_SELL || l.Account == "" {
			continue
		}
		p := place{l.Account, Destination(l.Terms)}
		if !l.Unanswered {
			v.see(p, atUS)
		}
		v.count(subject{place: p}, wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION, atUS, l.GrossMicro)
	}
}

// see remembers a destination. This goes on without any rule, so that the first one
// knows what is not new.
func (v *View) see(p place, atUS int64) {
	if last, known := v.seen[p]; known {
		v.seen[p] = max(last, atUS)
		return
	}
	if v.room("destinations", len(v.seen), v.bounds.Seen, atUS, func() {
		for p, last := range v.seen {
			if last <= atUS-memory {
				delete(v.seen, p)
			}
		}
	}, func() int { return len(v.seen) }) {
		v.seen[p] = atUS
	}
}

// asks tells whether some rule asks for a measure.
func (v *View) asks(of wire.GuardMeasure) bool {
	return slices.ContainsFunc(v.rules, func(r *rule) bool { return r.Measure == of && !r.Disabled })
}

// count adds to the counters of a subject, one for each window that is asked for.
func (v *View) count(s subject, of wire.GuardMeasure, atUS, n int64) {
	for m, since := range v.since {
		if m.of != of || atUS < since || n == 0 {
			continue
		}
		c := v.counters[s][m]
		if c == nil {
			if c = v.counter(s, m, atUS); c == nil {
				continue
			}
		}
		c.add(m.slot(atUS), n)
	}
}

// counter makes room for one; nil means that there is none.
func (v *View) counter(s subject, m measure, atUS int64) *counter {
	if !v.room("counters", v.counted, v.bounds.Counters, atUS, func() { v.sweepCounters(atUS) }, func() int { return v.counted }) {
		return nil
	}
	if v.counters[s] == nil {
		v.counters[s] = map[measure]*counter{}
	}
	c := new(counter)
	v.counters[s][m] = c
	v.counted++
	return c
}

func (v *View) sweepCounters(nowUS int64) {
	v.forget(func(m measure, c *counter) bool { return c.sum(m.slot(nowUS)) == 0 })
}

// forget drops counters.
func (v *View) forget(over func(measure, *counter) bool) {
	for s, of := range v.counters {
		for m, c := range of {
			if over(m, c) {
				delete(of, m)
				v.counted--
			}
		}
		if len(of) == 0 {
			delete(v.counters, s)
		}
	}
}

// edit takes the rules out of a change of the catalog.
func (v *View) edit(changes []*wire.Change, atUS int64) {
	touched := false
	for _, c := range changes {
		g := c.GetEntity().GetGuardRule()
		if g == nil {
			continue
		}
		touched = true
		at, found := slices.BinarySearchFunc(v.rules, g.Id, func(r *rule, id string) int { return strings.Compare(r.Id, id) })
		if found {
			v.rules = slices.Delete(v.rules, at, at+1)
		}
		if !c.Remove {
			v.rules = slices.Insert(v.rules, at, newRule(g))
		}
	}
	if !touched {
		return
	}
	asked := map[measure]int64{}
	for _, r := range v.rules {
		m := measure{r.Measure, r.WindowS}
		if r.Disabled || !m.counts() {
			continue
		}
		if asked[m] = atUS; v.since[m] != 0 {
			asked[m] = v.since[m]
		}
	}
	v.since = asked
	v.forget(func(m measure, _ *counter) bool { return asked[m] == 0 })
	if !v.asks(wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION) {
		clear(v.holds)
		clear(v.holding)
	}
	if !v.asks(wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER) {
		clear(v.dialled)
	}
}

// price is what a minute is sold for at most, before tax, in nano-units of the
// payer's currency.
func price(sell *wire.Terms) int64 {
	first, next, ok := rating.PerMinute(sell)
	if !ok {
		return 1<<63 - 1 // too large to be converted
	}
	return max(first, next)
}
