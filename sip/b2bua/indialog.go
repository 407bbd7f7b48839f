package b2bua

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
)

// allowed are the methods that we take.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO"

// allow are the methods that we take from an end.
func (e *end) allow() string {
	if e.policy.GetTransfers() {
		return allowed + ", REFER"
	}
	return allowed
}

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
	return tag == e.end().dialog.remoteTag
}

// forked tells whether a request comes from a fork that has not answered, and that we
// are not in the dialog of.
func (e *dialogEntry) forked(req *sip.Request) bool {
	if e.leg == 0 {
		return false
	}
	tag, _ := req.From().Params.Get("tag")
	l := e.call.legs[e.leg]
	return !l.final && l.forks[tag] != nil && req.Method != sip.BYE
}

func (e *dialogEntry) end() *end {
	if e.leg == 0 {
		return &e.call.in.end
	}
	return &e.call.legs[e.leg].end
}

func (s *Switch) respond(req *sip.Request, tx gate.ServerTransaction, code int, reason string, more ...sip.Header) {
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if code == 503 && len(more) == 0 {
		res.AppendHeader(sip.NewHeader("Retry-After", retryAfter))
	}
	for _, h := range more {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		s.config.Logger.Debug("a request could not be answered", "code", code, "err", err)
	}
}

// asked is a far end's request within a dialog. It is answered once.
type asked struct {
	sw       *Switch
	end      *end // set on the call's goroutine
	req      *sip.Request
	tx       gate.ServerTransaction
	over     chan struct{}
	answered atomic.Bool
	// concluded, where it is not nil, hears on the call's goroutine whether the request
	// was agreed to.
	concluded func(ok bool)
}

// refuse answers with anything but a 200.
func (a *asked) refuse(code int, reason string, more ...sip.Header) {
	if a.answered.CompareAndSwap(false, true) {
		a.sw.respond(a.req, a.tx, code, reason, more...)
		close(a.over)
		if a.concluded != nil {
			a.end.call.postAsync(func(call.Now) { a.conclude(false) })
		}
	}
}

// conclude tells, once, what became of the request. It runs on the call's goroutine.
func (a *asked) conclude(ok bool) {
	if fn := a.concluded; fn != nil {
		a.concluded = nil
		fn(ok)
	}
}

// agree answers with a 200, which that of an INVITE needs an ACK for.
func (a *asked) agree(body []byte, onAck func(call.Now, *sip.Request), more ...sip.Header) {
	if !a.answered.CompareAndSwap(false, true) {
		return
	}
	defer close(a.over)
	a.conclude(true)
	res := sip.NewResponseFromRequest(a.req, 200, "OK", nil)
	res.AppendHeader(&sip.ContactHeader{Address: a.end.dialog.way.contact()})
	res.AppendHeader(sip.NewHeader("Allow", a.end.allow()))
	res.AppendHeader(sip.NewHeader("Supported", strings.Join(a.end.extensions(), ", ")))
	describe(res, body)
	for _, h := range more {
		res.AppendHeader(h)
	}
	if a.req.IsInvite() {
		a.end.accept(a.tx, res, onAck)
		return
	}
	if err := a.tx.Respond(res); err != nil {
		a.end.call.log.Debug("a request could not be answered", "method", a.req.Method, "err", err)
	}
}

// within makes the handler of requests that only make sense within a dialog: fn
// runs on the call's goroutine and answers, or has it answered later.
func (s *Switch) within(fn func(now call.Now, a *asked)) gate.Handler {
	return func(req *sip.Request, tx gate.ServerTransaction) {
		e, ok := s.find(req)
		if !ok {
			s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
			return
		}
		a := &asked{sw: s, req: req, tx: tx, over: make(chan struct{})}
		e.call.post(func(now call.Now) {
			a.end = e.end()
			switch {
			case e.retired && req.Method == sip.BYE:
				a.agree(nil, nil)
			case !e.party(req) && e.forked(req):
				a.refuse(491, "Request Pending")
			case !e.party(req):
				a.refuse(481, "Call/Transaction Does Not Exist")
			case !a.end.dialog.inOrder(req) && req.Method != sip.BYE:
				a.refuse(500, "CSeq Out Of Order")
			default:
				a.end.dialog.way.heard(req)
				fn(now, a)
			}
		})
		select {
		case <-a.over:
		case <-e.call.done:
			a.refuse(481, "Call/Transaction Does Not Exist")
		}
	}
}

