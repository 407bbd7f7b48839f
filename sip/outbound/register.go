package outbound

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/challenge"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
)

const (
	defaultExpiry = 3600
	// firstRetry doubles with each failure up to lastRetry.
	firstRetry = 5 * time.Second
	lastRetry  = 10 * time.Minute
	// askWithin bounds one REGISTER at one address.
	askWithin = 8 * time.Second
	// admitEvery keeps a registrar's addresses welcome at the gate.
	admitEvery = 5 * time.Minute
	// mark is the Contact's parameter that says which registration it is of.
	mark = "reg"
)

// RegistrationState is what we know of a registration of ours.
type RegistrationState struct {
	Registered bool
	// Since is when it came to be registered or stopped being so.
	Since time.Time
	// At is the time of the registrar's last answer, or of its silence; Reason is what
	// it was.
	At     time.Time
	Reason string
	// Until is when the registration runs out, Next when it is asked for again.
	Until, Next time.Time
	// Address is the registrar's, Contact what we have registered.
	Address, Contact string
	// Failures are in a row.
	Failures int

	sources []netip.Addr // where calls to the contact may come from
}

// registrant keeps one registration.
type registrant struct {
	o            *Outbound
	registration *wire.Registration
	state        RegistrationState
	callID       string
	sequence     uint32
	expiry       uint32 // what is asked for, in seconds
}

func (r *registrant) run(ctx context.Context) {
	r.callID = newCallID(r.o.config.Node)
	r.expiry = cmp.Or(r.registration.ExpiryS, defaultExpiry)
	for {
		wait := r.register(ctx)
		for wait > 0 && ctx.Err() == nil {
			step := min(wait, admitEvery)
			pause(ctx, step)
			wait -= step
			r.welcome()
		}
		if ctx.Err() != nil {
			r.takeBack(context.WithoutCancel(ctx))
			return
		}
	}
}

// welcome keeps the gate open for calls to the contact.
func (r *registrant) welcome() {
	for _, a := range r.state.sources {
		r.o.config.Gate.Admit(a)
	}
}

// register asks once, at each address until one answers, and gives the time until it
// is to be asked again.
func (r *registrant) register(ctx context.Context) time.Duration {
	res, at, err := r.ask(ctx, r.expiry)
	if ctx.Err() != nil {
		return 0
	}
	now := time.Now()
	before := r.state.Registered
	r.state.At, r.state.Reason, r.state.Address = now, said(res, err), at.String()
	wait := r.failed(res)
	if err == nil && res.IsSuccess() {
		granted := r.granted(res)
		wait = granted - granted/8 - rand.N(granted/8+1) // before it runs out, and not all at once
		r.state.Registered, r.state.Failures, r.state.Until = true, 0, now.Add(granted)
	} else if now.After(r.state.Until) {
		r.state.Registered = false
	}
	if before != r.state.Registered {
		r.state.Since = now
	}
	r.state.Next = now.Add(wait)
	r.publish(ctx)
	if before != r.state.Registered || r.state.Failures == 1 && !before {
		r.tell()
	}
	return wait
}

// failed counts a failure and gives the time until the next try.
func (r *registrant) failed(res *sip.Response) time.Duration {
	wait := min(firstRetry<<min(r.state.Failures, 10), lastRetry)
	r.state.Failures++
	if res != nil {
		if h := res.GetHeader("Retry-After"); h != nil {
			digits, _, _ := strings.Cut(h.Value(), ";")
			if s, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 31); err == nil {
				wait = min(max(wait, time.Duration(s)*time.Second), lastRetry)
			}
		}
	}
	return wait/2 + rand.N(wait/2+1)
}

func (r *registrant) publish(ctx context.Context) {
	r.o.mu.Lock()
	defer r.o.mu.Unlock()
	if ctx.Err() == nil { // else another registrant has taken over
		r.o.registrations[r.registration.Id] = r.state
	}
}

func (r *registrant) tell() {
	r.o.config.Log.Warn("a registration changes its state",
		"registration", r.registration.Id, "registered", r.state.Registered, "reason", r.state.Reason)
	r.o.config.Record(&wire.Event{Body: &wire.Event_RegistrationStateChanged{RegistrationStateChanged: &wire.RegistrationStateChanged{
		Node: r.o.config.Node, Registration: r.registration.Id, Registered: r.state.Registered,
		Reason: r.state.Reason, Address: r.state.Address,
	}}})
}

// takeBack ends the registration, as far as the registrar hears of it in time. One
// that moves to another node with its address goes on there.
func (r *registrant) takeBack(ctx context.Context) {
	if !r.state.Registered || r.moves() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if res, _, err := r.ask(ctx, 0); err != nil || !res.IsSuccess() {
		r.o.config.Log.Warn("a registration could not be taken back", "registration", r.registration.Id, "reason", said(res, err))
	}
}

