package traffic

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// dialog is an answered or early call as RFC 3261, section 12, has it.
type dialog struct {
	agent  *agent
	callID string
	from   sip.FromHeader // our side, as our requests name it
	to     sip.ToHeader   // the far side
	routes []sip.Uri
	invite uint32 // CSeq of the INVITE, which its ACK repeats
	stream *stream
	body   []byte        // our description
	acked  chan struct{} // the far side's ACK came
	ended  chan struct{} // closed when the far side has sent BYE
	once   sync.Once

	mu     sync.Mutex
	cseq   uint32
	target sip.Uri
}

// answering is the dialog of a received INVITE (section 12.1.1).
func (a *agent) answering(req *sip.Request, s *stream, body []byte) *dialog {
	d := a.dialog(req, s, body)
	d.from = req.To().AsFrom()
	d.from.Params = d.from.Params.Clone()
	d.from.Params.Add("tag", sip.GenerateTagN(16))
	d.to = req.From().AsTo()
	for _, h := range req.GetHeaders("Record-Route") {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, r.Address)
		}
	}
	d.target = d.to.Address
	d.retarget(req.Contact())
	return d
}

// calling is the dialog of a sent INVITE and its answer (section 12.1.2).
func (a *agent) calling(req *sip.Request, res *sip.Response, s *stream, body []byte) *dialog {
	d := a.dialog(req, s, body)
	d.from, d.to, d.cseq = *req.From(), *res.To(), req.CSeq().SeqNo
	for _, h := range slices.Backward(res.GetHeaders("Record-Route")) {
		if r, ok := h.(*sip.RecordRouteHeader); ok {
			d.routes = append(d.routes, r.Address)
		}
	}
	d.target = req.Recipient
	d.retarget(res.Contact())
	return d
}

func (a *agent) dialog(req *sip.Request, s *stream, body []byte) *dialog {
	return &dialog{
		agent: a, callID: req.CallID().Value(), invite: req.CSeq().SeqNo, stream: s, body: body,
		acked: make(chan struct{}, 1), ended: make(chan struct{}),
	}
}

func (d *dialog) tag() string { return d.from.Params.GetOr("tag", "") }

func (d *dialog) key() string { return d.callID + " " + d.tag() }

func (d *dialog) end() { d.once.Do(func() { close(d.ended) }) }

// retarget follows the far side's Contact.
func (d *dialog) retarget(contact *sip.ContactHeader) {
	if contact == nil {
		return
	}
	d.mu.Lock()
	d.target = contact.Address
	d.mu.Unlock()
}

// hear directs our RTP to where a description says.
func (d *dialog) hear(body []byte) {
	if len(body) == 0 {
		return
	}
	if err := d.stream.follow(body); err != nil {
		d.agent.log.Warn("traffic cannot use a description", "call_id", d.callID, "err", err)
	}
}

// request makes a request within the dialog; sipgo adds Via and the rest.
func (d *dialog) request(method sip.RequestMethod, cseq uint32) *sip.Request {
	d.mu.Lock()
	target := d.target.Clone()
	d.mu.Unlock()
	req := sip.NewRequest(method, *target)
	for _, r := range d.routes {
		req.AppendHeader(&sip.RouteHeader{Address: *r.Clone()})
	}
	from, to, callID := d.from, d.to, sip.CallIDHeader(d.callID)
	from.Params, to.Params = from.Params.Clone(), to.Params.Clone()
	req.AppendHeader(&from)
	req.AppendHeader(&to)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: cseq, MethodName: method})
	return req
}

// acknowledge sends the ACK of a 2xx, which is no part of its transaction.
func (d *dialog) acknowledge() {
	if err := d.agent.client.WriteRequest(d.request(sip.ACK, d.invite)); err != nil {
		d.agent.log.Warn("traffic ACK not sent", "call_id", d.callID, "err", err)
	}
}

// hangUp sends BYE and waits, for a bounded time, until it is answered.
func (d *dialog) hangUp() {
	d.mu.Lock()
	d.cseq++
	cseq := d.cseq
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	if _, err := d.agent.client.Do(ctx, d.request(sip.BYE, cseq)); err != nil {
		d.agent.log.Warn("traffic BYE not answered", "call_id", d.callID, "err", err)
	}
}

// repeat sends a 2xx until its ACK comes (RFC 3261, section 13.3.1.4), and
// reports false when it never came.
func (d *dialog) repeat(ctx context.Context, tx sip.ServerTransaction, res *sip.Response) bool {
	pause := t1
	for end := time.Now().Add(patience); time.Now().Before(end); pause = min(2*pause, t2) {
		timer := time.NewTimer(pause)
		select {
		case <-d.acked:
			timer.Stop()
			return true
		case <-d.ended: // a BYE may overtake the ACK
			timer.Stop()
			return true
		case <-ctx.Done():
			timer.Stop()
			return true
		case <-timer.C:
			d.agent.send(tx, res)
		}
	}
	return false
}
