package b2bua

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/transaction"
)

// transfer is a call on its way to where one of its parties sends it (RFC 5589). An
// INVITE to ourselves, as for a forward, makes a call of its own, with a hold, a price
// and CDRs of its own; when that is answered it takes the party's place in this call,
// which goes on as it was: one talks, and pays, through the other.
type transfer struct {
	call   *session
	from   *end // of who sends the call on
	place  end  // what takes its place
	invite *sip.Request
	tx     *transaction.Client
	acks   acks
	heard  bool // a provisional answer has come
	final  bool
	given  bool // up
	gone   bool // who sent the call on has hung up
	notify notifier
}

// transferTo sends the call on for a party, which is an originator by some name.
func (c *session) transferTo(a *asked, to referral, by string) {
	e := a.end
	t := &transfer{call: c, from: e, notify: notifier{call: c, dialog: &e.dialog}}
	body, ok := t.build(to, c.other(e))
	if !ok {
		a.refuse(488, "Not Acceptable Here")
		return
	}
	chain := append(slices.Clone(c.chain), by) // no subscriber's id: those who forward are told from it
	f := forwarded{origin: by, chain: chain, own: e.leg == 0, replaces: to.replaces}
	c.sw.mu.Lock()
	c.sw.forwards[t.place.dialog.key] = f
	c.sw.mu.Unlock()
	c.transfer = t
	c.sw.config.Gate.Admit(e.dialog.way.listener.Addr())
	a.accepted(&t.notify)
	t.notify.say(100, "Trying", false)
	describe(t.invite, body)
	c.transact(t.invite, func(tx *transaction.Client) {
		tx.OnRepeat(t.repeated)
		c.post(func(call.Now) { t.tx = tx })
	}, t.hear)
	time.AfterFunc(forwardRings, func() { c.post(func(now call.Now) { t.giveUp(now) }) })
}

// build makes the INVITE to ourselves, and the description in it: that of the party
// that stays, as it was before anybody put it on hold.
func (t *transfer) build(to referral, stays *end) ([]byte, bool) {
	c, e := t.call, t.from
	by := c.sw.config.Gate.Own(e.dialog.way.listener)
	at := ourselves(by, "")
	c.transfers++
	t.place = end{call: c, leg: e.leg, side: e.side, policy: e.policy, ours: true, fresh: true}
	t.place.timer.usual = e.timer.usual
	w := way{listener: by, transport: at.Transport}
	contact := w.contact()
	number := cmp.Or(c.in.numbers.Caller, c.in.req.From().Address.User)
	uri := sip.Uri{Scheme: "sip", User: to.number, Host: gate.URIHost(at.Host), Port: int(at.Port)}
	t.place.dialog = dialog{
		key:   dialogKey{fmt.Sprintf("%s-to%d", c.id, c.transfers), sip.GenerateTagN(16)},
		local: sip.Uri{Scheme: "sip", User: number, Host: contact.Host, Port: contact.Port}, remote: uri, target: uri, way: w,
	}
	if at.Transport != "udp" {
		t.place.dialog.target.UriParams.Add("transport", at.Transport)
	}
	req := t.place.dialog.request(sip.INVITE)
	req.From().DisplayName = c.in.numbers.CallerName
	if mf := c.in.req.MaxForwards(); mf != nil {
		*req.MaxForwards() = sip.MaxForwardsHeader(mf.Val() - 1)
	}
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	for _, h := range t.place.asking("") {
		req.AppendHeader(h)
	}
	req.AppendHeader(sip.NewHeader("Supported", "timer"))
	pass(c.in.req, req, c.in.policy, &wire.SipPolicy{}, false, contact.HostPort())
	t.invite = req
	t.place.dialog.enter(c.sw, c, e.leg)
	return t.place.say(stays, stays.theirs, false, asOffer)
}

// repeated acknowledges a 2xx again.
func (t *transfer) repeated(res *sip.Response) {
	if res.To() != nil {
		t.acks.repeat(t.call.log, "")
	}
}

// hear takes what comes of the call to where it was sent; nil is nothing at all.
func (t *transfer) hear(now call.Now, res *sip.Response) {
	switch {
	case t.final:
	case res != nil && res.IsProvisional():
		t.heard = true
		t.sendCancel()
		if res.StatusCode > 100 && !t.given {
			t.notify.say(res.StatusCode, res.Reason, false)
		}
	case res == nil:
		t.failed(now, 408, "Request Timeout")
	case !res.IsSuccess():
		t.failed(now, res.StatusCode, clip(res.Reason))
	default:
		t.answered(now, res)
	}
}

