package b2bua

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
	"github.com/tollbook/tollbook/sip/transaction"
)

const (
	// resolveWithin bounds the look-up of a vendor's name.
	resolveWithin = 2 * time.Second
	// silence is how long an address may say nothing at all before the next one is
	// tried, where there is a next one: an INVITE is sent four times in it.
	silence = 4 * time.Second
	// maxTried bounds the addresses that one attempt goes to.
	maxTried = 4
)

// Locator finds the addresses of vendors, and hears how they did.
type Locator interface {
	// Locate gives them in the order in which they are to be tried; never none
	// without an error.
	Locate(ctx context.Context, t locate.Target) ([]locate.Address, error)
	Failed(a locate.Address)
	Works(a locate.Address)
}

// run is the attempt's own goroutine: it owns the INVITE transaction until the final
// answer and posts what comes to the call. It tries the vendor's addresses in turn
// until one says something other than that it is out of service (RFC 3263, section
// 4.3): all of it is one attempt.
func (l *egress) run(t *wire.Terminator) {
	defer l.call.end()
	defer func() {
		if r := recover(); r != nil {
			l.call.log.Error("an attempt panicked", "leg", l.leg, "panic", r, "stack", string(debug.Stack()))
			l.lost(500, "Server Internal Error", 41)
		}
	}()
	template := l.invite // as it was built: the call's goroutine has others in its place
	list, err := l.locate(t)
	if err != nil {
		l.call.log.Warn("a vendor's address is not known", "leg", l.leg, "terminator", t.Id, "err", err)
		l.note(t.Host, err.Error())
		l.lost(503, "Vendor Not Reachable", 38)
		return
	}
	for i, a := range list {
		last := i+1 == len(list)
		invite, tx, err := l.send(t, template, a)
		if err != nil {
			l.call.log.Warn("an INVITE could not be sent", "leg", l.leg, "terminator", t.Id, "address", a.String(), "err", err)
			l.call.sw.config.Locate.Failed(a)
			l.note(a.String(), err.Error())
			continue
		}
		r := reached{l: l, terminator: t, address: a, last: last}
		if r.serve(invite, tx) {
			return
		}
	}
	l.lost(503, "Vendor Not Reachable", 38)
}

// destination is where a vendor is, as his configuration says: a name without a port
// may be anywhere.
func destination(t *wire.Terminator) string {
	if _, err := netip.ParseAddr(t.Host); err != nil && t.Port == 0 {
		return t.Host
	}
	return gate.HostPort(t.Host, int(cmp.Or(t.Port, 5060)))
}

// locate finds the vendor's addresses.
func (l *egress) locate(t *wire.Terminator) ([]locate.Address, error) {
	ctx, cancel := context.WithTimeout(l.call.sw.ctx, resolveWithin)
	defer cancel()
	by := l.call.sw.config.Gate.ListenerTo(t.Listener, t.Host)
	list, err := l.call.sw.config.Locate.Locate(ctx, locate.Target{
		Host: t.Host, Port: uint16(t.Port), Transport: t.Transport, Serves: by.Serves, Six: by.Addr().Is6(),
	})
	return list[:min(len(list), maxTried)], err
}

// send sends the INVITE to one address: the same one but for what names the
// transport and the branch.
func (l *egress) send(t *wire.Terminator, template *sip.Request, a locate.Address) (*sip.Request, *transaction.Client, error) {
	s := l.call.sw
	w := way{listener: s.config.Gate.ListenerTo(t.Listener, t.Host), transport: a.Transport}
	invite := template.Clone()
	invite.SetTransport(strings.ToUpper(a.Transport))
	invite.SetDestination(a.Addr.String())
	invite.Laddr = w.listener.Local()
	if a.Transport != sip.NetworkToLower(template.Transport()) {
		invite.ReplaceHeader(&sip.ContactHeader{Address: w.contact()})
		invite.Recipient.UriParams.Add("transport", a.Transport)
		l.call.post(func(call.Now) { l.dialog.way = w })
	}
	addr := a.Addr.Addr()
	l.call.vendor.Store(&addr)
	s.config.Gate.Admit(addr)
	if a.Transport != "udp" {
		ctx, cancel := context.WithTimeout(s.ctx, silence)
		defer cancel()
		if err := w.listener.Connect(ctx, a.Transport, a.Addr, t.Host); err != nil {
			return nil, nil, err
		}
	}
	tx, err := s.config.Gate.Client().TransactionRequest(s.ctx, invite)
	return invite, tx, err
}

