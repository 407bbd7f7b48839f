package b2bua

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/sip/gate"
)

// patience is how long a request within a dialog may take to its final answer: the
// time of a transaction over UDP (RFC 3261, section 17.1.2.2).
func patience() time.Duration { return 64 * sip.T1 }

// transact sends a request and has every response heard on the call's goroutine;
// nil stands for none, and is the last one. The call outlives the transaction. The
// transaction is given to began before its first response, should there be one.
func (c *session) transact(
	req *sip.Request, began func(sip.ClientTransaction), hear func(call.Now, *sip.Response), options ...sipgo.ClientRequestOption,
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
		tx, err := c.sw.config.Gate.Client().TransactionRequest(c.sw.ctx, req, options...)
		if err != nil {
			c.log.Warn("a request could not be sent", "method", req.Method, "err", err)
			c.post(func(now call.Now) { hear(now, nil) })
			return
		}
		if began != nil {
			began(tx)
		}
		c.listen(req, tx, hear)
	}()
}

func (c *session) listen(req *sip.Request, tx sip.ClientTransaction, hear func(call.Now, *sip.Response)) {
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
			if res != nil && res.IsProvisional() {
				continue
			}
			c.sw.concluded(req, res, tx)
			return
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

// concluded ends the client transaction of an INVITE that was refused. The stack's
// own would acknowledge a repeated refusal only after four seconds, and holds its
// lock for as long; so we remember the ACK and repeat it ourselves.
func (s *Switch) concluded(req *sip.Request, res *sip.Response, tx sip.ClientTransaction) {
	if !req.IsInvite() || res == nil || res.IsSuccess() {
		return
	}
	branch, ok := req.Via().Params.Get("branch")
	if ok && !sip.IsReliable(req.Transport()) {
		ack := ackOfRefusal(req, res)
		s.mu.Lock()
		s.refusals[branch] = ack
		s.mu.Unlock()
		time.AfterFunc(sip.Timer_D, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.refusals, branch)
		})
	}
	tx.Terminate()
}

// ackOfRefusal acknowledges a final answer other than 2xx (RFC 3261, section
// 17.1.1.3).
func ackOfRefusal(req *sip.Request, res *sip.Response) *sip.Request {
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
	ack.SetTransport(req.Transport())
	ack.SetDestination(req.Destination())
	ack.Laddr = req.Laddr
	ack.SetBody(nil)
	return ack
}

// onStray hears responses that no transaction waits for: a refusal again, or a 2xx
// to an INVITE of a call that is over, or of this program's life before.
func (s *Switch) onStray(by *gate.Listener, res *sip.Response) {
	if !whole(res) || res.CSeq().MethodName != sip.INVITE || res.IsProvisional() || res.Via() == nil {
		return
	}
	if res.IsSuccess() {
		s.disown(by, res)
		return
	}
	branch, _ := res.Via().Params.Get("branch")
	s.mu.Lock()
	ack := s.refusals[branch]
	s.mu.Unlock()
	if ack == nil {
		return
	}
	again := ack.Clone()
	again.Laddr = ack.Laddr
	again.SetDestination(ack.Destination())
	if err := s.config.Gate.Client().WriteRequest(again, keepAsItIs); err != nil {
		s.config.Logger.Debug("an ACK could not be repeated", "err", err)
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
	if err := s.config.Gate.Client().WriteRequest(ack); err != nil {
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
// They are sent again when a 2xx is, even when the call is over.
type acks struct {
	mu    sync.Mutex
	byTag map[string]*sip.Request
}

// maxForks bounds the answers to one INVITE that are acknowledged.
const maxForks = 16

// send acknowledges a 2xx for the first time.
func (a *acks) send(c *session, tag string, ack *sip.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byTag == nil {
		a.byTag = map[string]*sip.Request{}
	}
	if len(a.byTag) < maxForks {
		a.byTag[tag] = ack
	}
	a.write(c, ack)
}

// repeat acknowledges a 2xx again; false if it was not acknowledged yet.
func (a *acks) repeat(c *session, tag string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	ack := a.byTag[tag]
	if ack == nil {
		return len(a.byTag) >= maxForks
	}
	a.write(c, ack)
	return true
}

func (a *acks) write(c *session, ack *sip.Request) {
	if err := c.sw.config.Gate.Client().WriteRequest(ack); err != nil {
		c.log.Warn("an ACK could not be sent", "err", err)
	}
}
