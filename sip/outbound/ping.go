package outbound

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
)

// What a Ping's zeroes mean.
const (
	pingTimeout = 4 * time.Second
	downAfter   = 3
	upAfter     = 1
)

// away are the answers of one that is not there for calls, where a terminator names
// none that count as being there.
var away = []int{408, 480, 503, 504}

// TerminatorState is what pings know of a terminator.
type TerminatorState struct {
	Up bool
	// Since is when it came up or went down, or was first looked at.
	Since time.Time
	// At is the last ping's time, zero before the first, Reason what it came to, Took
	// how long that was.
	At     time.Time
	Reason string
	Took   time.Duration
	// Address is where the last ping went.
	Address string
	// Row counts the pings in a row that speak for the other state.
	Row int
}

// observe takes in what a ping came to, and tells whether the state has changed.
func (s *TerminatorState) observe(p *wire.Ping, ok bool, at time.Time) bool {
	s.At = at
	if ok == s.Up {
		s.Row = 0
		return false
	}
	s.Row++
	enough := int(cmp.Or(p.DownAfter, downAfter))
	if ok {
		enough = int(cmp.Or(p.UpAfter, upAfter))
	}
	if s.Row < enough {
		return false
	}
	s.Up, s.Since, s.Row = ok, at, 0
	return true
}

// pinger asks one terminator.
type pinger struct {
	o          *Outbound
	terminator *wire.Terminator
	state      TerminatorState
}

// run pings until ctx ends. The first ping comes at once, the others with a tenth of
// the interval's disorder, so that many terminators are not asked at once.
func (p *pinger) run(ctx context.Context) {
	every := time.Duration(p.terminator.Ping.IntervalS) * time.Second
	for {
		p.ping(ctx)
		if !pause(ctx, every-every/20+rand.N(every/10+1)) {
			return
		}
	}
}

// ping asks at each address until one answers that it is there.
func (p *pinger) ping(ctx context.Context) {
	timeout := pingTimeout
	if ms := p.terminator.Ping.TimeoutMs; ms > 0 {
		timeout = time.Duration(ms) * time.Millisecond
	}
	began := time.Now()
	ok := false
	t := p.target()
	list, err := t.locate(ctx, p.o.config.Locate)
	if err != nil {
		p.state.Reason, p.state.Address = err.Error(), t.host
	}
	for _, a := range list {
		one, cancel := context.WithTimeout(ctx, timeout)
		asked := time.Now()
		res, err := p.o.send(one, t, a, p.request(t, a))
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.state.Reason, p.state.Address, p.state.Took = said(res, err), a.String(), time.Since(asked)
		if ok = err == nil && p.there(res.StatusCode); ok {
			p.o.config.Locate.Works(a)
			break
		}
		p.o.config.Locate.Failed(a)
	}
	if ctx.Err() != nil {
		return
	}
	changed := p.state.observe(p.terminator.Ping, ok, began)
	p.o.mu.Lock()
	if ctx.Err() == nil { // else another pinger has taken over
		p.o.terminators[p.terminator.Id] = p.state
	}
	p.o.mu.Unlock()
	if changed {
		p.tell()
	}
}

func (p *pinger) there(code int) bool {
	if len(p.terminator.Ping.UpCodes) > 0 {
		return slices.Contains(p.terminator.Ping.UpCodes, uint32(code))
	}
	return !slices.Contains(away, code)
}

func (p *pinger) tell() {
	p.o.config.Log.Warn("a terminator changes its state", "terminator", p.terminator.Id, "up", p.state.Up, "reason", p.state.Reason)
	p.o.config.Record(&wire.Event{Body: &wire.Event_TerminatorStateChanged{TerminatorStateChanged: &wire.TerminatorStateChanged{
		Node: p.o.config.Node, Terminator: p.terminator.Id, Up: p.state.Up, Reason: p.state.Reason, Address: p.state.Address,
	}}})
}

func (p *pinger) target() target {
	return target{
		host: p.terminator.Host, port: uint16(p.terminator.Port), transport: p.terminator.Transport,
		listener: p.o.config.Gate.ListenerTo(p.terminator.Listener, p.terminator.Host),
	}
}

func (p *pinger) request(t target, a locate.Address) *sip.Request {
	to := sip.Uri{Scheme: "sip", Host: gate.URIHost(t.host), Port: int(t.port)}
	if a.Transport != "udp" {
		to.UriParams.Add("transport", a.Transport)
	}
	contact := t.listener.Contact(a.Transport)
	from := sip.Uri{Scheme: "sip", User: contact.User, Host: contact.Host}
	req := newRequest(sip.OPTIONS, to, from, sip.Uri{Scheme: "sip", Host: to.Host}, newCallID(p.o.config.Node), 1)
	req.AppendHeader(&sip.ContactHeader{Address: contact})
	req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	return req
}

// sourceOf is the address in a message's source.
func sourceOf(s string) netip.Addr {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