// hungUp takes a far end's BYE.
func (s *Switch) hungUp(now call.Now, a *asked) {
	a.end.accepted.settle() // a BYE says that the 200 came, ACK or not
	a.agree(nil, nil)
	c, cause := a.end.call, reasonOf(a.req)
	if t := c.transfer; t != nil && t.from == a.end && c.machine.Talking() {
		t.gone = true // he need not wait for where he sent the call
		a.end.timer.stop()
		c.resting.Store(true)
		return
	}
	if a.end.leg != 0 && c.in.reliable.postponed() {
		c.do(c.machine.Unheard(now, 480, "Temporarily Unavailable", call.CauseAnswered)) // his 200 has not left
		return
	}
	c.do(c.machine.Bye(now, a.end.leg, cause))
}

func (s *Switch) onAck(req *sip.Request, _ gate.ServerTransaction) {
	e, ok := s.find(req)
	if !ok {
		return
	}
	e.call.postAsync(func(now call.Now) {
		if end := e.end(); e.party(req) && end.accepted != nil {
			end.accepted.acknowledged(now, req)
		}
	})
}

// onStrayCancel answers a CANCEL that matches no INVITE (RFC 3261, section 9.2).
func (s *Switch) onStrayCancel(req *sip.Request, tx gate.ServerTransaction) {
	s.respond(req, tx, 481, "Call/Transaction Does Not Exist")
}

// onOptions answers pings: 503 while the node drains, so that peers go elsewhere.
func (s *Switch) onOptions(req *sip.Request, tx gate.ServerTransaction) {
	if s.Draining() && !s.config.Gate.ListenerOf(tx).Shared() { // behind that one are other nodes, too
		s.respond(req, tx, 503, "Service Unavailable")
		return
	}
	s.respond(req, tx, 200, "OK", sip.NewHeader("Allow", allowed), sip.NewHeader("Accept", "application/sdp"),
		sip.NewHeader("Supported", "timer, 100rel"))
}

// onOther refuses methods that we know of but do not take.
func (s *Switch) onOther(req *sip.Request, tx gate.ServerTransaction) {
	s.respond(req, tx, 405, "Method Not Allowed", sip.NewHeader("Allow", allowed))
}

// The limits of what is passed in INFO.
const (
	maxInfoBytes = 1024
	maxInfos     = 8 // on their way at once
)

// tones are the INFO bodies that are passed on: DTMF.
var tones = []string{"application/dtmf-relay", "application/dtmf"}

// onInfo passes DTMF on to the other leg, and the answer back.
func (s *Switch) onInfo(_ call.Now, a *asked) {
	e, c := a.end, a.end.call
	to := c.other(e)
	kind := ""
	if h := a.req.ContentType(); h != nil {
		kind, _, _ = strings.Cut(strings.ToLower(h.Value()), ";")
		kind = strings.TrimSpace(kind)
	}
	body := a.req.Body()
	switch {
	case len(body) == 0:
		a.agree(nil, nil) // a keep-alive of old
		return
	case kind != tones[0] && kind != tones[1]:
		a.refuse(415, "Unsupported Media Type", sip.NewHeader("Accept", strings.Join(tones, ", ")))
		return
	case len(body) > maxInfoBytes:
		a.refuse(413, "Request Entity Too Large")
		return
	case !c.machine.Talking() || to == nil || !c.current(e):
		a.refuse(481, "Call/Transaction Does Not Exist")
		return
	case e.infos >= maxInfos:
		a.refuse(500, "Too Many At Once", sip.NewHeader("Retry-After", retryAfter))
		return
	}
	e.infos++
	req := to.dialog.request(sip.INFO)
	contentType := sip.ContentTypeHeader(kind)
	req.AppendHeader(&contentType)
	req.SetBody(body)
	c.transact(req, nil, func(_ call.Now, res *sip.Response) {
		switch {
		case res == nil:
			a.refuse(408, "Request Timeout")
		case res.IsProvisional():
			return
		case res.IsSuccess():
			a.agree(nil, nil)
		default:
			a.refuse(res.StatusCode, clip(res.Reason))
		}
		e.infos--
	})
}

func seconds(n int) string { return strconv.Itoa(n) }
