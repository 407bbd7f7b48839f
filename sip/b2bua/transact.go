package b2bua

import (
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/transaction"
)

// patience is how long a request within a dialog may take to its final answer: the
// time of a transaction over UDP (RFC 3261, section 17.1.2.2).
func patience() time.Duration { return 64 * sip.T1 }

// transact sends a request and has every response heard on the call's goroutine;
// nil stands for none, and is the last one. The call outlives the transaction. The
// transaction is given to began before its first response, should there be one.
func (c *session) transact(
	req *sip.Request, began func(*transaction.Client), hear func(call.Now, *sip.Response),
) {
	c.begin()
	go func() {
		defer c.end()
		defer func() {
			if r := recover(); r != nil {
				c.log.Error("a transaction panicked", "method", req.Method, "panic", r, "stack", string(debug.Stack()))
				c.post(func(now call.Now) { hear(now, nil) })
			}
		}()
		tx, err := c.sw.config.Gate.Client().TransactionRequest(c.sw.ctx, req)
		if err != nil {
			c.log.Warn("a request could not be sent", "method", req.Method, "err", err)
			c.post(func(now call.Now) { hear(now, nil) })
			return
		}
		if began != nil {
			began(tx)
		}
		c.listen(tx, hear)
	}()
}

func (c *session) listen(tx *transaction.Client, hear func(call.Now, *sip.Response)) {
	for {
		select {
		case res := <-tx.Responses():
			if !whole(res) {
				if res.IsProvisional() {
					continue
				}
				tx.Terminate()
				res = nil
			}
			c.post(func(now call.Now) { hear(now, res) })
			if res == nil || !res.IsProvisional() {
				return
			}
		case <-tx.Done():
			c.post(func(now call.Now) { hear(now, nil) })
			return
		}
	}
}

// whole tells whether a response has what every response must have.
func whole(res *sip.Response) bool {
	return res.To() != nil && res.From() != nil && res.CSeq() != nil && res.CallID() != nil
}

// onStray hears responses that no transaction waits for: a 2xx to an INVITE of a call
// that is over, or of this program's life before.
func (s *Switch) onStray(by *gate.Listener, res *sip.Response) {
	if whole(res) && res.CSeq().MethodName == sip.INVITE && res.IsSuccess() {
		s.disown(by, res)
	}
}

// disown acknowledges a 2xx whose call is not here and ends what it began, so that
// nobody bills it. It goes back to where the 2xx came from and nowhere else.
func (s *Switch) disown(by *gate.Listener, res *sip.Response) {
	tag, _ := res.From().Params.Get("tag")
	d := dialog{
		key: dialogKey{res.CallID().Value(), tag}, local: res.From().Address, remote: res.To().Address,
		target: res.To().Address, sequence: res.CSeq().SeqNo,
		way: way{listener: by, transport: sip.NetworkToLower(res.Transport())},
	}
	s.mu.Lock()
	_, known := s.dialogs[d.key]
	s.mu.Unlock()
	if known || tag == "" {
		return
	}
	d.remoteTag, _ = res.To().Params.Get("tag")
	d.refresh(res)
	if s.disowning.Add(1) > maxDisowned {
		s.disowning.Add(-1) // not acknowledged: so it comes again
		return
	}
	ack, bye := d.ack(res.CSeq().SeqNo, nil), d.request(sip.BYE)
	ack.SetDestination(res.Source())
	bye.SetDestination(res.Source())
	if _, err := s.config.Gate.Client().WriteRequest(ack); err != nil {
		s.config.Logger.Debug("a 2xx without a call could not be acknowledged", "err", err)
	}
	go func() {
		defer s.disowning.Add(-1)
		tx, err := s.config.Gate.Client().TransactionRequest(s.ctx, bye)
		if err != nil {
			s.config.Logger.Debug("a 2xx without a call could not be ended", "err", err)
			return
		}
		for {
			select {
			case res := <-tx.Responses():
				if !res.IsProvisional() {
					return
				}
			case <-tx.Done():
				return
			}
		}
	}()
}

// maxDisowned bounds the BYEs on their way for calls that are not here.
const maxDisowned = 1000

// acks are the ACKs of the 2xx answers to one INVITE, by the tag of who answered.
// They are sent again when a 2xx is, even when the call is over: so they know nothing
// of it.
type acks struct {
	mu   sync.Mutex
	sent []ackSent
}

type ackSent struct {
	tag string
	ack gate.Sent
}

// maxForks bounds the answers to one INVITE that are acknowledged.
const maxForks = 16

// send acknowledges a 2xx for the first time.
func (a *acks) send(c *session, tag string, ack *sip.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent, err := c.sw.config.Gate.Client().WriteRequest(ack)
	if err != nil {
		c.log.Warn("an ACK could not be sent", "err", err)
	}
	if len(a.sent) < maxForks {
		a.sent = append(a.sent, ackSent{strings.Clone(tag), sent}) // not a part of the message that it stood in
	}
}

// repeat acknowledges a 2xx again; false if it was not acknowledged yet.
func (a *acks) repeat(log *slog.Logger, tag string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sent {
		if s.tag == tag {
			if err := s.ack.Again(); err != nil {
				log.Debug("an ACK could not be sent again", "err", err)
			}
			return true
		}
	}
	return len(a.sent) >= maxForks
}
