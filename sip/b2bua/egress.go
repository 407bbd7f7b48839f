package b2bua

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/transaction"
)

// egress is one attempt at a vendor.
type egress struct {
	end
	plan   call.Plan
	invite *sip.Request
	tx     *transaction.Client
	acks   *acks
	forks  map[string]*early // by the tag of who answers
	others []*sip.Response   // 2xx of other forks that were heard before the first
	// unacked is the CSeq of a 2xx whose ACK waits for the caller's.
	unacked uint32
	// again is the attempt's own goroutine's.
	again again

	left  bool // an end was recorded, or the call was dropped
	tried []*wire.AddressTried

	rings     *ringing   // the subscriber's devices, if it is he who is called
	called    string     // who is called instead, where he forwards
	diversion sip.Header // that says so

	heard      bool // a provisional answer has come
	final      bool
	cancelling bool
	reason     uint32 // the cause of Q.850 for the CANCEL
	codec      string
	mediaAddr  string
	agent      string
	stats      relay.Stats
	closed     bool // stats are final
}

// invite starts an attempt.
func (c *session) invite(e call.SendInvite) {
	if old := c.legs[uint32(c.tried)]; old != nil && !old.closed {
		old.stats, old.closed = c.media.Load().Reset(relay.B), true
	}
	l := &egress{end: end{call: c, leg: e.Leg, side: relay.B}, plan: c.plans[e.Index], acks: &acks{}, forks: map[string]*early{}}
	c.legs[e.Leg], c.tried = l, int(e.Leg)
	c.in.body = nil
	t := c.sw.config.World().Catalog.Terminator(l.plan.Candidate.Terminator)
	if t == nil {
		t = &wire.Terminator{Id: l.plan.Candidate.Terminator} // removed since: fails below
	}
	start, refusal := func() { l.run(t) }, (*refused)(nil)
	if sub := c.sw.config.World().Catalog.SubscriberOf(t.Id); sub != nil {
		t, start, refusal = l.local(sub, t)
	}
	c.witnessWith(t.Id)
	now := c.sw.now()
	l.treat(t.Sip)
	if r := l.build(t); r != nil && start != nil {
		start, refusal = nil, r
	}
	c.record(call.Observed(c.id, now, &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: c.id[:], Leg: l.leg, Terminator: t.Id, Company: l.plan.Company, Account: l.plan.Candidate.VendorAccount,
		Route: l.plan.Candidate.Route, AtUs: now.US, Destination: destination(t),
		SipCallId: l.dialog.key.callID, CallerOut: l.invite.From().Address.User, CalledOut: l.invite.Recipient.User,
		CallerNameOut: clip(l.invite.From().DisplayName), Prefix: l.plan.Candidate.GetBuy().GetPrefix(),
	}}}))
	c.begin()
	if start == nil {
		go func() {
			defer c.end()
			l.lost(uint32(refusal.code), refusal.reason, q850By[refusal.code])
		}()
		return
	}
	go start()
}

// build makes the INVITE: a dialog of its own, with nothing in it that shows the
// caller's network. It says why that is not possible.
func (l *egress) build(t *wire.Terminator) *refused {
	c, in := l.call, l.call.in
	way := way{listener: c.sw.config.Gate.ListenerTo(t.Listener, t.Host), transport: cmp.Or(t.Transport, "udp")}
	contact := way.contact()
	host, port := gate.URIHost(t.Host), int(t.Port)
	out := in.numbers
	out.Called = cmp.Or(l.called, in.called)
	world := c.sw.config.World()
	if number, ok := showsAs(world, c.origin, t.Id); ok && (len(c.chain) == 0 || c.own) {
		out.Caller = number
	}
	out = world.RewriteOut(t.Id, out)
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
	hidden := private(in.req) && !l.policy.GetTrusted()
	if hidden {
		l.dialog.local, out.CallerName = anonymous(), "Anonymous"
	}
	req := l.dialog.request(sip.INVITE)
	req.SetSource(contact.HostPort()) // or each copy would look for it in a Via that it has not got yet
	req.From().DisplayName = out.CallerName
	if mf := in.req.MaxForwards(); mf != nil {
		*req.MaxForwards() = sip.MaxForwardsHeader(mf.Val() - 1)
	}
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	req.AppendHeader(sip.NewHeader("Allow", l.allow()))
	for _, h := range l.asking("") {
		req.AppendHeader(h)
	}
	pass(in.req, req, in.policy, l.policy, hidden, contact.HostPort())
	if l.diversion != nil {
		req.PrependHeader(l.diversion)
	}
	problem := l.listen(way)
	var offer []byte
	offered := l.extensions()
	if !in.asks {
		// Without an offer in the INVITE a reliable provisional answer would bear one,
		// which only the caller can answer.
		if !l.without("100rel") {
			offered = append(offered, "100rel")
		}
		var fits bool
		if offer, fits = l.say(&in.end, in.theirs, false, asOffer); !fits && problem == nil {
			problem = &refused{code: 488, reason: "No Codec In Common"}
		}
	}
	req.AppendHeader(sip.NewHeader("Supported", strings.Join(offered, ", ")))
	describe(req, offer)
	l.invite = req
	l.dialog.enter(c.sw, c, l.leg)
	return problem
}

