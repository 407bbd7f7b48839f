package b2bua

import (
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/evidence"
	"github.com/tollbook/tollbook/media/relay"
)

// inboxLength bounds what waits for a call's goroutine.
const inboxLength = 32

// session is one call: its machine and all that the machine's effects act on.
// Its fields belong to the call's goroutine, but for those that say otherwise.
type session struct {
	sw      *Switch
	id      events.CallID
	log     *slog.Logger
	inbox   chan func(call.Now)
	done    chan struct{}              // closed when the goroutine has ended
	media   atomic.Pointer[relay.Call] // read by signs of life
	talking atomic.Bool                // read by signs of life
	vendor  atomic.Pointer[netip.Addr] // of the last attempt, read by signs of life
	source  netip.Addr                 // the caller's, never changes
	ends    atomic.Int32               // transactions that the call must outlive
	timers  map[call.Timer]*time.Timer
	once    sync.Once

	machine  *call.Machine
	origin   *wire.Originator
	plans    []call.Plan
	decision routing.Decision
	routed   *wire.CallRouted // the decision for the record
	in       *ingress
	legs     map[uint32]*egress
	recorded int
	money    bool         // a hold was placed
	exchange *exchange    // the change of the session in progress, if any
	resting  atomic.Bool  // on hold, or fax: read by signs of life
	resumed  atomic.Int64 // monotonic time at which the call last ceased to rest

	evidence    *evidence.Call // nil where none is kept
	complained  bool           // about a session description
	chain       []string       // the subscribers who have forwarded the call
	own         bool           // its originator sends his own call on
	transfer    *transfer
	transfers   int
	retired     []*dialog // those that something else has taken the place of
	devicesSaid uint32    // the SIP code of a subscriber's devices
	granted     int       // the candidate that the book gave the call a channel of
	tried       int       // the leg of the last vendor that was tried

	standing  atomic.Bool   // it will be looked at again how the call stands
	stood     []byte        // how it stood when that was last written down
	dropped   bool          // another node has the call: nothing of it is recorded here
	from      string        // the node that it was taken over from
	life      string        // names what that node left: events and commands from then on differ
	claiming  bool          // the far ends wait for the book's word
	claimed   chan struct{} // closed when the book has answered the claim; nil without one
	lostClaim atomic.Bool   // the book has said no
}

func (s *Switch) newSession(o *wire.Originator, source netip.Addr) *session {
	return s.sessionOf(s.newID(), o, source)
}

// post has fn run on the call's goroutine. Once the call has ended it does
// nothing.
func (c *session) post(fn func(call.Now)) {
	select {
	case c.inbox <- fn:
	case <-c.done:
	}
}

// postAsync posts from where waiting is not allowed.
func (c *session) postAsync(fn func(call.Now)) {
	select {
	case c.inbox <- fn:
	default:
		go c.post(fn)
	}
}

// run serves the inbox until the call is over and its transactions have ended.
func (c *session) run() {
	for !c.machine.Over() || c.ends.Load() > 0 {
		if c.machine.Over() {
			c.decided()
		}
		c.step(<-c.inbox)
	}
}

// step runs what was posted. A panic ends the call in good order, charged as any
// other, and not the process; should hanging up panic, too, the call is given up
// and the next start, or the sweep of holds, closes it.
func (c *session) step(fn func(call.Now)) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("a call panicked and is hung up", "panic", r, "stack", string(debug.Stack()))
			c.do(c.machine.HangUp(c.sw.now(), call.CauseInternal))
		}
	}()
	fn(c.sw.now())
}

// decided tells the switch that nothing of the call is left but transactions.
func (c *session) decided() { c.once.Do(c.sw.work.Done) }

// begin and end count a transaction that the call must outlive. end wakes the
// goroutine up, so that it notices.
func (c *session) begin() { c.ends.Add(1) }

func (c *session) end() {
	c.ends.Add(-1)
	c.postAsync(func(call.Now) {})
}

