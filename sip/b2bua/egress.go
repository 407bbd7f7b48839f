package b2bua

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
	"github.com/tollbook/tollbook/sip/gate"
)

// resolveWithin bounds the look-up of a vendor's name.
const resolveWithin = 2 * time.Second

// passed are headers that go from leg to leg unaltered.
var passed = [...]string{"P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Diversion", "History-Info", "Identity"}

// egress is one attempt at a vendor.
type egress struct {
	call   *session
	leg    uint32
	plan   call.Plan
	dialog dialog
	base   dialog // as it was built: never changes, any goroutine may copy it
	invite *sip.Request
	tx     sip.ClientTransaction
	// authorised is the attempt's own goroutine's.
	authorised bool

	counted bool // its place at the terminator is free again

	heard      bool // a provisional answer has come
	final      bool
	cancelling bool
	answer     *sdp.Session
	codec      string
	mediaAddr  string
	agent      string
	stats      relay.Stats
	closed     bool // stats are final
}

// invite starts an attempt.
func (c *session) invite(e call.SendInvite) {
	if e.Leg > 1 {
		if old := c.legs[e.Leg-1]; old != nil && !old.closed {
			old.stats, old.closed = c.media.Load().Reset(relay.B), true
		}
	}
	l := &egress{call: c, leg: e.Leg, plan: c.plans[e.Index]}
	c.legs[e.Leg] = l
	c.in.body = nil
	c.sw.mu.Lock()
	c.sw.inUse[l.plan.Candidate.Terminator]++
	c.sw.starts(l.plan.Candidate.Terminator)
	c.sw.mu.Unlock()
	t := c.sw.config.World().Catalog.Terminator(l.plan.Candidate.Terminator)
	if t == nil {
		t = &wire.Terminator{Id: l.plan.Candidate.Terminator} // removed since: fails below
	}
	now := c.sw.now()
	l.build(t)
	c.record(call.Observed(c.id, now, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: c.id[:], Leg: l.leg, Terminator: t.Id, Company: l.plan.Company, Account: l.plan.Candidate.VendorAccount,
		Route: l.plan.Candidate.Route, AtUs: now.US, Destination: net.JoinHostPort(t.Host, portOf(t)),
		SipCallId: l.dialog.key.callID, CallerOut: l.invite.From().Address.User, CalledOut: l.invite.Recipient.User,
		CallerNameOut: clip(l.invite.From().DisplayName), Prefix: l.plan.Candidate.GetBuy().GetPrefix(),
	}}}))
	c.begin()
	go l.run(t)
}

func portOf(t *wire.Terminator) string {
	if t.Port == 0 {
		return "5060"
	}
	return strconv.Itoa(int(t.Port))
}

// build makes the INVITE: a dialog of its own, with nothing in it that shows the
// caller's network.
func (l *egress) build(t *wire.Terminator) {
	c, in := l.call, l.call.in
	way := way{listener: c.sw.config.Gate.Listener(t.Listener), transport: cmp.Or(t.Transport, "udp")}
	contact := way.contact()
	host, port := gate.URIHost(t.Host), int(t.Port)
	out := in.numbers
	out.Called = in.called
	out = c.sw.config.World().RewriteOut(t.Id, out)
	if out.Caller == "" && in.req.From().Address.User != "" {
		out.Caller = "anonymous"
	}
	called := out.Called
	l.dialog = dialog{
		key:    dialogKey{fmt.Sprintf("%s-%d", c.id, l.leg), sip.GenerateTagN(16)},
		local:  sip.Uri{Scheme: "sip", User: out.Caller, Host: contact.Host, Port: contact.Port},
		remote: sip.Uri{Scheme: "sip", User: called, Host: host, Port: port},
		target: sip.Uri{Scheme: "sip", User: called, Host: host, Port: port}, way: way,
	}
	if way.transport != "udp" {
		l.dialog.target.UriParams.Add("transport", way.transport)
	}
	l.dialog.sequence = 0
	req := l.dialog.request(sip.INVITE)
	req.From().DisplayName = out.CallerName
	if mf := in.req.MaxForwards(); mf != nil {
		*req.MaxForwards() = sip.MaxForwardsHeader(mf.Val() - 1)
	}
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	for _, name := range passed {
		for _, h := range in.req.GetHeaders(name) {
			req.AppendHeader(sip.HeaderClone(h))
		}
	}
	contentType := sip.ContentTypeHeader("application/sdp")
	req.AppendHeader(&contentType)
	req.SetBody(c.offerToVendor())
	l.invite, l.base = req, l.dialog
	l.dialog.enter(c.sw, c, l.leg)
}

