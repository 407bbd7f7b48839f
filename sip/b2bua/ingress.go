package b2bua

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/sdp"
)

// allowed are the methods that we take.
const allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS"

// ingress is leg 0: the customer's.
type ingress struct {
	call     *session
	req      *sip.Request
	tx       sip.ServerTransaction
	mergeKey string
	dialog   dialog
	numbers  number.Set // as they are routed: without tech prefix, rewritten
	caller   string     // the caller's digits, or what else he calls himself
	called   string     // the called digits, without tech prefix
	offered  *sdp.Session
	body     []byte // the session description that answers the caller's
	final    bool
	acked    bool
	pending  bool // the 200 has not been acknowledged
	wait     time.Duration
	waited   time.Duration
}

func newIngress(c *session, req *sip.Request, tx sip.ServerTransaction, merge string) *ingress {
	tag := c.id.String()
	req.To().Params.Add("tag", tag) // so that every answer carries it
	from := req.From()
	remoteTag, _ := from.Params.Get("tag")
	in := &ingress{call: c, req: req, tx: tx, mergeKey: merge}
	in.dialog = dialog{
		key: dialogKey{req.CallID().Value(), tag}, remoteTag: remoteTag,
		local: req.To().Address, remote: from.Address, routes: routeSet(req, false), way: c.sw.wayOf(req, tx),
	}
	if contact := req.Contact(); contact != nil {
		in.dialog.target = contact.Address
	} else {
		in.dialog.target = from.Address
	}
	in.dialog.enter(c.sw, c, 0)
	tx.OnCancel(func(*sip.Request) {
		c.postAsync(func(now call.Now) {
			in.final = true // the transaction has answered 487
			c.do(c.machine.Cancel(now))
		})
	})
	return in
}

// rewrite makes the numbers that the call is routed by from what came in, the
// called one without its tech prefix.
func (in *ingress) rewrite(world *routing.World, called string) {
	from := in.req.From()
	in.numbers = world.RewriteIn(in.call.origin.Id, number.Set{
		Called: called, Caller: from.Address.User, CallerName: from.DisplayName,
	})
	in.caller = clip(routing.CallerDigits(in.numbers.Caller))
}

// received describes the call for the record. Texts of strangers are cut short.
func (in *ingress) received(c *session, source netip.AddrPort) *wire.CallReceived {
	r := &wire.CallReceived{
		Call: c.id[:], Node: c.sw.config.Node, Originator: c.origin.Id, Company: c.origin.Company, Account: c.origin.Account,
		AtUs: time.Now().UnixMicro(), Source: source.String(), SipCallId: clip(in.req.CallID().Value()),
		Caller: clip(in.req.From().Address.User), CallerName: clip(in.req.From().DisplayName), Called: clip(in.req.Recipient.User),
		CallerRouted: in.caller, CalledRouted: clip(in.numbers.Called), Transport: in.req.Transport(),
		UserAgent: header(in.req, "User-Agent"), AssertedIdentity: header(in.req, "P-Asserted-Identity"),
		Diversion: header(in.req, "Diversion"),
	}
	return r
}

func header(req *sip.Request, name string) string {
	if h := req.GetHeader(name); h != nil {
		return clip(h.Value())
	}
	return ""
}

func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most]
	}
	return s
}

func (in *ingress) send(code int, reason string, body []byte, more ...sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(in.req, code, reason, body)
	res.AppendHeader(&sip.ContactHeader{Address: in.dialog.way.contact()})
	if len(body) > 0 {
		contentType := sip.ContentTypeHeader("application/sdp")
		res.AppendHeader(&contentType)
	}
	for _, h := range more {
		res.AppendHeader(h)
	}
	if err := in.tx.Respond(res); err != nil {
		in.call.log.Debug("an answer to the caller could not be sent", "code", code, "err", err)
	}
	return res
}

func (in *ingress) trying() { in.send(100, "Trying", nil) }

// provisional passes 18x on, with the vendor's early media if there is any.
func (in *ingress) provisional(code int) {
	if in.final {
		return
	}
	reasons := map[int]string{180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress"}
	in.send(code, reasons[code], in.body)
}

// reject ends the leg with a final answer.
func (in *ingress) reject(code int, reason string, q850 uint32) {
	if in.final {
		return
	}
	in.final = true
	var more []sip.Header
	if q850 != 0 {
		more = append(more, reasonHeader(q850, reason))
	}
	if code == 503 {
		more = append(more, sip.NewHeader("Retry-After", retryAfter))
	}
	in.send(code, reason, nil, more...)
}

// answer sends the 200, again and again until it is acknowledged
// (RFC 3261, section 13.3.1.4).
func (in *ingress) answer() {
	if in.final {
		return
	}
	in.final, in.pending = true, true
	in.call.begin()
	res := in.send(200, "OK", in.body, sip.NewHeader("Allow", allowed))
	in.wait = sip.T1
	in.again(res)
}

func (in *ingress) again(res *sip.Response) {
	wait := in.wait
	time.AfterFunc(wait, func() {
		in.call.post(func(now call.Now) {
			if !in.pending {
				return
			}
			in.waited += wait
			if in.waited >= 64*sip.T1 {
				in.settled()
				in.call.do(in.call.machine.HangUp(now, call.CauseNoAck))
				return
			}
			if err := in.tx.Respond(res); err != nil {
				in.call.log.Debug("a 200 could not be repeated", "err", err)
			}
			in.wait = min(2*in.wait, sip.T2)
			in.again(res)
		})
	})
}

// settled ends the wait for the ACK.
func (in *ingress) settled() {
	if in.pending {
		in.pending = false
		in.call.end()
	}
}

// ack tells that the caller has acknowledged the 200.
func (in *ingress) ack() {
	in.acked = true
	in.settled()
}

// bye ends the answered leg.
func (in *ingress) bye(e call.SendBye) {
	in.settled()
	in.dialog.sendBye(in.call, e)
}

// sendBye ends a dialog; the call outlives the transaction.
func (d *dialog) sendBye(c *session, e call.SendBye) {
	req := d.request(sip.BYE)
	req.AppendHeader(reasonHeader(e.Q850, e.Reason))
	c.begin()
	go func() {
		defer c.end()
		tx, err := c.sw.config.Gate.Client().TransactionRequest(c.sw.ctx, req)
		if err != nil {
			c.log.Warn("a BYE could not be sent", "leg", e.Leg, "err", err)
			return
		}
		awaitFinal(tx)
	}()
}

// awaitFinal reads a transaction's responses until the final one, or its end: what
// nobody reads would block it.
func awaitFinal(tx sip.ClientTransaction) {
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
}
