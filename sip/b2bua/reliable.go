package b2bua

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
)

// reliable is what makes provisional answers to the caller reliable (RFC 3262): one
// is on its way at a time, repeated until its PRACK comes; what follows waits.
type reliable struct {
	in      *ingress
	number  uint32 // the last RSeq
	pending *sip.Response
	bodied  bool   // the pending one bears a description
	agreed  []byte // the description that was acknowledged: the caller's offer has its answer
	wait    time.Duration
	waited  time.Duration
	next    func() // the latest provisional answer that waits
	answer  func() // the 200 that waits
}

// send makes a provisional answer reliable, now or when the one before it is
// acknowledged. Of those that wait only the latest is worth anything.
func (r *reliable) send(code int, reason string, body []byte) {
	if r.pending != nil {
		r.next = func() { r.send(code, reason, body) }
		return
	}
	r.number++
	r.bodied, r.wait, r.waited = len(body) > 0, sip.T1, 0
	r.pending = r.in.send(code, reason, body, sip.NewHeader("Require", "100rel"),
		sip.NewHeader("RSeq", strconv.FormatUint(uint64(r.number), 10)))
	r.again(r.number)
}

func (r *reliable) again(number uint32) {
	c, wait := r.in.call, r.wait
	time.AfterFunc(wait, func() {
		c.post(func(now call.Now) {
			if r.pending == nil || r.number != number || r.in.final {
				return
			}
			if r.waited += wait; r.waited >= 64*sip.T1 {
				c.do(c.machine.Unheard(now, 504, "Server Time-out", call.CauseNoAck))
				return
			}
			if err := r.in.tx.Respond(r.pending); err != nil {
				c.log.Debug("a provisional answer could not be repeated", "err", err)
			}
			r.wait = min(2*r.wait, 64*sip.T1-r.waited)
			r.again(number)
		})
	})
}

// blocks has the 200 wait while a provisional answer with a description is not
// acknowledged (RFC 3262, section 3), or the session is being changed before it.
func (r *reliable) blocks(answer func()) bool {
	if x := r.in.call.exchange; (r.pending == nil || !r.bodied) && (x == nil || !x.early) {
		return false
	}
	r.answer = answer
	return true
}

// release sends what waited.
func (r *reliable) release() {
	if answer := r.answer; answer != nil {
		r.answer = nil
		answer()
		return
	}
	if next := r.next; next != nil && r.pending == nil && !r.in.final {
		r.next = nil
		next()
	}
}

// postponed tells whether the 200 waits.
func (r *reliable) postponed() bool { return r.answer != nil }

// onPrack takes the caller's acknowledgement of a provisional answer.
func (s *Switch) onPrack(_ call.Now, a *asked) {
	c := a.end.call
	r := &c.in.reliable
	want := fmt.Sprintf("%d %d INVITE", r.number, c.in.req.CSeq().SeqNo)
	if a.end.leg != 0 || r.pending == nil || strings.Join(strings.Fields(first(a.req, "RAck")), " ") != want {
		a.refuse(481, "Call/Transaction Does Not Exist")
		return
	}
	if r.bodied && !c.in.asks {
		r.agreed = r.pending.Body()
	}
	r.pending = nil
	if len(a.req.Body()) > 0 {
		s.onEarly(a)
	} else {
		a.agree(nil, nil)
	}
	r.release()
}

// early is a dialog of an attempt's that a provisional answer began: one for each
// fork.
type early struct {
	number  uint32 // the last RSeq that was acknowledged
	theirs  *heard
	body    []byte // the description that its last answer bore
	settled bool   // that came reliably: our offer has its answer
}

// fork is the early dialog of a response; nil when there are too many.
func (l *egress) fork(res *sip.Response) *early {
	tag, _ := res.To().Params.Get("tag")
	f := l.forks[tag]
	if f == nil && len(l.forks) < maxForks {
		f = &early{}
		l.forks[tag] = f
	}
	return f
}

// meet makes the early dialog of a provisional answer the one that we are in: that of
// the fork that spoke last.
func (l *egress) meet(res *sip.Response) {
	if tag, _ := res.To().Params.Get("tag"); tag != "" || res.IsSuccess() {
		l.dialog.heardAny = l.dialog.heardAny && tag == l.dialog.remoteTag
		l.dialog.follow(res)
		l.learn(res)
	}
}

// acknowledgeEarly sends a PRACK for a reliable provisional answer. False says that
// it is one that came before, or too early.
func (l *egress) acknowledgeEarly(res *sip.Response) bool {
	number, err := strconv.ParseUint(strings.TrimSpace(first(res, "RSeq")), 10, 32)
	if err != nil || !supports(res, "100rel") {
		l.meet(res)
		return true // not reliable
	}
	f := l.fork(res)
	if f == nil || f.number != 0 && uint32(number) != f.number+1 {
		return false
	}
	f.number, f.settled = uint32(number), f.settled || len(res.Body()) > 0
	l.meet(res)
	req := l.dialog.request(sip.PRACK)
	req.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", number, res.CSeq().SeqNo)))
	l.call.transact(req, nil, func(_ call.Now, res *sip.Response) {
		if res != nil && !res.IsProvisional() && !res.IsSuccess() {
			l.call.log.Info("a vendor refused a PRACK", "leg", l.leg, "code", res.StatusCode)
		}
	})
	return true
}

// follow completes a dialog from a response to the INVITE that began it.
func (d *dialog) follow(res *sip.Response) {
	d.remoteTag, _ = res.To().Params.Get("tag")
	d.refresh(res)
	d.routes = routeSet(res, true)
}
