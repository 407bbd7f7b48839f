package b2bua

import (
	"bytes"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/sip/gate"
)

// ingress is leg 0: the customer's.
type ingress struct {
	end
	req      *sip.Request
	tx       gate.ServerTransaction
	mergeKey string
	numbers  number.Set // as they are routed: without tech prefix, rewritten
	caller   string     // the caller's digits, or what else he calls himself
	called   string     // the called digits, without tech prefix
	asks     bool       // the INVITE has no offer: the answer's description is one
	body     []byte     // the session description that answers the caller's
	refusal  []sip.Header
	reliable reliable
	final    bool
}

func newIngress(c *session, req *sip.Request, tx gate.ServerTransaction, merge string) *ingress {
	tag := c.id.String()
	req.To().Params.Add("tag", tag) // so that every answer carries it
	from := req.From()
	remoteTag, _ := from.Params.Get("tag")
	in := &ingress{end: end{call: c, side: relay.A}, req: req, tx: tx, mergeKey: merge}
	in.reliable.in = in
	in.treat(c.origin.GetSip())
	in.learn(req)
	in.dialog = dialog{
		key: dialogKey{req.CallID().Value(), tag}, remoteTag: remoteTag,
		local: req.To().Address, remote: from.Address, routes: routeSet(req, false), way: c.sw.wayOf(req, tx),
		heardSeq: req.CSeq().SeqNo, heardAny: true,
	}
	if contact := req.Contact(); contact != nil {
		in.dialog.target = contact.Address
		if user, ok := strings.CutPrefix(c.origin.Id, catalog.DevicePeer); ok {
			in.dialog.way.again = c.sw.flowOf(user, contact.Address.String())
		}
	} else {
		in.dialog.target = from.Address
	}
	in.dialog.enter(c.sw, c, 0)
	tx.OnCancel(func(cancel *sip.Request) {
		c.postAsync(func(now call.Now) { in.cancelled(now, cancel) })
	})
	return in
}

// cancelled takes the caller's CANCEL, unless our answer has crossed it.
func (in *ingress) cancelled(now call.Now, cancel *sip.Request) {
	if in.final {
		return
	}
	in.reject(487, "Request Terminated", 0)
	in.call.do(in.call.machine.Cancel(now, reasonOf(cancel)))
}

// routedBy takes the numbers that the call is routed by.
func (in *ingress) routedBy(n number.Set) {
	in.numbers = n
	in.caller = clip(routing.CallerDigits(n.Caller))
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
	return clip(first(req, name))
}

func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most]
	}
	return s
}

func (in *ingress) response(code int, reason string, body []byte, more []sip.Header) *sip.Response {
	res := sip.NewResponseFromRequest(in.req, code, reason, nil)
	res.AppendHeader(&sip.ContactHeader{Address: in.dialog.way.contact()})
	describe(res, body)
	for _, h := range more {
		res.AppendHeader(h)
	}
	return res
}

func (in *ingress) send(code int, reason string, body []byte, more ...sip.Header) *sip.Response {
	res := in.response(code, reason, body, more)
	if err := in.tx.Respond(res); err != nil {
		in.call.log.Debug("an answer to the caller could not be sent", "code", code, "err", err)
	}
	return res
}

func (in *ingress) trying() { in.send(100, "Trying", nil) }

// provisional passes 18x on, with the vendor's early media if there is any;
// reliably where the caller requires it, or knows how and is treated so.
func (in *ingress) provisional(code int) {
	if in.final {
		return
	}
	reasons := map[int]string{180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress"}
	if requires(in.req, "100rel") || in.policy.GetReliableAnswers() && supports(in.req, "100rel") {
		in.reliable.send(code, reasons[code], in.body)
		return
	}
	in.send(code, reasons[code], in.body)
}

// reject ends the leg with a final answer.
func (in *ingress) reject(code int, reason string, q850 uint32) {
	if in.final {
		return
	}
	in.final = true
	more := in.refusal
	if q850 != 0 {
		more = append(more, reasonHeader(q850, reason))
	}
	if code == 503 {
		more = append(more, sip.NewHeader("Retry-After", retryAfter))
	}
	in.send(code, reason, nil, more...)
}

// answer sends the 200, again and again until it is acknowledged. It waits for the
// PRACK of what it depends on.
func (in *ingress) answer(by *egress) {
	if in.final || in.reliable.blocks(func() { in.answer(by) }) {
		return
	}
	in.final = true
	more := append(in.asServer(in.req), sip.NewHeader("Allow", in.allow()), sip.NewHeader("Supported", strings.Join(in.extensions(), ", ")))
	var onAck func(call.Now, *sip.Request)
	switch agreed := in.reliable.agreed; {
	case in.asks:
		onAck = by.acknowledgedBy
	case agreed != nil && !bytes.Equal(agreed, in.body):
		// Another one has answered than whom he has agreed with: he takes no other
		// description with the 200 (RFC 6337, section 3.1.1).
		onAck = func(now call.Now, _ *sip.Request) { in.call.align(now, &in.end) }
	}
	in.accept(in.tx, in.response(200, "OK", in.body, more), onAck)
}

// bye ends the leg, if it was answered; a 200 that still waited for a PRACK becomes
// a refusal.
func (in *ingress) bye(e call.SendBye) {
	in.reject(480, "Temporarily Unavailable", e.Q850)
	if in.accepted == nil {
		return
	}
	in.accepted.settle()
	if !in.call.transfer.left(&in.end) {
		in.dialog.sendBye(in.call, e)
	}
}

// sendBye ends a dialog; the call outlives the transaction.
func (d *dialog) sendBye(c *session, e call.SendBye) {
	req := d.request(sip.BYE)
	req.AppendHeader(reasonHeader(e.Q850, e.Reason))
	c.transact(req, nil, func(call.Now, *sip.Response) {})
}
