package b2bua

import (
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
)

// find leads a request within a dialog to its call. The far end's tag must be
// the one that the dialog was made with: whoever knows only half of the dialog
// is not a party to it.
func (s *Switch) find(req *sip.Request) (*dialogEntry, bool) {
	tag, ok := req.To().Params.Get("tag")
	if !ok || tag == "" {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.dialogs[dialogKey{req.CallID().Value(), tag}]
	return e, ok
}

// party tells, on the call's goroutine, whether a request comes from the far end
// of the dialog.
func (e *dialogEntry) party(req *sip.Request) bool {
	tag, _ := req.From().Params.Get("tag")
	return tag == e.dialog().remoteTag
}

func (e *dialogEntry) dialog() *dialog {
	if e.leg == 0 {
		return &e.call.in.dialog
	}
	return &e.call.legs[e.leg].dialog
}

func (s *Switch) respond(req *sip.Request, tx sip.ServerTransaction, code int, reason string) {
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if code == 503 {
		res.AppendHeader(sip.NewHeader("Retry-After", retryAfter))
	}
	if err := tx.Respond(res); err != nil {
		s.config.Logger.Debug("a request could not be answered", "code", code, "err", err)
	}
}

// ask runs fn on the call's goroutine and waits for its answer; the answer is no
// if the call has ended.
func (e *dialogEntry) ask(fn func(now call.Now) bool) bool {
	answer := make(chan bool, 1)
	e.call.post(func(now call.Now) { answer <- fn(now) })
	select {
	case ok := <-answer:
		return ok
	case <-e.call.done:
		return false
	}
}

func (s *Switch) onBye(req *sip.Request, tx sip.ServerTransaction) {
	e, ok := s.find(req)
	if !ok {
		s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
		return
	}
	known := e.ask(func(now call.Now) bool {
		if !e.party(req) {
			return false
		}
		if e.leg == 0 {
			e.call.in.settled() // a BYE says that the 200 came, ACK or not
		}
		s.respond(req, tx, 200, "OK")
		e.call.do(e.call.machine.Bye(now, e.leg))
		return true
	})
	if !known {
		s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
	}
}

func (s *Switch) onAck(req *sip.Request, _ sip.ServerTransaction) {
	if e, ok := s.find(req); ok && e.leg == 0 {
		e.call.post(func(call.Now) {
			if e.party(req) {
				e.call.in.ack()
			}
		})
	}
}

// onReinvite refuses a change of the session; the call goes on as it was
// (RFC 3261, section 14.2).
func (s *Switch) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	if _, ok := s.find(req); !ok {
		s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
		return
	}
	s.respond(req, tx, 488, "Not Acceptable Here")
}

// onStrayCancel answers a CANCEL that matches no INVITE (RFC 3261, section 9.2).
func (s *Switch) onStrayCancel(req *sip.Request, tx sip.ServerTransaction) {
	s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
}

// onOptions answers pings: 503 while the node drains, so that peers go elsewhere.
func (s *Switch) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		s.respond(req, tx, 503, "Service Unavailable")
		return
	}
	res := sip.NewResponseFromRequest(req, 200, "OK", nil)
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	if err := tx.Respond(res); err != nil {
		s.config.Logger.Debug("an OPTIONS could not be answered", "err", err)
	}
}

// onOther refuses methods that we know of but do not take.
func (s *Switch) onOther(req *sip.Request, tx sip.ServerTransaction) {
	res := sip.NewResponseFromRequest(req, 405, "Method Not Allowed", nil)
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	if err := tx.Respond(res); err != nil {
		s.config.Logger.Debug("a request could not be answered", "err", err)
	}
}
