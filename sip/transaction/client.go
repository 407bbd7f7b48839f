package transaction

import (
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// queue is how many responses may wait for their reader. The last place is kept for
// the final one: of provisional ones that come faster some are lost, as on the way.
const queue = 8

// Client is the transaction of a request that we sent.
type Client struct {
	layer  *Layer
	key    key
	invite bool
	way    Way

	responses chan *sip.Response
	done      chan struct{}

	mu     sync.Mutex
	stage  stage
	err    error
	origin *sip.Request // of an INVITE, for the ACK of its refusal
	again  []byte       // what is sent again: the request, or that ACK
	heard  bool         // a provisional response has come
	wait   time.Duration
	until  time.Time // when the request is given up
	timer  *time.Timer
	repeat func(*sip.Response)
}

// Request sends a request in a transaction of its own. The request has its Via, and
// is not to be changed afterwards. An error says that it could not be sent.
func (l *Layer) Request(req *sip.Request, way Way) (*Client, error) {
	k, ok := l.clientKey(req)
	if !ok {
		return nil, fmt.Errorf("send %s: it has no branch", req.Method)
	}
	t := &Client{
		layer: l, key: k, invite: req.IsInvite(), way: way, again: Encode(req),
		responses: make(chan *sip.Response, queue), done: make(chan struct{}),
	}
	if t.invite {
		t.origin = req
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, ErrOver
	}
	l.clients[k] = t
	l.mu.Unlock()
	if err := way.Write(t.again); err != nil {
		t.end(err)
		return nil, err
	}
	t.until = time.Now().Add(Life)
	if t.wait = T1; way.Reliable() {
		t.wait, t.again = Life, nil
	}
	t.after(t.wait)
	return t, nil
}

func (l *Layer) response(res *sip.Response) {
	k, ok := l.clientKey(res)
	l.mu.Lock()
	t, closed := l.clients[k], l.closed
	l.mu.Unlock()
	switch {
	case closed || res.Via() == nil || res.CSeq() == nil:
	case ok && t != nil:
		t.receive(res)
	default:
		go l.config.Stray(res)
	}
}

func (t *Client) receive(res *sip.Response) {
	t.mu.Lock()
	switch {
	case t.stage == open && res.IsProvisional():
		t.provisional(res)
	case t.stage == open:
		t.final(res)
	case t.stage == completed && t.invite && len(t.again) > 0 && res.StatusCode >= 300:
		t.layer.unsent(t.way.Write(t.again))
	case t.stage == accepted && res.IsSuccess() && t.repeat != nil:
		go t.repeat(res)
	}
	t.mu.Unlock()
}

func (t *Client) provisional(res *sip.Response) {
	if len(t.responses) < queue-1 {
		t.responses <- res
	}
	t.heard = true
	if t.invite { // it is in good hands: from here on its user says how long he waits
		t.again = nil
		t.timer.Stop()
	}
}

// final passes the final answer on and acknowledges the refusal of an INVITE.
func (t *Client) final(res *sip.Response) {
	origin := t.origin
	t.origin, t.again = nil, nil
	t.responses <- res // there is room: see queue
	switch {
	case t.invite && res.IsSuccess():
		t.stage = accepted
		t.after(Life)
		return
	case t.invite && res.To() != nil:
		t.again = Encode(ackOf(origin, res))
		t.layer.unsent(t.way.Write(t.again))
	}
	t.stage = completed
	switch {
	case t.way.Reliable():
		t.forget()
	case t.invite:
		t.after(Life)
	default:
		t.after(T4)
	}
}

// ackOf acknowledges a final answer other than 2xx (RFC 3261, section 17.1.1.3).
func ackOf(req *sip.Request, res *sip.Response) *sip.Request {
	ack := sip.NewRequest(sip.ACK, req.Recipient)
	ack.AppendHeader(sip.HeaderClone(req.Via()))
	for _, h := range req.GetHeaders("Route") {
		ack.AppendHeader(sip.HeaderClone(h))
	}
	ack.AppendHeader(sip.HeaderClone(req.From()))
	ack.AppendHeader(sip.HeaderClone(res.To()))
	ack.AppendHeader(sip.HeaderClone(req.CallID()))
	ack.AppendHeader(&sip.CSeqHeader{SeqNo: req.CSeq().SeqNo, MethodName: sip.ACK})
	maxForwards := sip.MaxForwardsHeader(70)
	ack.AppendHeader(&maxForwards)
	ack.SetBody(nil)
	return ack
}

// after sets the timer; the lock is held.
func (t *Client) after(d time.Duration) {
	if t.timer == nil {
		t.timer = time.AfterFunc(d, t.tick)
		return
	}
	t.timer.Reset(d)
}

// tick repeats the request, gives it up, or forgets a transaction that is over.
func (t *Client) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != open {
		t.forget()
		return
	}
	left := time.Until(t.until)
	switch {
	case t.invite && t.heard:
		return // a provisional response has just come
	case left <= 0:
		t.end(ErrTimeout)
		return
	}
	t.layer.unsent(t.way.Write(t.again))
	switch {
	case t.invite:
		t.wait *= 2
	case t.heard:
		t.wait = T2
	default:
		t.wait = min(2*t.wait, T2)
	}
	t.after(min(t.wait, left))
}

// forget takes the transaction out of the layer; the lock is held.
func (t *Client) forget() {
	t.stage, t.again, t.origin, t.repeat = over, nil, nil, nil
	if t.timer != nil {
		t.timer.Stop()
	}
	t.layer.mu.Lock()
	defer t.layer.mu.Unlock()
	if t.layer.clients[t.key] == t {
		delete(t.layer.clients, t.key)
	}
}

// end forgets a transaction that has had no final answer, and says so.
func (t *Client) end(err error) {
	if t.err != nil {
		return
	}
	t.err = err
	t.forget()
	close(t.done)
}

// Responses gives the provisional responses and the final one.
func (t *Client) Responses() <-chan *sip.Response { return t.responses }

// Done is closed when no final response will come, because of what Err says. It is
// not closed by one.
func (t *Client) Done() <-chan struct{} { return t.done }

// Err is why no final response came.
func (t *Client) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Terminate forgets the transaction. What still comes is stray.
func (t *Client) Terminate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(ErrOver)
}

// OnRepeat has fn told, in place of who was told before, of each further 2xx to the
// INVITE: the same one again, or that of another fork. fn runs on a goroutine of its
// own. Without one they are nothing.
func (t *Client) OnRepeat(fn func(*sip.Response)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage != over {
		t.repeat = fn
	}
}
