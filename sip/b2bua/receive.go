package b2bua

import (
	"mime"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/guard"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// retryAfter is what a refused caller is asked to wait, in seconds.
	retryAfter = "2"
	// defaultMax is the longest talk time where nobody set another.
	defaultMax = 4 * time.Hour
	// forwardRings is how long a forwarded call may take: it has time-outs of its own.
	forwardRings = 3 * time.Minute
	// maxSetup bounds the time until the answer, over all attempts.
	maxSetup = 5 * time.Minute
)

// onInvite takes a new call, or a re-INVITE of one in progress. It runs for as
// long as the call does: the handler's goroutine is the call's.
func (s *Switch) onInvite(req *sip.Request, tx gate.ServerTransaction) {
	if tag, ok := req.To().Params.Get("tag"); ok && tag != "" {
		s.reinvited(req, tx)
		return
	}
	if f, ok := s.forwarding(req); ok && f.replaces != nil {
		s.takeOver(req, tx, f)
		return
	}
	world := s.config.World()
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		s.respond(req, tx, 400, "Bad Request")
		return
	}
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	from, ok := s.identify(world, req, tx, source)
	if !ok {
		return
	}
	if s.sentOn(&from, req, tx) {
		return
	}
	decided, ok := s.enter(from.urgent)
	if !ok {
		s.respond(req, tx, 503, "Service Unavailable", sip.NewHeader("Retry-After", strconv.Itoa(s.config.Load.RetryAfter())))
		return
	}
	defer decided()
	merge := mergeKey(req)
	c, code, reason := s.admit(&from, source.Addr(), merge)
	if c == nil {
		s.respond(req, tx, code, reason)
		return
	}
	defer s.ends.Done()
	defer c.finish()
	c.in, c.chain = newIngress(c, req, tx, merge), from.chain
	c.own = from.own
	c.in.ours = len(c.chain) > 0
	c.in.routedBy(from.numbers)
	c.receive(world, source)
	decided()
	c.run()
}

// enter asks whether the node is quick enough for one more new call; about an
// emergency call nobody is asked. One that is let in says when it is decided, once or
// more.
func (s *Switch) enter(urgent bool) (decided func(), ok bool) {
	if s.config.Load == nil || urgent {
		return func() {}, true
	}
	began := time.Now()
	if !s.config.Load.Enter(began) {
		return nil, false
	}
	return sync.OnceFunc(func() { s.config.Load.Leave(began, time.Now()) }), true
}

// originator finds whose call an INVITE is by where it comes from, and the number
// dialled without tech prefix.
func (s *Switch) originator(world *routing.World, source netip.AddrPort, req *sip.Request, by *gate.Listener) (*wire.Originator, string) {
	if s.config.Registered != nil {
		if id, dialled, ok := s.config.Registered(req.Source(), req.Recipient, req.To().Address); ok {
			return world.Catalog.Originator(id), strings.TrimPrefix(dialled, "+")
		}
	}
	origin, called := world.Identify(source, by.Name(), strings.TrimPrefix(req.Recipient.User, "+"))
	if origin == nil || origin.Certificate != "" && !by.CertifiedAs(req.Source(), origin.Certificate) {
		return nil, ""
	}
	return origin, called
}

// mergeKey is the same for an INVITE that comes twice by different ways
// (RFC 3261, section 8.2.2.2).
func mergeKey(req *sip.Request) string {
	tag, _ := req.From().Params.Get("tag")
	return req.CallID().Value() + "\x00" + tag + "\x00" + req.CSeq().Value()
}

// admit makes room for a call, or says why there is none. For an emergency call there
// is room until the switch closes.
func (s *Switch) admit(from *caller, source netip.Addr, merge string) (*session, int, string) {
	c := s.newSession(from.origin, source)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.invites[merge]; twice {
		return nil, 482, "Loop Detected"
	}
	full := s.draining || s.config.MaxCalls > 0 && len(s.calls) >= s.config.MaxCalls
	if s.closed || full && !from.urgent {
		return nil, 503, "Service Unavailable"
	}
	s.invites[merge] = struct{}{}
	s.calls[c.id] = c
	s.begun++
	s.parties[source]++
	s.work.Add(1)
	s.ends.Add(1)
	return c, 0, ""
}

