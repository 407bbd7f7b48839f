package b2bua

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
)

// maxForwards bounds how often one call is forwarded.
const maxForwards = 5

// forwarded is a call that a subscriber forwards: it comes back to us as one that he
// makes himself, so that it has its own hold, its own price and its own CDRs.
type forwarded struct {
	origin string   // as whom he makes it
	chain  []string // of subscribers, the one who forwards it now at the end
	// own says that he made the call that he sends on; replaces is the dialog of
	// another call of his that it shall take the place of.
	own      bool
	replaces *replacement
}

// forwarding finds what we know of an INVITE that we sent to ourselves. Nobody else
// knows its tag.
func (s *Switch) forwarding(req *sip.Request) (forwarded, bool) {
	tag, _ := req.From().Params.Get("tag")
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.forwards[dialogKey{req.CallID().Value(), tag}]
	return f, ok
}

// whereTo is where a subscriber forwards the call, after what his devices answered.
func (c *session) whereTo(sub *wire.Subscriber) routing.Forward {
	why, code := routing.Reason(""), c.devicesSaid
	if code == 0 && len(c.decision.Rejected) > 0 {
		why = c.decision.Rejected[0].Rejected
	}
	return routing.ForwardAfter(sub, code, why)
}

// stops tells whether no more is tried after an answer of the subscriber's devices:
// where he does not forward calls that are answered so.
func (c *session) stops(sub *wire.Subscriber) func(code, q850 uint32) bool {
	return func(code, _ uint32) bool { return routing.ForwardAfter(sub, code, "").To == "" }
}

// local makes an attempt one within the switch: at a subscriber's devices, or to
// where he forwards. It gives the terminator that stands for it and how it starts, or
// why it does not.
func (l *egress) local(sub *wire.Subscriber, t *wire.Terminator) (*wire.Terminator, func(), *refused) {
	if strings.HasPrefix(t.Id, catalog.ForwardPeer) {
		to, refusal := l.forward(sub)
		if refusal != nil {
			return t, nil, refusal
		}
		l.ours, to.Sip = true, t.Sip
		return to, func() {
			l.remember(sub)
			l.call.post(func(call.Now) { l.call.in.provisional(181) })
			l.run(to)
		}, nil
	}
	to := l.devices(sub)
	if to == nil {
		return t, nil, &refused{code: 480, reason: "Temporarily Unavailable"}
	}
	to.Sip = t.Sip
	for _, round := range l.rings.waiting {
		for _, contact := range round {
			l.exposed = l.exposed || contact.Transport != "tls" && contact.Transport != "wss"
		}
	}
	return to, func() {
		l.call.post(func(call.Now) { l.rings.next() })
		l.call.end()
	}, nil
}

// forward makes an attempt one that the subscriber forwards: an INVITE to ourselves.
// It gives the terminator that stands for us, or why the call goes nowhere.
func (l *egress) forward(sub *wire.Subscriber) (*wire.Terminator, *refused) {
	c := l.call
	to := c.whereTo(sub)
	switch {
	case to.To == "" && c.devicesSaid == 486:
		return nil, &refused{code: 486, reason: "Busy Here"}
	case to.To == "":
		return nil, &refused{code: 480, reason: "Temporarily Unavailable"}
	}
	if slices.Contains(c.chain, sub.Id) || len(c.chain) >= maxForwards {
		c.log.Info("a call is forwarded in a circle, or too often", "subscriber", sub.Id, "chain", c.chain)
		return nil, &refused{code: 482, reason: "Loop Detected"}
	}
	by := c.sw.config.Gate.Own(c.in.dialog.way.listener)
	t := ourselves(by, catalog.ForwardPeer+sub.Id)
	t.Company = sub.Company
	l.called = to.To
	user := sub.Id
	if sub.CallerNumber != "" {
		user = sub.CallerNumber
	}
	l.diversion = sip.NewHeader("Diversion", fmt.Sprintf("<sip:%s@%s>;reason=%s;counter=1", user, by.Host(), to.Reason))
	return t, nil
}

// ourselves are we, as a terminator that is called by a listener.
func ourselves(by *gate.Listener, id string) *wire.Terminator {
	ours := by.Contact("udp")
	t := &wire.Terminator{Id: id, Listener: by.Name(), Transport: "udp", Host: by.Addr().String(), Port: uint32(ours.Port)}
	if transport, ok := ours.UriParams.Get("transport"); ok {
		t.Transport = transport
	}
	return t
}

// remember has the INVITE to ourselves recognised when it comes.
func (l *egress) remember(sub *wire.Subscriber) {
	s := l.call.sw
	chain := append(slices.Clone(l.call.chain), sub.Id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forwards[l.dialog.key] = forwarded{origin: catalog.DevicePeer + sub.Id, chain: chain}
}

// forget ends that.
func (l *egress) forget() {
	s := l.call.sw
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.forwards, l.dialog.key)
}

// addressOf splits where a device is reached into what a terminator has.
func addressOf(destination string) (host string, port uint32, err error) {
	host, text, err := net.SplitHostPort(destination)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, uint32(n), err
}