// run is the attempt's own goroutine: it owns the INVITE transaction until the
// final answer and posts what comes to the call.
func (l *egress) run(t *wire.Terminator) {
	defer l.call.end()
	defer func() {
		if r := recover(); r != nil {
			l.call.log.Error("an attempt panicked", "leg", l.leg, "panic", r, "stack", string(debug.Stack()))
			l.lost(500, "Server Internal Error", 41)
		}
	}()
	ctx, cancel := context.WithTimeout(l.call.sw.ctx, resolveWithin)
	addr, err := l.resolve(ctx, t)
	cancel()
	if err == nil {
		l.invite.SetDestination(addr.String())
		var tx sip.ClientTransaction
		if tx, err = l.call.sw.config.Gate.Client().TransactionRequest(l.call.sw.ctx, l.invite); err == nil {
			l.serve(t, l.invite, tx)
			return
		}
	}
	l.call.log.Warn("an INVITE could not be sent", "leg", l.leg, "terminator", t.Id, "err", err)
	l.lost(503, "Vendor Not Reachable", 38)
}

// lost tells that the attempt ends without an answer of the vendor's.
func (l *egress) lost(code uint32, text string, q850 uint32) {
	l.call.post(func(now call.Now) {
		l.final = true
		l.call.do(l.call.machine.Failed(now, l.leg, code, text, q850))
	})
}

func (l *egress) resolve(ctx context.Context, t *wire.Terminator) (netip.AddrPort, error) {
	port, err := strconv.ParseUint(portOf(t), 10, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of terminator %s: %w", t.Id, err)
	}
	addr, err := netip.ParseAddr(t.Host)
	if err != nil {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.Host)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("look up terminator %s: %w", t.Id, err)
		}
		addr = addrs[0].Unmap()
	}
	l.call.vendor.Store(&addr)
	l.call.sw.config.Gate.Admit(addr)
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// serve reads the transaction's responses until the final one. It never waits for
// the transaction's own lock, which is held while a response is passed here.
func (l *egress) serve(t *wire.Terminator, invite *sip.Request, tx sip.ClientTransaction) {
	tx.OnRetransmission(func(res *sip.Response) { l.repeated(res) })
	l.call.post(func(call.Now) {
		l.invite, l.tx = invite, tx
		l.dialog.sequence = invite.CSeq().SeqNo
	})
	for {
		select {
		case res := <-tx.Responses():
			if res.To() == nil || res.From() == nil || res.CSeq() == nil {
				if res.IsProvisional() {
					continue
				}
				tx.Terminate()
				l.lost(502, "Bad Response", 41)
				return
			}
			if res.IsProvisional() {
				l.call.post(func(now call.Now) { l.provisional(now, res) })
				continue
			}
			if res.IsSuccess() {
				l.acknowledge(res)
				l.call.post(func(now call.Now) { l.answered(now, res) })
				return
			}
			if again, next := l.authorise(t, invite, res); next != nil {
				l.serve(t, again, next)
				return
			}
			l.call.post(func(now call.Now) { l.failed(now, res) })
			return
		case <-tx.Done():
			l.lost(408, "Request Timeout", 102)
			return
		}
	}
}

func (l *egress) provisional(now call.Now, res *sip.Response) {
	l.heard = true
	if l.cancelling {
		l.sendCancel()
		return
	}
	if res.StatusCode == 100 {
		return
	}
	media := l.media(res)
	l.call.do(l.call.machine.Ringing(now, l.leg, uint32(res.StatusCode), media))
}