// receive records the call, finds its route and asks for its hold. When it
// returns the machine is there: hunting, or over.
func (c *session) receive(world *routing.World, source netip.AddrPort) {
	c.machine = call.New(c.id, nil, 0, nil)
	c.record(call.Observed(c.id, c.sw.now(), &wire.Event{Body: &wire.Event_CallReceived{
		CallReceived: c.in.received(c, source),
	}}))
	c.witness()
	c.in.trying()
	if least := tooShort(c.in.req); least != nil {
		c.in.refusal = append(c.in.refusal, least)
		c.refuse(refused{422, "Session Interval Too Small", "session_interval"})
		return
	}
	if requires(c.in.req, "100rel") && c.in.without("100rel") {
		c.in.refusal = append(c.in.refusal, sip.NewHeader("Unsupported", "100rel"))
		c.refuse(refused{420, "Bad Extension", "bad_extension"})
		return
	}
	offer, refusal := c.in.offer()
	if refusal != nil {
		c.refuse(*refusal)
		return
	}
	digits, ok := world.Dialled(c.origin, c.in.numbers.Called)
	if !ok {
		c.refuse(refused{484, "Address Incomplete", "bad_number"})
		return
	}
	r := c.place(world, digits)
	for again := 0; again < 2 && r != nil && r.cause == causeStale; again++ {
		r = c.place(c.sw.config.World(), digits)
	}
	c.record(call.Observed(c.id, c.sw.now(), &wire.Event{Body: &wire.Event_CallRouted{CallRouted: c.routed}}))
	if r != nil {
		c.refuse(*r)
		return
	}
	if r := c.openMedia(offer); r != nil {
		c.release("no media port")
		c.refuse(*r)
		return
	}
	c.do(c.machine.Start(c.sw.now(), c.granted))
}

// refused is a call that ends before its first attempt.
type refused struct {
	code   int
	reason string
	cause  string
}

func (c *session) refuse(r refused) {
	c.machine = call.New(c.id, nil, 0, nil)
	effects := c.machine.Refuse(c.sw.now(), uint32(r.code), r.reason, r.cause)
	c.do(effects)
}

// place routes the call and asks for its hold; nil means that it has one.
func (c *session) place(world *routing.World, digits string) *refused {
	ask := c.request(digits)
	d := world.Route(ask)
	c.decision, c.routed = d, d.Record(ask, world.Position)
	switch d.Refused {
	case "":
	case routing.Guarded:
		return &refused{403, "Forbidden", string(d.Refused) + ":" + d.Guard}
	case routing.NumberBlocked:
		return &refused{403, "Forbidden", string(d.Refused)}
	case routing.NoPrice, routing.NoRoute:
		return &refused{404, "Not Found", string(d.Refused)}
	case routing.Busy:
		return &refused{486, "Busy Here", string(d.Refused)}
	case routing.NotRegistered:
		return &refused{480, "Temporarily Unavailable", string(d.Refused)}
	default:
		return &refused{503, "No Route Available", string(d.Refused)}
	}
	c.in.called = digits
	c.plans = nil
	setup := time.Duration(0)
	for _, cand := range d.Candidates {
		p := c.planOf(world, cand)
		setup += p.Ring
		c.plans = append(c.plans, p)
	}
	return c.hold(world, min(setup, maxSetup))
}

