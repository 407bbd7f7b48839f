package b2bua

import (
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/registrar"
)

// caller is who sends a call, and what he wants.
type caller struct {
	origin *wire.Originator
	called string // without tech prefix
	// chain are the subscribers who have forwarded the call, the first one in front.
	chain []string
	own   bool // it is his own call that he sends on
	// numbers are those that the call is routed by; urgent says that the called one is
	// an emergency number. The node's state is no reason to refuse such a call.
	numbers number.Set
	urgent  bool
}

// identify finds out who sends an INVITE, and whether it is an emergency call. It
// answers those of whom it does not know, and is false for them.
func (s *Switch) identify(world *routing.World, req *sip.Request, tx gate.ServerTransaction, source netip.AddrPort) (caller, bool) {
	from, ok := s.sender(world, req, tx, source)
	if ok {
		from.dials(world, req)
	}
	return from, ok
}

// dials finds the numbers that the caller's call is routed by: the originator's rules
// rewrite what came in, the called one without its tech prefix.
func (from *caller) dials(world *routing.World, req *sip.Request) {
	sender := req.From()
	from.numbers = world.RewriteIn(from.origin.Id, number.Set{
		Called: from.called, Caller: sender.Address.User, CallerName: sender.DisplayName,
	})
	digits, ok := world.Dialled(from.origin, from.numbers.Called)
	from.urgent = ok && catalog.Emergency(world.Catalog.Settings(), digits) != ""
}

// sender finds out who sends an INVITE: by where it comes from, else by digest. It
// answers those of whom it does not know, and is false for them.
func (s *Switch) sender(world *routing.World, req *sip.Request, tx gate.ServerTransaction, source netip.AddrPort) (caller, bool) {
	if f, ok := s.forwarding(req); ok {
		o := world.Catalog.Originator(f.origin)
		if o == nil || o.Disabled {
			s.respond(req, tx, 403, "Forbidden")
			return caller{}, false
		}
		return caller{origin: o, called: req.Recipient.User, chain: f.chain, own: f.own}, true
	}
	dialled := strings.TrimPrefix(req.Recipient.User, "+")
	origin, called := s.originator(world, source, req, s.config.Gate.ListenerOf(tx))
	if s.config.Door == nil || !world.Challenges() {
		if origin == nil {
			s.respond(req, tx, 403, "Forbidden")
		}
		return caller{origin: origin, called: called}, origin != nil
	}
	device := s.device(world, req, source)
	if device != nil && !device.Disabled {
		from := caller{origin: world.Catalog.Originator(catalog.DevicePeer + device.Id), called: req.Recipient.User}
		if device.TrustRegistration && !s.config.Door.Banned(source.Addr()) || from.inNeed(world, req) {
			return s.introduced(from.origin, req), true
		}
	}
	if origin != nil && device == nil && !registrar.Introduces(req) {
		return caller{origin: origin, called: called}, true
	}
	peer, verdict := s.config.Door.Judge(req, source.Addr())
	switch {
	case verdict == registrar.Passed && strings.HasPrefix(dialled, peer.TechPrefix):
		return s.introduced(peer, req), true
	case verdict == registrar.Passed || verdict == registrar.Banned:
		s.respond(req, tx, 403, "Forbidden")
	default:
		if err := tx.Respond(s.config.Door.Challenge(req, verdict == registrar.Stale)); err != nil {
			s.config.Logger.Debug("a challenge could not be sent", "err", err)
		}
	}
	return caller{}, false
}

// inNeed tells whether a registered device makes an emergency call: then it is not
// asked for a password, which it may have been banned for getting wrong.
func (from caller) inNeed(world *routing.World, req *sip.Request) bool {
	from.dials(world, req)
	return from.urgent
}

// introduced is a caller who has said who he is. What a subscriber says of himself
// and of earlier calls in other headers is not passed on: nobody has checked it.
func (s *Switch) introduced(peer *wire.Originator, req *sip.Request) caller {
	dialled := req.Recipient.User
	if !strings.HasPrefix(peer.Id, catalog.DevicePeer) {
		return caller{origin: peer, called: strings.TrimPrefix(dialled, "+")[len(peer.TechPrefix):]}
	}
	for _, name := range []string{"P-Asserted-Identity", "P-Preferred-Identity", "Identity", "Diversion", "History-Info"} {
		for req.RemoveHeader(name) {
		}
	}
	return caller{origin: peer, called: dialled}
}

// device finds the subscriber whose registered device sends a request from where it
// registered; nil for all others.
func (s *Switch) device(world *routing.World, req *sip.Request, source netip.AddrPort) *wire.Subscriber {
	sub := world.Catalog.Subscriber(strings.ToLower(req.From().Address.User))
	if sub == nil || s.config.Devices == nil || !s.config.Devices.From(sub.Id, source) {
		return nil
	}
	return sub
}

// showsAs is the number that a subscriber's calls show: where they leave the switch
// the one that he has, within it his id, by which he can be called back.
func showsAs(world *routing.World, o *wire.Originator, terminator string) (string, bool) {
	sub := world.Catalog.SubscriberOf(o.Id)
	if sub == nil {
		return "", false
	}
	if sub.CallerNumber == "" || world.Catalog.SubscriberOf(terminator) != nil {
		return sub.Id, true
	}
	return sub.CallerNumber, true
}