// finish takes the call out of the switch.
func (c *session) finish() {
	defer c.decided()
	for _, t := range c.timers {
		t.Stop()
	}
	c.closeEvidence()
	if m := c.media.Load(); m != nil {
		m.Close()
	}
	s := c.sw
	s.mu.Lock()
	delete(s.calls, c.id)
	if s.parties[c.source]--; s.parties[c.source] == 0 {
		delete(s.parties, c.source)
	}
	s.mu.Unlock()
	if c.in.mergeKey != "" {
		s.forgetInvite(c.in.mergeKey)
	}
	c.in.dialog.forget(s)
	for _, d := range c.retired {
		d.forget(s)
	}
	for _, l := range c.legs {
		l.dialog.forget(s)
		l.forget()
		l.leave()
		l.timer.stop()
		l.theirs, l.agreed, l.plan = nil, nil, call.Plan{}
	}
	c.in.timer.stop()
	close(c.done)
	// Whoever still holds the call, such as a view of the moment before, holds little.
	c.media.Store(nil)
	c.machine, c.plans, c.legs, c.timers, c.decision = nil, nil, nil, nil, routing.Decision{}
	c.in.theirs, c.in.body, c.in.agreed = nil, nil, nil
}

// forgetInvite lets an INVITE come again by another way when the transaction of the
// first one is over for sure.
func (s *Switch) forgetInvite(key string) {
	time.AfterFunc(patience(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.invites, key)
	})
}

// silent is how long no RTP has come from either side of an answered call.
func (c *session) silent() time.Duration {
	m := c.media.Load()
	if m == nil || !c.talking.Load() || c.resting.Load() {
		return 0
	}
	return min(m.Silent(relay.A), m.Silent(relay.B), c.sw.now().Mono-time.Duration(c.resumed.Load()))
}

// do carries out effects in order.
func (c *session) do(effects []call.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case call.SendInvite:
			c.invite(e)
		case call.Advance:
			c.advance(e.Index)
		case call.SendCancel:
			c.legs[e.Leg].cancel(e.Q850)
		case call.SendBye:
			c.exchange.abandon()
			c.transfer.giveUp(c.sw.now())
			c.bye(e)
		case call.Provisional:
			c.in.provisional(int(e.Code))
		case call.AnswerCaller:
			c.talking.Store(true)
			c.recordTalk(c.legs[e.Leg])
			c.in.answer(c.legs[e.Leg])
			c.stands()
		case call.RejectCaller:
			c.in.reject(int(e.Code), e.Reason, e.Q850)
		case call.Set:
			c.set(e)
		case call.Clear:
			c.clear(e.Timer)
		case call.Extend:
			c.extend(e.Paid)
		case call.Charge:
			c.charge(e.Call)
		case call.Release:
			c.release(e.Reason)
		case call.Record:
			c.record(e.Event)
		default:
			panic(fmt.Sprintf("b2bua: unknown effect %T", e))
		}
	}
}

func (c *session) set(e call.Set) {
	c.clear(e.Timer)
	var t *time.Timer
	t = time.AfterFunc(e.After, func() {
		c.post(func(now call.Now) {
			if c.timers[e.Timer] == t { // not cleared or set anew meanwhile
				delete(c.timers, e.Timer)
				c.do(c.machine.Expired(now, e.Timer))
			}
		})
	})
	c.timers[e.Timer] = t
}

func (c *session) clear(name call.Timer) {
	if t := c.timers[name]; t != nil {
		t.Stop()
		delete(c.timers, name)
	}
}

func (c *session) bye(e call.SendBye) {
	if e.Leg == 0 {
		c.in.bye(e)
		return
	}
	c.legs[e.Leg].bye(e)
}

// record completes an event with what the machine does not know, and hands it
// to the log.
func (c *session) record(e *wire.Event) {
	c.recorded++
	e.Id = events.EventID(append(c.id[:], c.life...), c.recorded)
	e.Actor = "node:" + c.sw.config.Node
	switch b := e.Body.(type) {
	case *wire.Event_LegAnswered:
		c.describe(b.LegAnswered)
	case *wire.Event_LegEnded:
		b.LegEnded.Media = c.quality(b.LegEnded.Leg)
		b.LegEnded.Recorded, b.LegEnded.Captured = c.kept()
		if l := c.legs[b.LegEnded.Leg]; l != nil {
			b.LegEnded.Tried = l.addresses()
			c.leave(l)
		}
	}
	if !c.dropped {
		c.sw.config.Log.Record(e)
	}
}

// leave takes an attempt that has ended out of a change of the session.
func (c *session) leave(l *egress) {
	if !l.left {
		l.left = true
		c.exchange.leave(l)
	}
}
