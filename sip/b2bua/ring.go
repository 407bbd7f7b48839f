package b2bua

import (
	"runtime/debug"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/registrar"
	"github.com/tollbook/tollbook/sip/transaction"
)

// ringing is the attempt at a subscriber: his devices of one preference are called
// all at once, as a proxy forks (RFC 3261, section 16.7), those of the next one when
// they have refused. The first that answers has the call. To the rest of the call it
// is one attempt. All of it belongs to the call's goroutine.
type ringing struct {
	l        *egress
	user     string
	waiting  [][]registrar.Contact // those not called yet, by preference
	each     time.Duration         // how long those of one preference ring
	branches []*branch             // those called
	round    int
	won      *branch
	best     refusedBy
}

// branch is the INVITE to one device.
type branch struct {
	contact registrar.Contact
	invite  *sip.Request
	tx      *transaction.Client
	way     way
	heard   bool // a provisional answer has come
	done    bool // a final one, or none ever
	given   bool // we do not want it any more
	taken   bool // a CANCEL has been sent
}

// refusedBy is the best refusal so far.
type refusedBy struct {
	code, q850 uint32
	text       string
}

// leastRing is how long those of one preference ring at least.
const leastRing = 10 * time.Second

// devices makes an attempt one at a subscriber's devices. It gives the terminator
// that stands for the first of them, nil if there is none.
func (l *egress) devices(sub *wire.Subscriber) *wire.Terminator {
	devices := l.call.sw.config.Devices
	if devices == nil {
		return nil
	}
	list := devices.Contacts(sub.Id)
	t := &wire.Terminator{Id: catalog.DevicePeer + sub.Id, Company: sub.Company}
	if len(list) == 0 {
		return nil
	}
	var err error
	if t.Host, t.Port, err = addressOf(list[0].Destination); err != nil {
		return nil
	}
	t.Transport, t.Listener = list[0].Transport, list[0].Listener
	r := &ringing{l: l, user: sub.Id}
	for i, contact := range list {
		if i == 0 || contact.Q != list[i-1].Q {
			r.waiting = append(r.waiting, nil)
		}
		last := len(r.waiting) - 1
		r.waiting[last] = append(r.waiting[last], contact)
	}
	rings := time.Duration(catalog.NoAnswerS(sub)) * time.Second
	r.each = max(rings/time.Duration(len(r.waiting)), min(leastRing, rings))
	l.rings = r
	return t
}

// next calls the devices of the next preference. False says that there are none.
func (r *ringing) next() bool {
	if len(r.waiting) == 0 {
		return false
	}
	list := r.waiting[0]
	r.waiting = r.waiting[1:]
	r.round++
	for _, contact := range list {
		b := r.branch(contact)
		r.branches = append(r.branches, b)
		r.l.call.begin()
		go r.run(b)
	}
	round := r.round
	time.AfterFunc(r.each, func() { r.l.call.post(func(now call.Now) { r.late(now, round) }) })
	return true
}

// branch makes the INVITE to a device: that of the attempt but for where it goes.
func (r *ringing) branch(contact registrar.Contact) *branch {
	l := r.l
	w := way{listener: l.call.sw.config.Gate.Listener(contact.Listener), transport: contact.Transport}
	if sip.IsReliable(contact.Transport) {
		w.flow, w.again = contact.Destination, l.call.sw.flowOf(r.user, contact.Key)
	} else if len(contact.Routes) == 0 {
		w.home = contact.Destination
	}
	invite := l.invite.Clone()
	invite.Recipient = contact.URI
	for invite.RemoveHeader("Route") {
	}
	for i := len(contact.Routes) - 1; i >= 0; i-- {
		invite.PrependHeader(&sip.RouteHeader{Address: contact.Routes[i]})
	}
	invite.ReplaceHeader(&sip.ContactHeader{Address: w.contact()})
	invite.SetTransport(sip.NetworkToUpper(contact.Transport))
	invite.SetDestination(contact.Destination)
	invite.Laddr = w.listener.Local()
	return &branch{contact: contact, invite: invite, way: w}
}

