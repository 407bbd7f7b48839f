package b2bua

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
)

const (
	// claimFirst is how long a call that is taken over waits for the book's word before
	// its far ends are told: without a keeper they would wait for the next one.
	claimFirst = 400 * time.Millisecond
	// resumeTries is how often a far end is asked again to go on with another node that
	// is just changing the session itself.
	resumeTries = 5
)

// Lost is an answered call whose node has died, as the log and the book have it.
type Lost struct {
	ID events.CallID
	// From is the node that it is taken from; this one, where it was started again.
	From string
	// Wrapped is its CallState.
	Wrapped []byte
	Hold    *wire.HoldPlaced
	// AnsweredUS is when it was answered, AliveUS its last proof of life: UTC,
	// microseconds since 1970.
	AnsweredUS, AliveUS int64
}

// Resume goes on with a call of a node that has died: the call is claimed, and the far
// ends are told by a re-INVITE, within their dialogs, where it goes on, but for one whose
// dialog and media are on an address that is here: it notices nothing. It ends at its
// last proof of life where that does not succeed, and without a trace where the book
// gives it to another node. Errors: CodeConflict if it is here, CodeInvalid if its state
// cannot be read, CodeUnavailable when the switch closes.
func (s *Switch) Resume(l Lost) error {
	state, err := s.readState(l.ID, l.Wrapped)
	if err != nil {
		return err
	}
	c, effects, err := s.restored(&l, state)
	if err != nil {
		return events.Invalid("the state of call %s cannot be used: %v", l.ID, err)
	}
	if err := s.readmit(c); err != nil {
		return err
	}
	go func() {
		defer s.ends.Done()
		defer c.finish()
		c.do(effects)
		c.claim(l.From)
		c.run()
	}()
	return nil
}

// restored makes a call out of its state.
func (s *Switch) restored(l *Lost, state *wire.CallState) (*session, []call.Effect, error) {
	if len(state.Ends) != 2 || state.Egress == 0 || int(state.Egress) > len(l.Hold.Route) {
		return nil, nil, fmt.Errorf("leg %d of %d, %d ends", state.Egress, len(l.Hold.Route), len(state.Ends))
	}
	source, err := netip.ParseAddr(state.Source)
	if err != nil {
		return nil, nil, err
	}
	world := s.config.World()
	origin := world.Catalog.Originator(state.Originator)
	if origin == nil {
		origin = &wire.Originator{Id: state.Originator} // removed since, or a subscriber's
	}
	c := s.sessionOf(l.ID, origin, source)
	c.from, c.life = l.From, fmt.Sprintf("%s at %d", l.From, l.AliveUS)
	c.money = true
	c.talking.Store(true)
	for _, candidate := range l.Hold.Route {
		p := call.Plan{Candidate: candidate}
		if t := world.Catalog.Terminator(candidate.Terminator); t != nil {
			p.Company = t.Company
		}
		c.plans = append(c.plans, p)
	}
	c.decision = routing.Decision{Sell: l.Hold.Lines[0].GetSell(), Emergency: l.Hold.Emergency}
	now := s.now()
	machine, effects := call.Resume(l.ID, c.plans, time.Duration(l.Hold.PaidMs)*time.Millisecond, state.Egress, now, l.AnsweredUS, l.AliveUS)
	c.machine, c.tried = machine, int(state.Egress)
	c.in = &ingress{end: end{call: c, side: relay.A}, final: true, caller: routing.CallerDigits(state.Caller), called: state.Called}
	c.in.reliable.in = c.in
	c.in.numbers = number.Set{Caller: state.Caller, CallerName: state.CallerName, Called: state.Called}
	e := &egress{
		end: end{call: c, leg: state.Egress, side: relay.B}, plan: c.plans[state.Egress-1], acks: &acks{}, forks: map[string]*early{}, final: true,
	}
	c.legs[state.Egress] = e
	if err := c.in.restore(state.Ends[0]); err != nil {
		return nil, nil, err
	}
	c.in.req = c.in.invited()
	return c, effects, e.restore(state.Ends[1])
}