// ask sends a REGISTER, with the password where that is asked for, and with the time
// that the registrar insists on.
func (r *registrant) ask(ctx context.Context, expiry uint32) (*sip.Response, locate.Address, error) {
	t := r.target()
	list, err := t.locate(ctx, r.o.config.Locate)
	if err != nil {
		return nil, locate.Address{}, err
	}
	r.sources(list)
	var last locate.Address
	for _, a := range list {
		last = a
		var res *sip.Response
		if res, err = r.askAt(ctx, t, a, expiry); err == nil && res.StatusCode != sip.StatusServiceUnavailable {
			r.o.config.Locate.Works(a)
			return res, a, nil
		}
		if err == nil {
			err = errors.New(said(res, nil))
		}
		r.o.config.Locate.Failed(a)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, last, err
}

func (r *registrant) askAt(ctx context.Context, t target, a locate.Address, expiry uint32) (*sip.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	req := r.request(t, a, expiry)
	res, err := r.o.send(ctx, t, a, req)
	for tries := 0; err == nil && tries < 2; tries++ {
		switch {
		case challenge.Is(res) && (tries == 0 || challenge.Stale(res)):
			if err = r.authorise(req, res); err != nil {
				return res, err
			}
			r.sequence = req.CSeq().SeqNo
		case res.StatusCode == sip.StatusIntervalToBrief && expiry > 0 && r.longer(res, req):
		default:
			return res, nil
		}
		res, err = r.o.send(ctx, t, a, req)
	}
	return res, err
}

func (r *registrant) authorise(req *sip.Request, res *sip.Response) error {
	var password []byte
	if len(r.registration.Secret) > 0 {
		var err error
		if password, err = r.o.config.Secrets.Unwrap("registration "+r.registration.Id, r.registration.Secret); err != nil {
			return err
		}
	}
	return challenge.Answer(req, res, cmp.Or(r.registration.AuthUser, r.registration.User), string(password))
}

// longer asks for as long as a registrar wants at least (RFC 3261, section 10.2.8).
func (r *registrant) longer(res *sip.Response, req *sip.Request) bool {
	h := res.GetHeader("Min-Expires")
	if h == nil {
		return false
	}
	s, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 32)
	if err != nil || s <= uint64(r.expiry) || s > 7*86400 {
		return false
	}
	r.expiry = uint32(s)
	r.sequence++
	req.CSeq().SeqNo = r.sequence
	req.RemoveHeader("Via")
	req.RemoveHeader("Expires")
	req.AppendHeader(sip.NewHeader("Expires", strconv.FormatUint(s, 10)))
	return true
}

func (r *registrant) target() target {
	host, port := hostPort(cmp.Or(r.registration.Proxy, r.registration.Registrar))
	return target{host: host, port: port, transport: r.registration.Transport, listener: r.o.config.Gate.ListenerTo(r.registration.Listener, host)}
}

func (r *registrant) request(t target, a locate.Address, expiry uint32) *sip.Request {
	r.sequence++
	domain := gate.URIHost(r.registration.Registrar)
	who := sip.Uri{Scheme: "sip", User: r.registration.User, Host: domain}
	req := newRequest(sip.REGISTER, sip.Uri{Scheme: "sip", Host: domain}, who, who, r.callID, r.sequence)
	contact := t.listener.Contact(a.Transport)
	contact.User = r.registration.User
	contact.UriParams.Add(mark, r.registration.Id)
	r.state.Contact = contact.String()
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	req.AppendHeader(sip.NewHeader("Expires", strconv.FormatUint(uint64(expiry), 10)))
	return req
}

// granted is the time that a registrar gives our contact.
func (r *registrant) granted(res *sip.Response) time.Duration {
	s := uint64(r.expiry)
	if h := res.GetHeader("Expires"); h != nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 32); err == nil {
			s = n
		}
	}
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		if id, _ := c.Address.UriParams.Get(mark); id != r.registration.Id {
			continue
		}
		if text, ok := c.Params.Get("expires"); ok {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil {
				s = n
			}
		}
	}
	return time.Duration(min(max(s, 10), 7*86400)) * time.Second
}

// sources are where the registrar's calls may come from, and are let in.
func (r *registrant) sources(list []locate.Address) {
	r.state.sources = nil
	for _, a := range list {
		r.state.sources = append(r.state.sources, a.Addr.Addr())
	}
	r.welcome()
}

// Owner finds the originator whose registered contact a call is for, by the address
// that it comes from and the URIs that it names: its registrar keeps the contact's
// parameters, or at least its user. It also gives the number that was dialled, which
// is the To's where the Request-URI holds only the contact's user.
func (o *Outbound) Owner(source string, recipient, to sip.Uri) (originator, dialled string, ok bool) {
	from := sourceOf(source)
	marked, _ := recipient.UriParams.Get(mark)
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, s := range o.registrations {
		r := o.seen.Registration(id)
		if !s.Registered || r == nil || marked != id && (marked != "" || recipient.User != r.User) || !s.from(from) {
			continue
		}
		dialled = recipient.User
		if _, isNumber := number.Normalise(strings.TrimPrefix(to.User, "+")); recipient.User == r.User && isNumber {
			dialled = to.User
		}
		return r.Originator, dialled, true
	}
	return "", "", false
}

func (s *RegistrationState) from(a netip.Addr) bool {
	for _, known := range s.sources {
		if known == a {
			return true
		}
	}
	return false
}

// moves tells of a registration that another node goes on with: its address has gone, or
// goes with this node.
func (r *registrant) moves() bool {
	return r.target().listener.Shared() && (r.o.ending() || !r.o.config.Holds(r.registration.Listener))
}