// run is a branch's own goroutine: it owns the transaction and posts what comes.
func (r *ringing) run(b *branch) {
	c := r.l.call
	defer c.end()
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("a call to a device panicked", "panic", p, "stack", string(debug.Stack()))
			c.post(func(now call.Now) { r.failed(now, b, refusedBy{500, 41, "Server Internal Error"}) })
		}
	}()
	tx, err := c.sw.config.Gate.Client().TransactionRequest(c.sw.ctx, b.invite)
	if err != nil {
		c.log.Info("a device cannot be called", "contact", b.contact.Key, "err", err)
		c.post(func(now call.Now) { r.failed(now, b, refusedBy{480, 18, "Temporarily Unavailable"}) })
		return
	}
	tx.OnRepeat(r.l.repeated)
	c.post(func(call.Now) { b.tx = tx })
	for {
		select {
		case res := <-tx.Responses():
			switch {
			case !whole(res):
				continue
			case res.IsProvisional():
				c.post(func(now call.Now) { r.provisional(now, b, res) })
				continue
			case res.IsSuccess():
				c.post(func(now call.Now) { r.answered(now, b, res) })
				return
			}
			by := refusedBy{uint32(res.StatusCode), q850Of(res, res.StatusCode), clip(res.Reason)}
			c.post(func(now call.Now) { r.failed(now, b, by) })
			return
		case <-tx.Done():
			c.post(func(now call.Now) { r.failed(now, b, refusedBy{408, 102, "Request Timeout"}) })
			return
		}
	}
}

// over tells whether the attempt has its end.
func (r *ringing) over() bool { return r.won != nil || r.l.final || r.l.cancelling }

func (r *ringing) provisional(now call.Now, b *branch, res *sip.Response) {
	b.heard = true
	if b.given || r.over() {
		r.giveUp(b)
		return
	}
	r.l.dialog.way = b.way
	r.l.provisional(now, res)
}

// answered gives the call to the first device that answers. Another one that could
// not be stopped in time is acknowledged and hung up.
func (r *ringing) answered(now call.Now, b *branch, res *sip.Response) {
	b.done = true
	l := r.l
	if r.won != nil {
		tag, _ := res.To().Params.Get("tag")
		late := l.dialog
		late.way = b.way
		late.follow(res)
		l.acks.send(l.call, tag, late.ack(res.CSeq().SeqNo, nil))
		late.sendBye(l.call, call.SendBye{Leg: l.leg, Reason: "answered elsewhere", Q850: 26})
		return
	}
	r.won = b
	l.invite, l.tx, l.dialog.way = b.invite, b.tx, b.way
	r.cancel()
	l.answered(now, res)
}

// failed takes a device's refusal. When all have refused, those of the next
// preference are called; a refusal for good (6xx) ends the attempt.
func (r *ringing) failed(now call.Now, b *branch, by refusedBy) {
	b.done = true
	if r.over() || b.given {
		return
	}
	if r.best.code == 0 || by.better(r.best) {
		r.best = by
	}
	if by.code >= 600 {
		r.conclude(now, by)
		return
	}
	for _, other := range r.branches {
		if !other.done && !other.given {
			return
		}
	}
	if !r.next() {
		r.conclude(now, r.best)
	}
}

// late tells that those of one preference have rung long enough.
func (r *ringing) late(now call.Now, round int) {
	if r.over() || round != r.round || r.l.call.machine.Over() {
		return
	}
	r.cancel()
	if !r.next() {
		r.conclude(now, refusedBy{480, 19, "Temporarily Unavailable"})
	}
}

// conclude ends the attempt without an answer. What still comes is not wanted.
func (r *ringing) conclude(now call.Now, by refusedBy) {
	l := r.l
	r.cancel()
	l.final, l.cancelling, l.call.devicesSaid = true, true, by.code
	l.call.do(l.call.machine.Failed(now, l.leg, by.code, by.text, by.q850))
}

// cancel gives up all devices that have not answered.
func (r *ringing) cancel() {
	for _, b := range r.branches {
		if b != r.won {
			r.giveUp(b)
		}
	}
}

// giveUp cancels the INVITE to a device: at once, or with its first provisional
// answer (RFC 3261, section 9.1).
func (r *ringing) giveUp(b *branch) {
	b.given = true
	if b.done || b.taken || !b.heard || b.tx == nil {
		return
	}
	b.taken = true
	cause := r.l.reason
	if r.won != nil {
		cause = 26 // another one has answered
	}
	r.l.call.cancel(b.invite, b.tx, cause)
}

// better compares refusals: one for good before all, then busy, then others of the
// callee's before those of his network's; a time-out says least.
func (r refusedBy) better(than refusedBy) bool { return r.rank() < than.rank() }

func (r refusedBy) rank() int {
	switch {
	case r.code >= 600:
		return 0
	case r.code == 486:
		return 1
	case r.code == 480 || r.code == 404 || r.code == 410:
		return 2
	case r.code == 408:
		return 5
	case r.code < 500:
		return 3
	default:
		return 4
	}
}