// note puts down what came of an address.
func (l *egress) note(address, outcome string) {
	l.call.post(func(call.Now) {
		if len(l.tried) < maxTried {
			l.tried = append(l.tried, &wire.AddressTried{Address: clip(address), Outcome: clip(outcome)})
		}
	})
}

// addresses are what the record of an attempt says of where it went: nothing where
// that is no news.
func (l *egress) addresses() []*wire.AddressTried {
	t := l.call.sw.config.World().Catalog.Terminator(l.plan.Candidate.Terminator)
	if _, err := netip.ParseAddr(t.GetHost()); err == nil && len(l.tried) < 2 {
		return nil
	}
	return l.tried
}

// reached is an INVITE under way to one address.
type reached struct {
	l          *egress
	terminator *wire.Terminator
	address    locate.Address
	last       bool // there is no other address
	spoke      bool // something came back
}

// serve reads the transaction's responses until the final one. False says that the
// next address is to be tried.
func (r *reached) serve(invite *sip.Request, tx *transaction.Client) bool {
	l := r.l
	tx.OnRepeat(l.repeated)
	l.call.post(func(call.Now) {
		l.invite, l.tx = invite, tx
		l.dialog.sequence = max(l.dialog.sequence, invite.CSeq().SeqNo)
	})
	var quiet <-chan time.Time
	if !r.last && !r.spoke {
		timer := time.NewTimer(silence)
		defer timer.Stop()
		quiet = timer.C
	}
	for {
		select {
		case res := <-tx.Responses():
			quiet = nil
			r.heard(res)
			switch {
			case !whole(res):
				if res.IsProvisional() {
					continue
				}
				tx.Terminate()
				l.lost(502, "Bad Response", 41)
				return true
			case res.IsProvisional():
				l.call.post(func(now call.Now) { l.provisional(now, res) })
				continue
			case res.IsSuccess():
				l.call.post(func(now call.Now) { l.answered(now, res) })
				return true
			}
			return r.refused(invite, res)
		case <-quiet:
			if quiet = nil; l.wanted() {
				r.abandon(invite, tx)
				return false
			}
		case <-tx.Done():
			return r.silent()
		}
	}
}

// heard takes note of the first thing that comes back.
func (r *reached) heard(res *sip.Response) {
	if r.spoke {
		return
	}
	r.spoke = true
	r.l.note(r.address.String(), fmt.Sprintf("%d %s", res.StatusCode, res.Reason))
	if res.StatusCode != sip.StatusServiceUnavailable {
		r.l.call.sw.config.Locate.Works(r.address)
	}
}

// refused sends the INVITE again where that may help, or passes the refusal on. One
// that says that the address is out of service leads to the next.
func (r *reached) refused(invite *sip.Request, res *sip.Response) bool {
	l := r.l
	if again, next := l.retry(r.terminator, invite, res); next != nil {
		return r.serve(again, next)
	}
	if res.StatusCode == sip.StatusServiceUnavailable {
		l.call.sw.config.Locate.Failed(r.address)
		if !r.last && l.wanted() {
			return false
		}
	}
	l.call.post(func(now call.Now) { l.failed(now, res) })
	return true
}

// silent ends a transaction that ended without a final answer.
func (r *reached) silent() bool {
	if !r.spoke {
		r.l.note(r.address.String(), "no answer")
		r.l.call.sw.config.Locate.Failed(r.address)
		if !r.last && r.l.wanted() {
			return false
		}
	}
	r.l.lost(408, "Request Timeout", 102)
	return true
}

// abandon leaves an address that says nothing. Should it speak after all it is
// cancelled, and what it answers is acknowledged and ended.
func (r *reached) abandon(invite *sip.Request, tx *transaction.Client) {
	l := r.l
	l.note(r.address.String(), "no answer")
	l.call.sw.config.Locate.Failed(r.address)
	l.call.begin()
	go func() {
		defer l.call.end()
		for cancelled := false; ; {
			select {
			case res := <-tx.Responses():
				switch {
				case !whole(res):
				case res.IsProvisional():
					if !cancelled {
						cancelled = true
						l.call.post(func(call.Now) { l.call.cancel(invite, tx, 41) })
					}
				case res.IsSuccess():
					l.call.post(func(call.Now) { l.disown(res) })
					return
				default:
					return
				}
			case <-tx.Done():
				return
			}
		}
	}()
}

// wanted tells whether the call still wants the attempt.
func (l *egress) wanted() bool {
	answer := make(chan bool, 1)
	l.call.post(func(call.Now) { answer <- !l.cancelling && !l.final && !l.call.machine.Over() })
	select {
	case ok := <-answer:
		return ok
	case <-l.call.done:
		return false
	}
}
