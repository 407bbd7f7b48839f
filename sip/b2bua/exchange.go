package b2bua

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/transaction"
)

var errNoStream = errors.New("no audio or image stream")

// exchange is a change of the session on its way from one end to the other (RFC
// 3261, section 14; RFC 3311). There is one at a time in a call. It belongs to the
// call's goroutine.
type exchange struct {
	call   *session
	from   *asked // the far end's request; nil for one of our own
	to     *end
	method sip.RequestMethod // towards to
	offer  *heard            // from's; nil where to is asked for one
	before []byte            // what was said to to
	sent   *sip.Request
	tx     *transaction.Client // our INVITE's
	acks   acks
	heard  bool // a provisional answer has come
	final  bool // to has answered
	given  bool // up: from is answered already
	early  bool // before the call's answer
	// unacked is the CSeq of to's 2xx while its ACK waits for from's.
	unacked uint32
	after   func(now call.Now, res *sip.Response) // of our own: what came of it
}

// busy says why an end cannot change the session now (RFC 3261, section 14.2, and
// RFC 3311, section 5.2); 0 if it can.
func (c *session) busy(e *end) (code int, reason string, more []sip.Header) {
	if !c.machine.Talking() || !c.current(e) || c.transfer.left(c.other(e)) {
		return 491, "Request Pending", nil
	}
	return c.changing(e)
}

// changing says why an end's offer must wait: for another one of its own, or of the
// other side's.
func (c *session) changing(e *end) (code int, reason string, more []sip.Header) {
	switch x := c.exchange; {
	case x != nil && x.from != nil && x.from.end == e:
		return 500, "Offer In Progress", later()
	case x != nil, e.accepted.waits() && e.accepted.onAck != nil:
		return 491, "Request Pending", nil
	}
	return 0, "", nil
}

// later asks to wait for a moment (RFC 3311, section 5.2).
func later() []sip.Header { return []sip.Header{sip.NewHeader("Retry-After", seconds(rand.IntN(11)))} }

// onChange takes a re-INVITE or an UPDATE of an answered call.
func (s *Switch) onChange(now call.Now, a *asked) {
	e, c := a.end, a.end.call
	if !c.machine.Talking() && !a.req.IsInvite() {
		s.onEarly(a)
		return
	}
	if code, reason, more := c.busy(e); code != 0 {
		a.refuse(code, reason, more...)
		return
	}
	if least := tooShort(a.req); least != nil {
		a.refuse(422, "Session Interval Too Small", least)
		return
	}
	e.learn(a.req)
	if a.req.IsInvite() {
		e.accepted.settle() // he has had our 200; an UPDATE may be from before it
	}
	body := a.req.Body()
	switch {
	case len(body) == 0 && !a.req.IsInvite():
		e.dialog.refresh(a.req)
		a.agree(nil, nil, e.asServer(a.req)...)
		c.stands()
		return
	case len(body) > 0 && e.theirs != nil && bytes.Equal(body, e.theirs.Bytes()):
		e.dialog.refresh(a.req) // nothing changes: a refresh of this leg's session
		a.agree(e.said, nil, e.asServer(a.req)...)
		c.stands()
		return
	}
	x := &exchange{call: c, from: a, to: c.other(e), method: a.req.Method}
	if x.method == sip.UPDATE && !x.to.updates {
		x.method = sip.INVITE
	}
	var offer []byte
	if len(body) > 0 {
		h, err := e.hear(body, a.req.Source())
		if err != nil {
			c.sw.badDescription(c, e.leg, err)
			a.refuse(400, "Bad Session Description")
			return
		}
		if m, ok := h.stream(true); ok {
			if err := e.admits(m); err != nil {
				c.sw.badDescription(c, e.leg, err)
				a.refuse(488, "Not Acceptable Here")
				return
			}
		}
		x.offer, x.before = h, x.to.said
		var ok bool
		if offer, ok = x.to.say(e, h.session, true, asOffer); !ok {
			a.refuse(488, "Not Acceptable Here")
			return
		}
	}
	if a.req.IsInvite() {
		c.sw.respond(a.req, a.tx, 100, "Trying")
		a.tx.OnCancel(func(*sip.Request) {
			c.postAsync(func(now call.Now) { x.cancelled(now) })
		})
	}
	x.send(offer)
}

// send sends the change on.
func (x *exchange) send(body []byte) {
	c, to := x.call, x.to
	c.exchange = x
	req := to.dialog.request(x.method)
	req.AppendHeader(&sip.ContactHeader{Address: to.dialog.way.contact()})
	req.AppendHeader(sip.NewHeader("Allow", to.allow()))
	req.AppendHeader(sip.NewHeader("Supported", strings.Join(to.extensions(), ", ")))
	if to.timer.interval > 0 {
		refresher := "uas"
		if to.timer.ours {
			refresher = "uac"
		}
		for _, h := range to.asking(refresher) {
			req.AppendHeader(h)
		}
	}
	describe(req, body)
	x.sent = req
	c.transact(req, func(tx *transaction.Client) {
		tx.OnRepeat(x.repeated)
		c.post(func(call.Now) { x.tx = tx })
	}, x.hear)
	if x.method == sip.INVITE {
		time.AfterFunc(patience(), func() {
			c.post(func(now call.Now) {
				if !x.final {
					x.giveUp(now, 504, "Server Time-out")
				}
			})
		})
	}
}

