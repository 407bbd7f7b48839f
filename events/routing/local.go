package routing

import (
	"strings"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// The reasons why a call within the switch reaches nobody.
const (
	NotRegistered Reason = "not_registered" // none of the subscriber's devices is there
	Busy          Reason = "busy"           // the subscriber's channels are in use
)

// Owner is who pays for being called: the owner of the number.
type Owner struct {
	Did  *wire.Did
	Sell *wire.Terms
}

// Dialled is what a number that somebody dialled is routed by: a subscriber's id,
// where a subscriber dialled one, else its digits.
func (w *World) Dialled(o *wire.Originator, called string) (string, bool) {
	id := strings.ToLower(called)
	if strings.HasPrefix(o.Id, catalog.DevicePeer) && w.Catalog.Subscriber(id) != nil {
		return id, true
	}
	return number.Normalise(called)
}

// place is where a number leads within the switch.
type place struct {
	did        *wire.Did // nil where a subscriber was dialled by his id
	subscriber *wire.Subscriber
	vendor     *vendor
	company    string
}

// placeOf finds a number that leads to a subscriber or a peer; nil for all others.
func (w *World) placeOf(r *Request) *place {
	if d := w.Catalog.Did(r.Called); d != nil && !d.Disabled {
		return &place{did: d, subscriber: w.Catalog.Subscriber(d.Subscriber), vendor: w.vendors[d.Terminator], company: d.Company}
	}
	if !strings.HasPrefix(r.Originator.Id, catalog.DevicePeer) {
		return nil
	}
	if s := w.Catalog.Subscriber(r.Called); s != nil {
		return &place{subscriber: s, company: s.Company}
	}
	return nil
}

// local decides on a call within the switch. It is free for a caller of the same
// company, for one who dialled an id, and where the caller's deck has no price for
// the number. The number's owner pays if he has a deck.
func (w *World) local(p *place, r *Request) Decision {
	d := Decision{Local: true}
	if p.did != nil && p.company != r.Originator.Company {
		sell, ok := quote(w.decks[r.Originator.SellDeck], w.Catalog.Account(r.Originator.Account).GetCurrency(), r)
		if ok {
			d.Sell, d.LimitPrefixes = sell.Terms, limitPrefixes(r.Originator, r.Called)
			d.Package = w.Catalog.PackageFor(r.Originator.Account, r.Called)
		}
	}
	if p.did.GetSellDeck() != "" {
		sell, ok := quote(w.decks[p.did.SellDeck], w.Catalog.Account(p.did.Account).GetCurrency(), r)
		if !ok {
			d.Refused = NoPrice
			return d
		}
		d.Owner = &Owner{Did: p.did, Sell: sell.Terms}
	}
	if p.vendor != nil {
		w.toVendor(&d, p.vendor, r)
	} else {
		w.toSubscriber(&d, p.subscriber, r)
	}
	return d
}

// toVendor leads a number to a peer. He is paid where his deck has a price for it.
func (w *World) toVendor(d *Decision, v *vendor, r *Request) {
	c := Candidate{Route: &wire.Route{}, Terminator: v.Terminator}
	if buy, ok := quote(v.buy, v.currency, r); ok {
		c.Buy = buy.Terms
	}
	switch {
	case v.off:
		c.Rejected = Disabled
	case v.refuses(r.Called, r.Caller):
		c.Rejected = NumberBlocked
	default:
		c.Rejected = crowded(v.Terminator, r)
	}
	if c.Rejected != "" {
		d.Rejected, d.Refused = []Candidate{c}, NoCandidate
		return
	}
	d.Candidates = []Candidate{c}
}

// toSubscriber rings a subscriber's devices, and goes on to where he forwards. What
// follows his devices is tried only after an answer that his forwards are for.
func (w *World) toSubscriber(d *Decision, s *wire.Subscriber, r *Request) {
	device := Candidate{Route: &wire.Route{}, Terminator: w.Catalog.Terminator(catalog.DevicePeer + s.Id)}
	forward := Candidate{Route: &wire.Route{}, Terminator: w.Catalog.Terminator(catalog.ForwardPeer + s.Id)}
	var to string
	switch {
	case s.Disabled || w.Catalog.Company(s.Company).GetDisabled():
		device.Rejected = Disabled
		d.Rejected, d.Refused = []Candidate{device}, NoCandidate
		return
	case s.ForwardAlways != "":
		d.Candidates = []Candidate{forward}
		return
	case r.Registered != nil && r.Registered(s.Id) == 0:
		device.Rejected, to = NotRegistered, s.ForwardNoAnswer
	case crowded(device.Terminator, r) != "":
		device.Rejected, to = Busy, s.ForwardBusy
	default:
		d.Candidates = []Candidate{device}
		if s.ForwardBusy != "" || s.ForwardNoAnswer != "" {
			d.Candidates = append(d.Candidates, forward)
		}
		return
	}
	d.Rejected = []Candidate{device}
	if to == "" {
		d.Refused = device.Rejected
		return
	}
	d.Candidates = []Candidate{forward}
}

// Forward is where a subscriber's call goes on to, with the reason that a Diversion
// header gives (RFC 5806). It is empty if it goes nowhere.
type Forward struct{ To, Reason string }

// ForwardAfter says where a subscriber forwards a call that his devices answered
// with a SIP code; 0 is one that they were not asked for. Who is busy or declines is
// busy; whoever else does not answer is not there.
func ForwardAfter(s *wire.Subscriber, code uint32, why Reason) Forward {
	busy := code == 486 || code == 600 || code == 603 || why == Busy
	switch {
	case s.ForwardAlways != "":
		return Forward{s.ForwardAlways, "unconditional"}
	case busy && s.ForwardBusy != "":
		return Forward{s.ForwardBusy, "user-busy"}
	case busy || s.ForwardNoAnswer == "":
		return Forward{}
	case code == 0:
		return Forward{s.ForwardNoAnswer, "unavailable"}
	default:
		return Forward{s.ForwardNoAnswer, "no-answer"}
	}
}
