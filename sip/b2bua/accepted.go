package b2bua

import (
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
)

// accepted is our 2xx to an INVITE, sent again and again until it is acknowledged
// (RFC 3261, section 13.3.1.4). It belongs to the call's goroutine.
type accepted struct {
	end     *end
	tx      gate.ServerTransaction
	res     *sip.Response
	seq     uint32
	pending bool
	wait    time.Duration
	waited  time.Duration
	// onAck is told of the ACK, once; it may be nil.
	onAck func(now call.Now, ack *sip.Request)
}

// accept sends a 2xx and repeats it. The call ends if no ACK comes.
func (e *end) accept(tx gate.ServerTransaction, res *sip.Response, onAck func(call.Now, *sip.Request)) {
	a := &accepted{
		end: e, tx: tx, res: res, seq: res.CSeq().SeqNo, pending: true, wait: sip.T1, onAck: onAck,
	}
	e.accepted = a
	e.call.begin()
	a.send()
	a.again()
}

func (a *accepted) send() {
	if err := a.tx.Respond(a.res); err != nil {
		a.end.call.log.Debug("a 2xx could not be sent", "leg", a.end.leg, "err", err)
	}
}

func (a *accepted) again() {
	wait := a.wait
	c := a.end.call
	time.AfterFunc(wait, func() {
		c.post(func(now call.Now) {
			if !a.pending {
				return
			}
			if a.waited += wait; a.waited >= 64*sip.T1 {
				a.settle()
				c.do(c.machine.HangUp(now, call.CauseNoAck))
				return
			}
			a.send()
			a.wait = min(2*a.wait, sip.T2, 64*sip.T1-a.waited)
			a.again()
		})
	})
}

// settle ends the wait for the ACK.
func (a *accepted) settle() {
	if a != nil && a.pending {
		a.pending = false
		a.end.call.end()
	}
}

// waits tells whether the ACK has not come.
func (a *accepted) waits() bool { return a != nil && a.pending }

// acknowledged takes an ACK; one of another INVITE, or a repeated one, is nothing.
func (a *accepted) acknowledged(now call.Now, ack *sip.Request) {
	if !a.waits() || ack.CSeq().SeqNo != a.seq {
		return
	}
	a.settle()
	if a.onAck != nil {
		a.onAck(now, ack)
	}
}
