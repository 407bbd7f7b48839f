package b2bua

import (
	"math/rand/v2"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
)

// refresh keeps a leg's session alive: by an UPDATE without a description where the
// far end takes that, else by a re-INVITE with the description in force (RFC 4028,
// section 7.4).
func (c *session) refresh(now call.Now, e *end) {
	if c.exchange != nil || e.accepted.waits() {
		e.timer.refresh = e.after(time.Second, func(now call.Now) { c.refresh(now, e) })
		return
	}
	x := &exchange{call: c, to: e, method: sip.INVITE}
	body := e.said
	if e.updates {
		x.method, body = sip.UPDATE, nil
	}
	x.after = func(_ call.Now, res *sip.Response) {
		switch {
		case res == nil || res.IsSuccess():
		case res.StatusCode == 491:
			e.timer.refresh = e.after(glare(e.leg), func(now call.Now) { c.refresh(now, e) })
		case res.StatusCode == 422 && e.raised(res):
			c.refresh(now, e)
		case res.StatusCode == 405 || res.StatusCode == 501:
			if e.updates {
				e.updates = false
				c.refresh(now, e)
			}
		default:
			c.log.Info("a session could not be refreshed", "leg", e.leg, "code", res.StatusCode)
		}
	}
	x.send(body)
}

// glare is the wait before a change is tried again that met one of the far end's
// (RFC 3261, section 14.1): longer for who made the Call-ID, which are we towards
// vendors.
func glare(leg uint32) time.Duration {
	if leg == 0 {
		return time.Duration(rand.IntN(201)) * 10 * time.Millisecond
	}
	return 2100*time.Millisecond + time.Duration(rand.IntN(191))*10*time.Millisecond
}

// takeBack restores what was in force with an end that agreed to a change which
// its asker had given up meanwhile.
func (x *exchange) takeBack(call.Now) {
	if x.before == nil {
		x.before = x.to.said
	}
	c, body := x.call, x.before
	x.to.said = body
	back := &exchange{call: c, to: x.to, method: sip.INVITE}
	back.after = func(now call.Now, res *sip.Response) {
		switch {
		case res == nil || res.IsSuccess():
		case res.StatusCode == 491:
			x.to.after(glare(x.to.leg), func(now call.Now) {
				if c.exchange == nil {
					x.takeBack(now)
				}
			})
		default: // then the one who gave it up is told that it is in force
			x.to.said = x.sent.Body()
			c.align(now, x.from.end)
		}
	}
	back.send(body)
}