// lost tells that the attempt ends without an answer of the vendor's.
func (l *egress) lost(code uint32, text string, q850 uint32) {
	l.call.post(func(now call.Now) {
		l.final = true
		l.call.do(l.call.machine.Failed(now, l.leg, code, text, q850))
	})
}

func (l *egress) provisional(now call.Now, res *sip.Response) {
	l.heard = true
	if l.cancelling {
		l.sendCancel()
		return
	}
	if res.StatusCode == 100 || !l.acknowledgeEarly(res) {
		return
	}
	media := !l.call.in.asks && l.media(res, true)
	l.call.do(l.call.machine.Ringing(now, l.leg, uint32(res.StatusCode), media))
}

func (l *egress) answered(now call.Now, res *sip.Response) {
	l.final = true
	l.meet(res)
	if ua := first(res, "User-Agent", "Server"); ua != "" {
		l.agent = clip(ua)
	}
	for _, other := range l.others {
		l.forked(other)
	}
	l.others = nil
	tag := l.dialog.remoteTag
	ack := func() { l.acks.send(l.call, tag, l.dialog.ack(res.CSeq().SeqNo, nil)) }
	if l.cancelling || l.call.machine.Over() {
		ack()
		l.call.do(l.call.machine.Answer(now, l.leg))
		return
	}
	if !l.media(res, false) {
		ack()
		l.dialog.sendBye(l.call, call.SendBye{Leg: l.leg, Reason: "no usable session description", Q850: 88})
		l.call.do(l.call.machine.Failed(now, l.leg, 488, "Not Acceptable Here", 88))
		return
	}
	if l.call.in.asks {
		l.unacked = res.CSeq().SeqNo // its ACK bears the answer of the caller's
	} else {
		ack()
	}
	l.asClient(res)
	l.call.do(l.call.machine.Answer(now, l.leg))
}

// acknowledgedBy takes the caller's ACK, which has the answer to the vendor's offer
// in it: an INVITE without an offer (RFC 3261, section 13.2.1).
func (l *egress) acknowledgedBy(now call.Now, ack *sip.Request) {
	c := l.call
	if c.machine.Over() || l.unacked == 0 {
		return
	}
	offer := &heard{session: l.theirs, source: l.source}
	if !c.delayed(&c.in.end, &l.end, offer, ack, false, l.owed) {
		c.do(c.machine.HangUp(now, call.CauseBadAnswer))
	}
}

// owed sends the ACK that waited, if one did.
func (l *egress) owed(body []byte) {
	if l.unacked != 0 {
		l.acks.send(l.call, l.dialog.remoteTag, l.dialog.ack(l.unacked, body))
		l.unacked = 0
	}
}

func (l *egress) failed(now call.Now, res *sip.Response) {
	l.final = true
	l.call.sw.rest(l.plan.Candidate.Terminator, res)
	l.call.do(l.call.machine.Failed(now, l.leg, uint32(res.StatusCode), clip(res.Reason), q850Of(res, res.StatusCode)))
}

// bye ends the leg, if it was answered.
func (l *egress) bye(e call.SendBye) {
	l.owed(nil)
	if l.call.transfer.left(&l.end) {
		return
	}
	l.dialog.sendBye(l.call, e)
}