func (t *transfer) answered(now call.Now, res *sip.Response) {
	c, p := t.call, &t.place
	t.final = true
	p.dialog.follow(res)
	p.learn(res)
	t.acks.send(c, "", p.dialog.ack(res.CSeq().SeqNo, nil))
	h, err := p.hear(res.Body(), res.Source())
	if err == nil {
		if _, ok := h.stream(false); !ok {
			err = errNoStream
		}
	}
	if t.given || c.machine.Over() || err != nil {
		p.dialog.sendBye(c, call.SendBye{Leg: p.leg, Reason: "not wanted any more", Q850: 16})
		t.failed(now, 488, "Not Acceptable Here")
		return
	}
	t.takePlace(now, h, res)
}

// takePlace puts the new leg into the place of who sent the call on, who is told and
// hung up, and tells the party that stays what it talks to now. A change of the
// session that is in progress comes to its end first.
func (t *transfer) takePlace(now call.Now, h *heard, res *sip.Response) {
	c, e := t.call, t.from
	switch {
	case c.machine.Over():
		t.place.dialog.sendBye(c, call.SendBye{Leg: e.leg, Reason: "not wanted any more", Q850: 16})
		t.place.dialog.forget(c.sw)
		t.over()
		return
	case c.exchange != nil:
		c.begin() // it must not be over before it knows
		time.AfterFunc(200*time.Millisecond, func() {
			c.post(func(now call.Now) {
				defer c.end()
				t.takePlace(now, h, res)
			})
		})
		return
	}
	old := e.dialog
	t.notify.dialog = &old
	c.retire(&old, e.leg)
	e.accepted.settle()
	e.timer.stop()
	e.dialog, e.said, e.version, e.updates, e.ours = t.place.dialog, t.place.said, t.place.version, t.place.updates, true
	e.timer = sessionTimer{usual: e.timer.usual}
	if first(res, "Session-Expires", "x") != "" {
		e.asClient(res)
	}
	e.agreed = nil // within the switch nothing is encrypted
	t.over()
	t.notify.say(200, "OK", true)
	if !t.gone {
		t.notify.then(func() {
			old.sendBye(c, call.SendBye{Leg: e.leg, Reason: "transferred", Q850: 16})
		})
	}
	if err := e.heed(h, false, asAnswer); err != nil {
		c.log.Info("the answer to a call that was sent on cannot be used", "leg", e.leg, "err", err)
		c.do(c.machine.HangUp(now, call.CauseBadAnswer))
		return
	}
	c.held()
	c.align(now, c.other(e))
}

// retire takes leave of a leg's dialog that something else takes the place of. Its far
// end may still have something to say.
func (c *session) retire(old *dialog, leg uint32) {
	c.retired = append(c.retired, old)
	c.sw.mu.Lock()
	defer c.sw.mu.Unlock()
	c.sw.dialogs[old.key] = &dialogEntry{call: c, leg: leg, retired: true}
}

// failed tells who sent the call on that it did not get there: the call is theirs
// again. If they have left it is over.
func (t *transfer) failed(now call.Now, code int, reason string) {
	t.final = true
	t.place.dialog.forget(t.call.sw)
	t.over()
	if t.call.machine.Over() {
		return
	}
	t.notify.say(code, reason, true)
	if t.gone {
		t.call.do(t.call.machine.Bye(now, t.from.leg, 0))
	}
}

// over forgets the INVITE to ourselves.
func (t *transfer) over() {
	t.call.transfer = nil
	t.call.sw.mu.Lock()
	defer t.call.sw.mu.Unlock()
	delete(t.call.sw.forwards, t.place.dialog.key)
}

// giveUp takes the INVITE back, at once or with its first provisional answer.
func (t *transfer) giveUp(call.Now) {
	if t == nil || t.final || t.given {
		return
	}
	t.given = true
	t.sendCancel()
}

func (t *transfer) sendCancel() {
	if t.given && t.heard && !t.final && t.tx != nil {
		t.call.cancel(t.invite, t.tx, 0)
	}
}

// left tells whether an end's far end has hung up after it sent the call on.
func (t *transfer) left(e *end) bool { return t != nil && t.from == e && t.gone }