// invited stands for the INVITE that the node before has heard.
func (in *ingress) invited() *sip.Request {
	d := &in.dialog
	req := sip.NewRequest(sip.INVITE, d.local)
	from := &sip.FromHeader{Address: d.remote, DisplayName: in.numbers.CallerName}
	from.Params.Add("tag", d.remoteTag)
	to := &sip.ToHeader{Address: d.local}
	to.Params.Add("tag", d.key.localTag)
	id := sip.CallIDHeader(d.key.callID)
	for _, h := range []sip.Header{from, to, &id, &sip.CSeqHeader{SeqNo: d.heardSeq, MethodName: sip.INVITE}} {
		req.AppendHeader(h)
	}
	return req
}

// readmit makes room for a call that is taken over, unless it is here.
func (s *Switch) readmit(c *session) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return events.Refuse(events.CodeUnavailable, "the node takes no calls any more")
	}
	if s.calls[c.id] != nil {
		s.mu.Unlock()
		return events.Refuse(events.CodeConflict, "call %s is here", c.id)
	}
	s.calls[c.id] = c
	s.parties[c.source]++
	s.work.Add(1)
	s.ends.Add(1)
	s.mu.Unlock()
	for _, e := range []*end{&c.in.end, c.other(&c.in.end)} {
		e.dialog.enter(s, c, e.leg)
	}
	return nil
}

// claim asks the book for the call, and begins to go on with it when the answer is there,
// or is late.
func (c *session) claim(from string) {
	c.claimed = make(chan struct{})
	begin := func(now call.Now) {
		if c.claiming {
			c.claiming = false
			c.goOn(now)
		}
	}
	c.claiming = true
	time.AfterFunc(claimFirst, func() { c.post(begin) })
	cmd := c.command("claim", from, time.Now().String())
	cmd.Body = &wire.Command_ClaimHold{ClaimHold: &wire.ClaimHold{Call: c.id[:], From: from}}
	go func() {
		defer close(c.claimed)
		err := c.ask(cmd)
		if err != nil {
			c.lostClaim.Store(true)
		}
		c.post(func(now call.Now) {
			if err != nil {
				c.log.Warn("a call is not taken over", "from", from, "err", err)
				c.drop(now)
				return
			}
			begin(now)
		})
	}()
}

// ask repeats a command until the book has answered it. Meanwhile the call goes on to
// the end of its hold.
func (c *session) ask(cmd *wire.Command) error {
	for {
		ctx, cancel := context.WithTimeout(c.sw.ctx, askWithin)
		_, err := c.sw.config.Book.Execute(ctx, cmd)
		cancel()
		if err == nil || events.CodeOf(err) != events.CodeUnavailable {
			return err
		}
		select {
		case <-c.sw.ctx.Done():
			return err
		case <-time.After(claimFirst):
		}
	}
}

// goOn tells the far ends where the call goes on, but for those that notice nothing: the
// vendor first, then the caller, with the vendor's answer.
func (c *session) goOn(now call.Now) {
	if c.machine.Over() {
		return
	}
	l := c.legs[c.machine.Egress()]
	if c.in.ours || l.ours {
		c.untaken(now, "the other side was a call of the same node")
		return
	}
	if err := c.reopenMedia(l); err != nil {
		c.log.Error("a call's media cannot go on here", "err", err)
		c.untaken(now, "no media")
		return
	}
	c.witnessWith(l.plan.Candidate.Terminator)
	c.moves(now, &l.end, func(now call.Now) { c.moves(now, &c.in.end, c.goesOn) })
}

// moves tells an end where the call goes on, if it must know.
func (c *session) moves(now call.Now, e *end, next func(call.Now)) {
	if e.stays != nil {
		e.arm()
		next(now)
		return
	}
	c.invited(now, e, resumeTries, next)
}

// goesOn tells that both far ends have agreed.
func (c *session) goesOn(call.Now) {
	c.machine.Confirmed()
	c.held()
	c.recordTalk(c.legs[c.machine.Egress()])
	c.stands()
	c.sw.resumed.Add(1)
	c.log.Info("a call goes on here", "from", c.from)
}