func (l *egress) answered(now call.Now, res *sip.Response) {
	l.final = true
	l.follow(res)
	if ua := res.GetHeader("User-Agent"); ua != nil {
		l.agent = clip(ua.Value())
	} else if ua := res.GetHeader("Server"); ua != nil {
		l.agent = clip(ua.Value())
	}
	if !l.cancelling {
		l.media(res)
	}
	l.call.do(l.call.machine.Answer(now, l.leg))
	if l.call.machine.Talking() && l.answer == nil {
		l.call.do(l.call.machine.HangUp(now, call.CauseNoMedia))
	}
}

func (l *egress) failed(now call.Now, res *sip.Response) {
	l.final = true
	l.call.do(l.call.machine.Failed(now, l.leg, uint32(res.StatusCode), clip(res.Reason), q850Of(res, res.StatusCode)))
}

// follow completes the dialog from a 2xx.
func (l *egress) follow(res *sip.Response) {
	if tag, ok := res.To().Params.Get("tag"); ok {
		l.dialog.remoteTag = tag
	}
	if contact := res.Contact(); contact != nil {
		l.dialog.target = contact.Address
	}
	l.dialog.routes = routeSet(res, true)
}

// acknowledge sends the ACK of a 2xx, which is no part of the transaction.
func (l *egress) acknowledge(res *sip.Response) {
	d := l.base
	d.sequence = res.CSeq().SeqNo
	d.remoteTag, _ = res.To().Params.Get("tag")
	if contact := res.Contact(); contact != nil {
		d.target = contact.Address
	}
	d.routes = routeSet(res, true)
	if err := l.call.sw.config.Gate.Client().WriteRequest(d.request(sip.ACK)); err != nil {
		l.call.log.Warn("an ACK could not be sent", "leg", l.leg, "err", err)
	}
}

// repeated acknowledges a 2xx that came again. One with another tag is a second
// fork's: it is acknowledged, too, and ended.
func (l *egress) repeated(res *sip.Response) {
	if !res.IsSuccess() || res.To() == nil || res.CSeq() == nil {
		return
	}
	l.acknowledge(res)
	tag, _ := res.To().Params.Get("tag")
	l.call.postAsync(func(call.Now) {
		if tag == l.dialog.remoteTag {
			return
		}
		fork := l.dialog
		fork.remoteTag = tag
		if contact := res.Contact(); contact != nil {
			fork.target = contact.Address
		}
		fork.routes = routeSet(res, true)
		fork.sendBye(l.call, call.SendBye{Leg: l.leg, Reason: "another fork has answered", Q850: 26})
	})
}

// cancel gives the attempt up, at once or with its first provisional answer
// (RFC 3261, section 9.1).
func (l *egress) cancel() {
	if l.final || l.cancelling {
		return
	}
	l.cancelling = true
	if l.heard {
		l.sendCancel()
	}
}

func (l *egress) sendCancel() {
	if l.final || l.tx == nil {
		return
	}
	req := sip.NewRequest(sip.CANCEL, l.invite.Recipient)
	req.AppendHeader(sip.HeaderClone(l.invite.Via()))
	for _, h := range l.invite.GetHeaders("Route") {
		req.AppendHeader(sip.HeaderClone(h))
	}
	for _, name := range []string{"From", "To", "Call-ID"} {
		req.AppendHeader(sip.HeaderClone(l.invite.GetHeader(name)))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: l.invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	req.SetTransport(l.invite.Transport())
	req.SetDestination(l.invite.Destination())
	req.Laddr = l.invite.Laddr // from the socket that sent the INVITE
	tx := l.tx
	l.call.begin()
	go func() {
		defer l.call.end()
		l.awaitCancel(req)
		time.AfterFunc(64*sip.T1, tx.Terminate) // should no final answer follow
	}()
}

func (l *egress) awaitCancel(req *sip.Request) {
	client := l.call.sw.config.Gate.Client()
	tx, err := client.TransactionRequest(l.call.sw.ctx, req, keepAsItIs)
	if err != nil {
		l.call.log.Warn("a CANCEL could not be sent", "leg", l.leg, "err", err)
		return
	}
	awaitFinal(tx)
}

// bye ends the leg, if it was answered.
func (l *egress) bye(e call.SendBye) {
	l.dialog.sendBye(l.call, e)
}
