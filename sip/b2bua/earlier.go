package b2bua

import (
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/media/sdp"
)

// onEarly takes a change of the session before the call's answer: an UPDATE, or a
// PRACK with an offer. It may come once the first offer has its answer, in a
// provisional answer that was acknowledged (RFC 3311, section 5.1; RFC 3262, section 5).
func (s *Switch) onEarly(a *asked) {
	e, c := a.end, a.end.call
	e.learn(a.req)
	body := a.req.Body()
	switch {
	case c.machine.Over() || !c.current(e):
		a.refuse(481, "Call/Transaction Does Not Exist")
		return
	case len(body) == 0:
		e.dialog.refresh(a.req)
		a.agree(nil, nil)
		return
	}
	if code, reason, more := c.tooEarly(e); code != 0 {
		a.early(code, reason, more...)
		return
	}
	h, err := e.hear(body, a.req.Source())
	if err != nil {
		c.sw.badDescription(c, e.leg, err)
		a.early(400, "Bad Session Description")
		return
	}
	to := c.other(e)
	switch {
	case to != nil && c.hasAnswer(to) && to.updates:
	case e.leg != 0 && !c.hasAnswer(to):
		c.standIn(a, h)
		return
	case to != nil && c.hasAnswer(to):
		a.early(488, "Not Acceptable Here") // it does not know UPDATE
		return
	default:
		a.early(500, "Not Yet", later()...) // nobody has answered the caller's first offer
		return
	}
	x := &exchange{call: c, from: a, to: to, method: sip.UPDATE, early: true, offer: h, before: to.said}
	offer, ok := to.say(e, h.session, x.fax(), asOffer)
	if !ok {
		a.early(488, "Not Acceptable Here")
		return
	}
	x.send(offer)
}

// early refuses a change; a PRACK has one refusal for it.
func (a *asked) early(code int, reason string, more ...sip.Header) {
	if a.req.Method == sip.PRACK {
		code, reason, more = 488, "Not Acceptable Here", nil
	}
	a.refuse(code, reason, more...)
}

// tooEarly says why an end cannot make an offer before the answer; 0 if it can (RFC
// 3311, section 5.2).
func (c *session) tooEarly(e *end) (code int, reason string, more []sip.Header) {
	switch {
	case c.hasAnswer(e):
		return c.changing(e)
	case e.leg == 0:
		return 500, "First Offer Not Answered", later() // his
	default:
		return 491, "Request Pending", nil // ours
	}
}

// hasAnswer tells whether the first offer that was made on a leg has its answer,
// though the leg has none yet.
func (c *session) hasAnswer(e *end) bool {
	if e == &c.in.end {
		return c.in.reliable.agreed != nil
	}
	l := c.legs[e.leg]
	f := l.forks[l.dialog.remoteTag]
	return !l.final && f != nil && f.settled
}

// standIn answers a vendor's change for a caller who cannot be asked, since his own
// offer has no answer: he will be told the vendor's description with the next answer.
// That does where he is still to be sent to and heard, in a format of his.
func (c *session) standIn(a *asked, h *heard) {
	l := c.legs[a.end.leg]
	said, err := sdp.Parse(l.said)
	m, ok := h.stream(false)
	if err != nil || !ok || m.OnHold() || m.Direction != sdp.SendRecv || !shares(said, m) || l.heed(h, false, asOffer) != nil {
		a.refuse(488, "Not Acceptable Here")
		return
	}
	answer, answers := l.say(&c.in.end, c.in.theirs, false, asAnswer)
	body, ok := c.in.say(&l.end, h.session, false, asAnswer)
	if !ok || !answers {
		a.refuse(488, "Not Acceptable Here")
		return
	}
	l.forks[l.dialog.remoteTag].theirs, c.in.body = h, body
	l.dialog.refresh(a.req)
	a.agree(answer, nil)
}

// shares tells whether a stream has a format of a description's under the same number.
func shares(said *sdp.Session, m sdp.Media) bool {
	ours, _, ok := said.Stream(false)
	return ok && slices.ContainsFunc(m.Formats, func(f sdp.Format) bool {
		return slices.ContainsFunc(ours.Formats, func(o sdp.Format) bool {
			return o.Token == f.Token && strings.EqualFold(o.Codec, f.Codec)
		})
	})
}

// settled notes what is in force after a change before the answer: what the vendor's
// 200 and ours to the caller stand for.
func (c *session) settled() {
	c.in.body, c.in.reliable.agreed = c.in.said, c.in.said
	if l := c.legs[c.machine.Egress()]; l != nil {
		if f := l.forks[l.dialog.remoteTag]; f != nil {
			f.theirs = &heard{session: l.theirs, source: l.source}
		}
	}
}

// leave ends what was in progress with an attempt that has ended: who asked for a
// change of an early session must not wait for it.
func (x *exchange) leave(l *egress) {
	switch {
	case x == nil || !x.early:
	case x.to == &l.end:
		x.final = true
		x.from.early(500, "Not Any More", later()...)
		x.done(l.call.sw.now(), nil)
	case x.from.end == &l.end:
		x.from.refuse(487, "Request Terminated")
	}
}

// align tells an end what is in force on the other one, where it was told something
// else before.
func (c *session) align(now call.Now, e *end) {
	if c.exchange != nil || e.accepted.waits() {
		e.after(time.Second, func(now call.Now) { c.align(now, e) })
		return
	}
	other, before := c.other(e), e.said
	body, ok := e.say(other, other.theirs, true, asOffer)
	if !ok {
		c.do(c.machine.HangUp(now, call.CauseBadAnswer))
		return
	}
	x := &exchange{call: c, to: e, method: sip.INVITE, before: before}
	x.after = func(_ call.Now, res *sip.Response) {
		switch {
		case res == nil || res.IsSuccess():
		case res.StatusCode == 491:
			e.after(glare(e.leg), func(now call.Now) { c.align(now, e) })
		default:
			c.log.Info("an end does not take the session that the other one is in", "leg", e.leg, "code", res.StatusCode)
		}
	}
	x.send(body)
}