// request is what the route depends on at this moment.
func (c *session) request(digits string) routing.Request {
	now := c.sw.now().US
	r := routing.Request{
		Originator: c.origin, Call: c.id, Called: digits, Caller: c.in.caller, AtUS: now,
		InUse: c.sw.config.InUse, Rests: c.sw.Rests, VendorOut: c.sw.config.VendorOut, Down: c.sw.config.Down,
		Serves: c.sw.config.Serves,
		Offset: func(zone string) (int, bool) { return c.sw.zones.Offset(zone, now) },
	}
	if devices := c.sw.config.Devices; devices != nil {
		r.Registered = devices.Registered
	}
	if view := c.sw.config.Quality; view != nil {
		r.Quality = func(terminator, prefix string, windowS uint32) routing.Quality {
			return view(terminator, prefix, windowS, now)
		}
	}
	if c.sw.config.Guard != nil {
		r.Guard = c.guarded
	}
	return r
}

// guarded asks the rules against fraud about the call, and records those that it
// trips.
func (c *session) guarded(r *routing.Request, sell *wire.Terms) string {
	verdict := c.sw.config.Guard(guard.Of(r, sell))
	for _, trip := range verdict.Tripped {
		c.record(call.Observed(c.id, c.sw.now(), &wire.Event{Body: &wire.Event_GuardTripped{GuardTripped: trip}}))
	}
	return verdict.Rule
}

func (c *session) planOf(world *routing.World, cand routing.Candidate) call.Plan {
	p := planOf(cand)
	p.Limited = c.decision.Emergency == "" && (cand.Terminator.Channels > 0 || cand.Terminator.CallsPerSecond > 0)
	if sub := world.Catalog.SubscriberOf(cand.Terminator.Id); sub != nil {
		p.Ring = forwardRings
		if strings.HasPrefix(cand.Terminator.Id, catalog.DevicePeer) { // the attempt itself gives up before
			p.Ring = time.Duration(catalog.NoAnswerS(sub))*time.Second + call.DefaultPDD
		}
		p.PDD = p.Ring
	}
	return p
}

func planOf(c routing.Candidate) call.Plan {
	p := call.Plan{
		Company: c.Terminator.Company, PDD: call.DefaultPDD, Ring: call.DefaultRing,
		Candidate: &wire.Candidate{Terminator: c.Terminator.Id, Route: c.Route.Id},
	}
	if c.Buy != nil { // an emergency call may have no price
		p.Candidate.VendorAccount, p.Candidate.Buy = c.Terminator.Account, c.Buy
	}
	pdd, ring := c.TimeoutsMS()
	if pdd > 0 {
		p.PDD = time.Duration(pdd) * time.Millisecond
	}
	if ring > 0 {
		p.Ring = time.Duration(ring) * time.Millisecond
	}
	return p
}

// longest is the talk time that the call may have in all. An emergency call is not
// cut for being long.
func (c *session) longest(world *routing.World) time.Duration {
	if c.decision.Emergency != "" {
		return rating.MaxSeconds * time.Second
	}
	longest := defaultMax
	if s := world.Catalog.Settings().MaxDurationS; s > 0 {
		longest = time.Duration(s) * time.Second
	}
	if s := c.origin.MaxDurationS; s > 0 {
		longest = min(longest, time.Duration(s)*time.Second)
	}
	return longest
}

// offer reads the caller's session description; none means that he wants the other
// side's offer.
func (in *ingress) offer() (*heard, *refused) {
	if len(in.req.Body()) == 0 {
		in.asks = true
		return nil, nil
	}
	if kind := in.req.ContentType(); kind == nil || !describes(kind.Value()) {
		return nil, &refused{415, "Unsupported Media Type", "bad_body"}
	}
	offer, err := in.hear(in.req.Body(), in.req.Source())
	if err != nil {
		in.call.sw.badDescription(in.call, 0, err)
		return nil, &refused{400, "Bad Session Description", "bad_sdp"}
	}
	if _, ok := offer.stream(false); !ok {
		return nil, &refused{488, "Not Acceptable Here", "no_audio"}
	}
	if m, _ := offer.stream(false); in.admits(m) != nil {
		in.call.log.Info("a caller's offer is refused", "err", in.admits(m))
		return nil, &refused{488, "Not Acceptable Here", "srtp_policy"}
	}
	return offer, nil
}

// describes tells whether a body of a type is a session description.
func describes(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/sdp"
}
