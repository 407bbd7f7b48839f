package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
)

// takeOver takes an INVITE from ourselves that replaces a dialog of another call (RFC
// 3891): who sends one call on to whom he talks to in another. To that call it is a
// change of the session, after which the party that it has with him is the first call.
// Both calls go on, each with its own hold.
func (s *Switch) takeOver(req *sip.Request, tx gate.ServerTransaction, f forwarded) {
	s.mu.Lock()
	e := s.dialogs[f.replaces.key]
	s.mu.Unlock()
	if e == nil {
		s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
		return
	}
	tag := sip.GenerateTagN(16)
	req.To().Params.Add("tag", tag)
	a := &asked{sw: s, req: req, tx: tx, over: make(chan struct{})}
	e.call.post(func(now call.Now) {
		c, end := e.call, e.end()
		a.end = end
		if e.retired || end.dialog.remoteTag != f.replaces.remoteTag || c.partyOf(end) != f.origin ||
			!c.machine.Talking() || !c.current(end) || c.transfer != nil {
			a.refuse(481, "Call/Transaction Does Not Exist")
			return
		}
		if code, reason, more := c.busy(end); code != 0 {
			a.refuse(code, reason, more...)
			return
		}
		c.lend(a, tag)
		s.onChange(now, a)
	})
	select {
	case <-a.over:
	case <-e.call.done:
		a.refuse(481, "Call/Transaction Does Not Exist")
	}
}

// lend puts the dialog that an INVITE begins into the place of an end's own, for good
// if it is agreed to.
func (c *session) lend(a *asked, tag string) {
	e, req := a.end, a.req
	old, updates, ours := e.dialog, e.updates, e.ours
	remoteTag, _ := req.From().Params.Get("tag")
	e.dialog = dialog{
		key: dialogKey{req.CallID().Value(), tag}, remoteTag: remoteTag, local: req.To().Address, remote: req.From().Address,
		target: req.From().Address, routes: routeSet(req, false), way: c.sw.wayOf(req, a.tx), heardSeq: req.CSeq().SeqNo, heardAny: true,
	}
	e.dialog.refresh(req)
	e.dialog.enter(c.sw, c, e.leg)
	e.ours = true
	a.concluded = func(ok bool) {
		if !ok {
			e.dialog.forget(c.sw)
			e.dialog, e.updates, e.ours = old, updates, ours
			return
		}
		c.retire(&old, e.leg)
		old.sendBye(c, call.SendBye{Leg: e.leg, Reason: "transferred", Q850: 16})
	}
}