// repeated acknowledges a 2xx again. Another fork cannot answer within a dialog.
func (x *exchange) repeated(res *sip.Response) {
	if res.To() != nil {
		x.acks.repeat(x.call.log, "")
	}
}

// cancelled takes the far end's CANCEL of its re-INVITE.
func (x *exchange) cancelled(now call.Now) { x.giveUp(now, 487, "Request Terminated") }

// giveUp refuses the change to who asked for it, and takes it back from the other
// side, at once or with its first provisional answer.
func (x *exchange) giveUp(_ call.Now, code int, reason string) {
	if x.from != nil {
		x.from.refuse(code, reason)
	}
	if x.given || x.final {
		return
	}
	x.given = true
	x.sendCancel()
}

func (x *exchange) sendCancel() {
	if !x.given || !x.heard || x.final || x.method != sip.INVITE {
		return
	}
	x.call.cancel(x.sent, x.tx, 0)
}

// hear takes what the other side answers; nil is nothing at all.
func (x *exchange) hear(now call.Now, res *sip.Response) {
	if res != nil && res.IsProvisional() {
		if !x.heard {
			x.heard = true
			x.sendCancel()
		}
		return
	}
	if x.final {
		return
	}
	x.final = true
	c := x.call
	if res != nil && res.IsSuccess() {
		x.to.learn(res)
		x.to.dialog.refresh(res)
	}
	switch {
	case c.machine.Over():
		x.acknowledge(res, nil)
		c.exchange = nil
	case !x.early && (res == nil || res.StatusCode == 408 || res.StatusCode == 481):
		// The far end knows of no such call (RFC 3261, section 12.2.1.2).
		x.done(now, res)
		x.refuseFrom(res)
		c.do(c.machine.HangUp(now, call.CauseGone))
	case res != nil && res.IsSuccess():
		x.agreed(now, res)
	default:
		if x.before != nil {
			x.to.said = x.before
		}
		x.done(now, res)
		x.refuseFrom(res)
	}
}

// done ends the exchange.
func (x *exchange) done(now call.Now, res *sip.Response) {
	x.call.exchange = nil
	if x.after != nil {
		x.after(now, res)
	}
	if x.early {
		x.call.in.reliable.release()
		return
	}
	x.call.stands()
}

// useless ends a call whose sides do not understand each other any more; one that is
// not answered goes on as it was.
func (x *exchange) useless(now call.Now) {
	if !x.early {
		x.call.do(x.call.machine.HangUp(now, call.CauseBadAnswer))
	}
}

// refuseFrom passes the other side's refusal back; the call goes on as it was.
func (x *exchange) refuseFrom(res *sip.Response) {
	if x.from == nil {
		return
	}
	switch {
	case x.early && (res == nil || res.StatusCode == 408 || res.StatusCode == 481):
		x.from.early(500, "Not Now", later()...) // the INVITE shows what becomes of the call
		return
	case res == nil:
		x.from.refuse(408, "Request Timeout")
		return
	}
	code, reason := res.StatusCode, clip(res.Reason)
	if code < 400 || code == 401 || code == 407 || code == 422 {
		code, reason = 488, "Not Acceptable Here" // those are between us and the other side
	}
	var more []sip.Header
	if after := first(res, "Retry-After"); after != "" && deltaSeconds(after) > 0 {
		more = append(more, sip.NewHeader("Retry-After", inSeconds(deltaSeconds(after))))
	}
	x.from.early(code, reason, more...)
}

// acknowledge sends the ACK of to's 2xx to an INVITE.
func (x *exchange) acknowledge(res *sip.Response, body []byte) {
	if x.method == sip.INVITE && res != nil && res.IsSuccess() {
		x.acks.send(x.call, "", x.to.dialog.ack(res.CSeq().SeqNo, body))
	}
}

// agreed takes to's 2xx.
func (x *exchange) agreed(now call.Now, res *sip.Response) {
	c, to := x.call, x.to
	switch {
	case first(res, "Session-Expires", "x") != "":
		to.asClient(res)
	case to.timer.ours:
		to.arm() // whatever it says: our refreshes show whether it is there
	default:
		to.timer.stop()
	}
	var theirs *heard
	if len(res.Body()) > 0 {
		h, err := to.hear(res.Body(), res.Source())
		if err != nil {
			c.sw.badDescription(c, to.leg, err)
		} else if _, ok := h.stream(x.fax()); ok {
			theirs = h
		}
	}
	switch {
	case x.from == nil:
		x.acknowledge(res, nil)
		if theirs != nil && to.heed(theirs, x.fax(), asAnswer) != nil {
			x.useless(now)
		}
		x.done(now, res)
	case theirs == nil:
		x.acknowledge(res, nil)
		x.from.refuse(488, "Not Acceptable Here")
		x.done(now, res)
		x.useless(now)
	case x.given:
		var answer []byte
		if x.offer == nil {
			answer = to.said // it made an offer, and its ACK must bear an answer
		}
		x.acknowledge(res, answer)
		x.done(now, res)
		as := asAnswer
		if x.offer == nil {
			as = asOffer
		}
		if to.heed(theirs, x.fax(), as) != nil {
			x.useless(now)
			return
		}
		x.takeBack(now)
	case x.offer == nil:
		x.passOffer(res, theirs)
	default:
		x.acknowledge(res, nil)
		x.passAnswer(now, theirs)
	}
}

// fax tells whether the change may lead to T.38: then a live image goes before
// audio. The first descriptions of a call are for talking.
func (x *exchange) fax() bool { return !x.early }
