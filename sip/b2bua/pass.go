package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
)

// passAnswer gives to's answer to from.
func (x *exchange) passAnswer(now call.Now, answer *heard) {
	c, from := x.call, x.from.end
	err := x.to.heed(answer, x.fax(), asAnswer)
	if !c.current(from) {
		x.done(now, nil) // an attempt that has failed meanwhile
		return
	}
	if err == nil {
		err = from.heed(x.offer, x.fax(), asOffer)
	}
	body, ok := from.say(x.to, answer.session, x.fax(), asAnswer)
	if err != nil || !ok {
		c.log.Info("a change of the session cannot be followed", "leg", from.leg, "err", err)
		x.from.refuse(488, "Not Acceptable Here")
		x.done(now, nil)
		x.useless(now)
		return
	}
	c.held()
	from.dialog.refresh(x.from.req)
	if x.early {
		x.from.agree(body, nil)
		c.settled()
	} else {
		x.from.agree(body, nil, from.asServer(x.from.req)...)
	}
	x.done(now, nil)
}

// passOffer gives to's offer, which it made in its 2xx, to from, and from's answer,
// which comes in the ACK, back to it.
func (x *exchange) passOffer(res *sip.Response, offer *heard) {
	c, from := x.call, x.from.end
	x.unacked = res.CSeq().SeqNo
	body, ok := from.say(x.to, offer.session, x.fax(), asOffer)
	if !ok {
		x.from.refuse(488, "Not Acceptable Here")
		c.do(c.machine.HangUp(c.sw.now(), call.CauseBadAnswer))
		return
	}
	from.dialog.refresh(x.from.req)
	x.from.agree(body, func(now call.Now, ack *sip.Request) {
		if !c.delayed(from, x.to, offer, ack, x.fax(), func(answer []byte) {
			x.unacked = 0
			x.acks.send(c, "", x.to.dialog.ack(res.CSeq().SeqNo, answer))
		}) {
			c.do(c.machine.HangUp(now, call.CauseBadAnswer))
			return
		}
		x.done(now, res)
	}, from.asServer(x.from.req)...)
}

// delayed completes an exchange whose answer came in an ACK: it puts both sides'
// descriptions into force and has the answer sent. False says that there was none
// that can be used.
func (c *session) delayed(from, to *end, offer *heard, ack *sip.Request, fax bool, send func([]byte)) bool {
	answer, err := from.hear(ack.Body(), ack.Source())
	if err == nil {
		err = from.heed(answer, fax, asAnswer)
	}
	if err == nil {
		err = to.heed(offer, fax, asOffer)
	}
	if err != nil {
		c.sw.badDescription(c, from.leg, err)
		return false
	}
	body, ok := to.say(from, answer.session, fax, asAnswer)
	if ok {
		c.held()
		send(body)
		c.stands()
	}
	return ok
}

// abandon ends what is in progress when the call ends (RFC 3261, section 15.1.2).
func (x *exchange) abandon() {
	if x == nil {
		return
	}
	if x.from != nil {
		x.from.refuse(487, "Request Terminated")
		x.from.conclude(false)
	}
	if x.unacked != 0 {
		x.acks.send(x.call, "", x.to.dialog.ack(x.unacked, nil))
		x.unacked = 0
	}
	if !x.final && !x.given {
		x.given = true
		x.sendCancel()
	}
}
