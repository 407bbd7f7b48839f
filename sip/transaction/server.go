package transaction

import (
	"bytes"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// stage is how far a transaction has come.
type stage uint8

const (
	open      stage = iota // no final answer
	accepted               // an INVITE has a 2xx
	completed              // any other final answer
	confirmed              // a refusal of an INVITE is acknowledged
	over
)

// Server is the transaction of a request that came.
type Server struct {
	layer  *Layer
	key    key
	method sip.RequestMethod
	way    Way

	mu        sync.Mutex
	stage     stage
	last      []byte // the answer that a repeated request gets again
	wait      time.Duration
	until     time.Time // when a refusal is no longer repeated
	timer     *time.Timer
	onCancel  func(*sip.Request)
	cancelled *sip.Request // by a CANCEL that nobody has heard yet
}

func (l *Layer) request(req *sip.Request, back Way) {
	k, ok := l.serverKey(req, req.Method)
	if !ok {
		if !req.IsAck() && req.Via() != nil {
			l.unsent(back.Write(Encode(sip.NewResponseFromRequest(req, 400, "Bad Request", nil))))
		}
		return
	}
	if req.IsCancel() && l.cancel(req, back) {
		return
	}
	l.mu.Lock()
	t := l.servers[k]
	if t != nil || req.IsAck() || l.closed {
		closed := l.closed
		l.mu.Unlock()
		switch {
		case t != nil:
			t.again(req)
		case !closed:
			l.config.Ack(req)
		}
		return
	}
	t = &Server{layer: l, key: k, method: req.Method, way: back}
	l.servers[k] = t
	l.mu.Unlock()
	go t.serve(req)
}

// serve has a request handled. One that was not answered never is.
func (t *Server) serve(req *sip.Request) {
	t.layer.config.Request(req, t)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage == open {
		t.end()
	}
}

// again hears a request of the transaction that is not its first: a repetition, or an
// ACK.
func (t *Server) again(req *sip.Request) {
	t.mu.Lock()
	if req.IsAck() {
		accepted := t.stage == accepted
		t.acknowledged()
		t.mu.Unlock()
		if accepted { // as RFC 2543 had it, in the INVITE's own transaction
			t.layer.config.Ack(req)
		}
		return
	}
	defer t.mu.Unlock()
	if req.Method == t.method && len(t.last) > 0 {
		t.layer.unsent(t.way.Write(t.last))
	}
}

// acknowledged ends the repetitions of a refusal; the lock is held.
func (t *Server) acknowledged() {
	if t.stage != completed || t.method != sip.INVITE {
		return
	}
	t.stage, t.last = confirmed, nil
	if t.way.Reliable() {
		t.end()
		return
	}
	t.after(T4)
}

// Respond sends an answer. A final one ends the transaction for its user, but for a
// 2xx to an INVITE, which he repeats himself until its ACK (RFC 3261, section
// 13.3.1.4). ErrOver says that there was a final one before.
func (t *Server) Respond(res *sip.Response) error {
	b := room.Get().(*bytes.Buffer)
	defer room.Put(b)
	b.Reset()
	res.StringWrite(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	success := res.IsSuccess()
	switch {
	case t.stage == accepted && success:
		return t.way.Write(b.Bytes())
	case t.stage != open:
		return ErrOver
	}
	err := t.way.Write(b.Bytes())
	if res.IsProvisional() {
		t.last = append(t.last[:0], b.Bytes()...)
		return err
	}
	t.final(success, b.Bytes())
	return err
}

// final takes note of a final answer; the lock is held.
func (t *Server) final(success bool, answer []byte) {
	t.onCancel, t.cancelled = nil, nil
	reliable := t.way.Reliable()
	if t.method == sip.INVITE && success {
		t.stage, t.last = accepted, nil
		t.after(Life)
		return
	}
	t.stage, t.last = completed, nil
	switch {
	case t.method == sip.INVITE:
		t.last, t.until = bytes.Clone(answer), time.Now().Add(Life)
		if t.wait = T1; reliable {
			t.wait = Life
		}
		t.after(t.wait)
	case reliable:
		t.end()
	default:
		t.last = bytes.Clone(answer)
		t.after(Life)
	}
}

// after sets the timer; the lock is held.
func (t *Server) after(d time.Duration) {
	if t.timer == nil {
		t.timer = time.AfterFunc(d, t.tick)
		return
	}
	t.timer.Reset(d)
}

// tick repeats a refusal that is not acknowledged, or ends the transaction.
func (t *Server) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := time.Until(t.until)
	if t.stage != completed || t.method != sip.INVITE || left <= 0 {
		t.end()
		return
	}
	t.layer.unsent(t.way.Write(t.last))
	t.wait = min(2*t.wait, T2)
	t.after(min(t.wait, left))
}

// end forgets the transaction; the lock is held.
func (t *Server) end() {
	if t.stage == over {
		return
	}
	t.stage, t.last, t.onCancel, t.cancelled = over, nil, nil, nil
	if t.timer != nil {
		t.timer.Stop()
	}
	t.layer.mu.Lock()
	defer t.layer.mu.Unlock()
	delete(t.layer.servers, t.key)
}

// Terminate forgets the transaction at once: a repeated request would be a new one.
func (t *Server) Terminate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end()
}

// cancel answers a CANCEL and tells whoever handles its INVITE; false if there is no
// such INVITE (RFC 3261, section 9.2).
func (l *Layer) cancel(req *sip.Request, back Way) bool {
	k, _ := l.serverKey(req, sip.INVITE)
	l.mu.Lock()
	t := l.servers[k]
	l.mu.Unlock()
	if t == nil {
		return false
	}
	l.unsent(back.Write(Encode(sip.NewResponseFromRequest(req, 200, "OK", nil))))
	t.mu.Lock()
	hear := t.onCancel
	if t.stage == open && hear == nil {
		t.cancelled = req
	}
	t.onCancel = nil // it is told once
	t.mu.Unlock()
	if hear != nil {
		hear(req)
	}
	return true
}

// OnCancel has fn told, once, that the far end has taken its INVITE back before the
// final answer: it is to be answered with a 487. fn must not wait.
func (t *Server) OnCancel(fn func(cancel *sip.Request)) {
	t.mu.Lock()
	came := t.cancelled
	if t.stage == open && came == nil {
		t.onCancel = fn
	}
	t.cancelled = nil
	t.mu.Unlock()
	if came != nil {
		fn(came)
	}
}
