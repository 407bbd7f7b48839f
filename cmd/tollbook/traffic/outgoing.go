package traffic

import (
	"context"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// outgoing is one call of a customer until its answer.
type outgoing struct {
	customer *Customer
	agent    *agent
	plan     Plan
	stream   *stream
	body     []byte
	req      *sip.Request
	tx       sip.ClientTransaction

	provisional bool // a CANCEL may be sent (RFC 3261, section 9.1)
	giveUp      bool
	cancelSent  bool
	authorized  bool
}

// result is how a call was not answered.
type result struct {
	cancelled bool
	code      int
}

func newOutgoing(c *Customer, plan Plan, s *stream) *outgoing {
	o := &outgoing{customer: c, agent: c.agent, plan: plan, stream: s, body: s.describe(false)}
	to := c.agent.uri(plan.Called, c.config.Switch)
	from := sip.FromHeader{Address: c.agent.uri(plan.Caller, c.agent.addr)}
	from.Params.Add("tag", sip.GenerateTagN(16))
	o.req = sip.NewRequest(sip.INVITE, to)
	o.req.AppendHeader(&from)
	o.req.AppendHeader(&sip.ToHeader{Address: to})
	o.req.AppendHeader(c.agent.contact(plan.Caller))
	o.req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	o.req.AppendHeader(sip.NewHeader("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"))
	o.req.SetBody(o.body)
	return o
}

// connect sends the INVITE and sees its transaction through. It returns a
// dialog when the call was answered and is wanted.
func (o *outgoing) connect(ctx context.Context) (*dialog, result) {
	tx, err := o.agent.client.TransactionRequest(ctx, o.req)
	if err != nil {
		o.agent.log.Error("traffic INVITE not sent", "err", err)
		return nil, result{}
	}
	o.tx = tx
	give := time.NewTimer(o.plan.Patience)
	defer give.Stop()
	end := time.NewTimer(o.plan.Patience + patience)
	defer end.Stop()
	done := ctx.Done()
	for {
		select {
		case res := <-o.tx.Responses():
			if res.IsProvisional() {
				o.progress(res)
				continue
			}
			if o.authorize(ctx, res) {
				continue
			}
			if !res.IsSuccess() {
				return nil, result{cancelled: o.giveUp, code: res.StatusCode}
			}
			return o.answered(res)
		case <-give.C:
			o.abandon()
		case <-done:
			done = nil
			o.abandon()
			end.Reset(endWithin)
		case <-end.C:
			o.tx.Terminate()
			return nil, result{cancelled: o.giveUp, code: 408}
		case <-o.tx.Done():
			return nil, result{cancelled: o.giveUp, code: 408}
		}
	}
}

// authorize answers the first challenge with a second INVITE, and reports
// whether it did.
func (o *outgoing) authorize(ctx context.Context, res *sip.Response) bool {
	challenged := res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
	if !challenged || o.customer.config.Username == "" || o.authorized || o.giveUp {
		return false
	}
	o.authorized = true
	req := o.req.Clone() // the first transaction may still repeat its ACK
	tx, err := o.agent.client.TransactionDigestAuth(ctx, req, res, sipgo.DigestAuth{
		Username: o.customer.config.Username, Password: o.customer.config.Password,
	})
	if err != nil {
		o.agent.log.Error("traffic INVITE with credentials not sent", "err", err)
		return false
	}
	o.req, o.tx, o.provisional = req, tx, false
	return true
}

// progress takes a provisional response; early media is heard and answered.
func (o *outgoing) progress(res *sip.Response) {
	o.provisional = true
	if len(res.Body()) > 0 {
		if err := o.stream.follow(res.Body()); err != nil {
			o.agent.log.Warn("traffic early media", "err", err)
		}
		o.stream.talk()
	}
	if o.giveUp {
		o.cancel()
	}
}

func (o *outgoing) abandon() {
	o.giveUp = true
	if o.provisional {
		o.cancel()
	}
}

// answered acknowledges a 2xx, now and whenever it is repeated. When it crossed
// our CANCEL the call is ended at once.
func (o *outgoing) answered(res *sip.Response) (*dialog, result) {
	d := o.agent.calling(o.req, res, o.stream, o.body)
	o.agent.put(d)
	o.tx.OnRetransmission(func(again *sip.Response) { o.repeated(d, again) })
	d.acknowledge()
	if o.giveUp {
		o.agent.remove(d)
		d.hangUp()
		return nil, result{cancelled: true}
	}
	d.hear(res.Body())
	o.stream.talk()
	return d, result{}
}

// repeated handles a 2xx after the first: a retransmission, or the answer of
// another branch where the INVITE was forked, which is ended.
func (o *outgoing) repeated(d *dialog, res *sip.Response) {
	if !res.IsSuccess() {
		return
	}
	if res.To().Params.GetOr("tag", "") == d.to.Params.GetOr("tag", "") {
		d.acknowledge()
		return
	}
	if !o.agent.enter() {
		return
	}
	fork := o.agent.calling(o.req, res, o.stream, o.body)
	fork.acknowledge()
	go func() {
		defer o.agent.leave()
		fork.hangUp()
	}()
}

// cancel sends CANCEL once; the INVITE's own transaction brings the outcome.
func (o *outgoing) cancel() {
	if o.cancelSent {
		return
	}
	o.cancelSent = true
	req := sip.NewRequest(sip.CANCEL, *o.req.Recipient.Clone())
	req.AppendHeader(o.req.Via().Clone()) // with the branch of the INVITE
	from, to, callID := *o.req.From(), *o.req.To(), *o.req.CallID()
	req.AppendHeader(&from)
	req.AppendHeader(&to)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: o.req.CSeq().SeqNo, MethodName: sip.CANCEL})
	if !o.agent.enter() {
		return
	}
	go func() {
		defer o.agent.leave()
		ctx, stop := context.WithTimeout(context.Background(), endWithin)
		defer stop()
		if _, err := o.agent.client.Do(ctx, req); err != nil {
			o.agent.log.Warn("traffic CANCEL not answered", "err", err)
		}
	}()
}