// invited sends an end our description, made of what the other end said last, and does
// what is next when it has agreed.
func (c *session) invited(now call.Now, e *end, tries int, next func(call.Now)) {
	if c.exchange != nil || e.accepted.waits() {
		e.after(glareLeast, func(now call.Now) { c.invited(now, e, tries, next) })
		return
	}
	other := c.other(e)
	body, ok := e.say(other, other.theirs, true, asOffer)
	if !ok {
		c.untaken(now, "its description cannot be made anew")
		return
	}
	x := &exchange{call: c, to: e, method: sip.INVITE}
	x.after = func(now call.Now, res *sip.Response) {
		switch {
		case c.machine.Over():
		case res == nil:
			c.untaken(now, "no answer")
		case res.IsSuccess():
			next(now)
		case res.StatusCode == 422 && tries > 0 && e.raised(res):
			c.invited(now, e, tries-1, next)
		case res.StatusCode == 491 && tries > 0:
			e.after(glare(e.leg), func(now call.Now) { c.invited(now, e, tries-1, next) })
		default:
			c.untaken(now, fmt.Sprintf("leg %d: %d %s", e.leg, res.StatusCode, clip(res.Reason)))
		}
	}
	x.send(body)
}

// glareLeast is the wait for another change of the session to end.
const glareLeast = 200 * time.Millisecond

// untaken ends a call that could not be taken over, at its last proof of life.
func (c *session) untaken(now call.Now, why string) {
	c.sw.untaken.Add(1)
	c.log.Warn("a call cannot go on here", "from", c.from, "why", why)
	c.do(c.machine.HangUp(now, call.CauseUntaken))
}

// reopenMedia takes ports for both sides, those that it had where the media stays, and
// tells the relay what the far ends said. Encrypted media has new keys.
func (c *session) reopenMedia(l *egress) error {
	err := c.sameMedia(l)
	if err != nil && (l.stays != nil || c.in.stays != nil) {
		c.log.Warn("a call's media cannot go on where it was", "err", err)
		for _, e := range []*end{&l.end, &c.in.end} {
			e.stays, e.said = nil, nil
		}
		err = c.sameMedia(l)
	}
	if err != nil {
		return err
	}
	if c.evidence != nil {
		c.evidence.Media(c.media.Load())
	}
	for _, e := range []*end{&l.end, &c.in.end} {
		if e.stays != nil {
			continue
		}
		if err := e.heed(&heard{session: e.theirs, source: e.source}, true, asOffer); err != nil {
			return err
		}
	}
	return nil
}

func (c *session) sameMedia(l *egress) error {
	near := l.dialog.way.listener.Addr()
	at, ok := c.sw.config.Media.Address(near, near)
	if !ok {
		return events.Refuse(events.CodeUnavailable, "no media address is of the family of listener %s", l.dialog.way.listener.Name())
	}
	m, err := c.sw.config.Media.Resume(relay.Snapshot{ID: c.id.String(), Legs: [2]relay.LegSnapshot{
		c.in.snapshot(c.mediaAddress(&heard{session: c.in.theirs, source: c.in.source})), l.snapshot(at),
	}})
	if err == nil {
		c.media.Store(m)
	}
	return err
}

// drop lets go of a call that another node has: no message, no record, no charge.
func (c *session) drop(now call.Now) {
	if c.dropped || c.machine.Over() {
		c.dropped = true
		return
	}
	c.dropped = true
	c.sw.dropped.Add(1)
	c.log.Warn("a call goes on at another node")
	c.do(c.machine.Drop(now))
	c.in.accepted.settle()
	for _, l := range c.legs {
		l.accepted.settle()
		c.leave(l)
	}
	if x := c.exchange; x != nil && x.from != nil {
		x.from.refuse(481, "Call/Transaction Does Not Exist")
	}
}

// Drop lets go of a call that another node has taken.
func (s *Switch) Drop(id events.CallID) {
	s.mu.Lock()
	c := s.calls[id]
	s.mu.Unlock()
	if c != nil {
		c.postAsync(c.drop)
	}
}

// sessionOf makes a call of a known id.
func (s *Switch) sessionOf(id events.CallID, o *wire.Originator, source netip.Addr) *session {
	c := &session{
		sw: s, id: id, origin: o, source: source, log: slog.New(callLog{s.config.Logger.Handler(), id, o.Id}),
		inbox: make(chan func(call.Now), inboxLength), done: make(chan struct{}),
		timers: map[call.Timer]*time.Timer{}, legs: map[uint32]*egress{},
	}
	if keeper := s.config.Evidence; keeper != nil {
		c.evidence = keeper.Begin(id)
	}
	return c
}
