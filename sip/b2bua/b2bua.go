// Package b2bua drives calls: a back-to-back user agent (RFC 7092) that takes a
// customer's INVITE, asks the book for a hold, tries the route's vendors, joins
// the two legs, and tells book and log what came of it.
//
// Every call has one goroutine, which runs what is posted to its inbox in order:
// messages of both legs, timers, the book's answers. The decisions are those of
// package call; this package only carries them out.
package b2bua

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/evidence"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/projections/guard"
	"github.com/tollbook/tollbook/projections/lookup"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/overload"
	"github.com/tollbook/tollbook/sip/registrar"
)

// Executor decides commands; the book does.
type Executor interface {
	Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error)
}

// Recorder takes events for the node's log of calls. It does not wait for them
// to be stored.
type Recorder interface {
	Record(e *wire.Event)
}

// Secrets wraps and unwraps what journals keep wrapped; the cluster key does.
type Secrets interface {
	Wrap(name string, secret []byte) ([]byte, error)
	Unwrap(name string, wrapped []byte) ([]byte, error)
}

// Config is what a Switch works with.
type Config struct {
	Node  string
	Gate  *gate.Gate
	World func() *routing.World
	Book  Executor
	Log   Recorder
	Media *relay.Engine
	// Locate finds the vendors' addresses.
	Locate Locator
	// Down tells whether pings have taken a terminator out of routing. May be nil.
	Down func(terminator string) bool
	// Registered finds the originator whose contact, registered by us elsewhere, a
	// call is for, and the number dialled. May be nil.
	Registered func(source string, recipient, to sip.Uri) (originator, dialled string, ok bool)
	// Door asks callers who they are whose address does not say it, and Devices knows
	// where subscribers are; nil where there are neither.
	Door    *registrar.Door
	Devices *registrar.Registrar
	// Secrets gives the passwords for vendors that challenge our calls.
	Secrets Secrets
	// Quality tells at an instant how calls by a terminator to a prefix went within
	// a window that ends then; nil knows nothing.
	Quality func(terminator, prefix string, windowS uint32, nowUS int64) routing.Quality
	// InUse counts the calls that have a channel of a terminator, on all nodes, as the
	// book was last heard: it is the book that decides. May be nil.
	InUse func(terminator string) int
	// VendorOut tells whether a vendor's account is cut off. May be nil.
	VendorOut func(account string) bool
	// Serves tells whether this node serves a peer that names its nodes. May be nil.
	Serves func(nodes []string, failover bool) bool
	// Guard asks the rules against fraud about a call that has a route; the trips that
	// it tells are recorded. Nil has no rules.
	Guard func(guard.Call) guard.Verdict
	// Load keeps new calls from coming faster than they are decided. May be nil.
	Load *overload.Controller
	// Evidence keeps recordings and captures of calls. Nil keeps none.
	Evidence *evidence.Keeper
	// Survivable has it written down how answered calls stand, so that another node can
	// go on with them when this one dies.
	Survivable bool
	// Holds tells whether an address that the cluster shares is here now. May be nil.
	Holds func(netip.Addr) bool
	// Redirect gives the addresses that a new call is sent on to, the best one first, in
	// place of being taken; none has it taken. May be nil.
	Redirect func(origin *wire.Originator, by *gate.Listener, req *sip.Request) []sip.Uri
	// MaxCalls bounds the calls in progress; others get a 503.
	MaxCalls int
	// MediaTimeout ends answered calls of which neither side sent RTP for so
	// long; 0 lets them be.
	MediaTimeout time.Duration
	Logger       *slog.Logger
}

// Switch is the node's calls in progress.
type Switch struct {
	config Config
	start  time.Time // the zero of monotonic time
	ctx    context.Context
	stop   context.CancelFunc
	work   sync.WaitGroup // calls that are not over, and what is owed to the book
	ends   sync.WaitGroup // calls whose last transactions go on

	zones     lookup.Zones
	reinvited gate.Handler
	disowning atomic.Int32  // BYEs on their way for calls that are not here
	malformed atomic.Uint64 // session descriptions that could not be used
	resumed   atomic.Uint64 // calls that go on here, of nodes that have died
	untaken   atomic.Uint64 // those that could not
	dropped   atomic.Uint64 // calls that other nodes have taken

	mu       sync.Mutex
	calls    map[events.CallID]*session
	dialogs  map[dialogKey]*dialogEntry
	forwards map[dialogKey]forwarded  // INVITEs to ourselves
	invites  map[string]struct{}      // ingress INVITEs of late, to know merged ones
	owed     map[events.CallID]int    // commands that the book has not answered yet
	resting  map[string]time.Duration // terminators that want to be left alone, and until when
	begun    uint64                   // calls taken since the start
	parties  map[netip.Addr]int       // who has calls in progress here, as caller
	draining bool                     // no new calls
	closed   bool                     // nor emergency calls
}

// New makes a Switch and registers it at the gate.
func New(c Config) *Switch {
	ctx, stop := context.WithCancel(context.Background())
	s := &Switch{
		config: c, start: time.Now(), ctx: ctx, stop: stop,
		calls: map[events.CallID]*session{}, dialogs: map[dialogKey]*dialogEntry{}, forwards: map[dialogKey]forwarded{},
		invites: map[string]struct{}{}, owed: map[events.CallID]int{},
		resting: map[string]time.Duration{}, parties: map[netip.Addr]int{},
	}
	c.Gate.Heed(s.talksTo)
	s.reinvited = s.within(s.onChange)
	c.Gate.On(sip.INVITE, s.onInvite)
	c.Gate.On(sip.ACK, s.onAck)
	c.Gate.On(sip.BYE, s.within(s.hungUp))
	c.Gate.On(sip.UPDATE, s.within(s.onChange))
	c.Gate.On(sip.PRACK, s.within(s.onPrack))
	c.Gate.On(sip.INFO, s.within(s.onInfo))
	c.Gate.On(sip.REFER, s.referred)
	c.Gate.OnStray(s.onStray)
	c.Gate.On(sip.CANCEL, s.onStrayCancel)
	c.Gate.On(sip.OPTIONS, s.onOptions)
	for _, m := range []sip.RequestMethod{sip.NOTIFY, sip.MESSAGE, sip.SUBSCRIBE, sip.PUBLISH} {
		c.Gate.On(m, s.onOther)
	}
	return s
}

func (s *Switch) now() call.Now {
	t := time.Now()
	return call.Now{US: t.UnixMicro(), Mono: t.Sub(s.start)}
}

// Calls counts the calls in progress.
func (s *Switch) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// HangUp ends a call by an operator's wish.
func (s *Switch) HangUp(id events.CallID) error {
	s.mu.Lock()
	c := s.calls[id]
	s.mu.Unlock()
	if c == nil {
		return events.NotFound("call %s is not in progress on this node", id)
	}
	c.post(func(now call.Now) { c.do(c.machine.HangUp(now, call.CauseOperator)) })
	return nil
}

// Serves tells whether a call is in progress here.
func (s *Switch) Serves(id events.CallID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id] != nil
}

// Owes tells whether the book has yet to hear how a call ended.
func (s *Switch) Owes(id events.CallID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owed[id] > 0
}

func (s *Switch) owe(id events.CallID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owed[id] += n; s.owed[id] == 0 {
		delete(s.owed, id)
	}
}

// talksTo tells whether an address has a call in progress: what it says is heard,
// whatever else it did.
func (s *Switch) talksTo(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parties[addr] > 0
}

// Drain refuses new calls from now on, but for emergency calls, or takes them again.
func (s *Switch) Drain(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = on || s.closed
}

// Draining tells whether new calls are refused.
func (s *Switch) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// farewell is how long the stop waits for the far ends to answer what ended
// their calls: a vendor that is silent may take half a minute, for nothing.
const farewell = 2 * time.Second

// Close refuses new calls, hangs up those in progress and waits, while ctx
// allows, until the book has closed them.
func (s *Switch) Close(ctx context.Context) error {
	s.mu.Lock()
	s.draining, s.closed = true, true
	s.mu.Unlock()
	for _, c := range s.sessions() {
		c.post(func(now call.Now) { c.do(c.machine.HangUp(now, call.CauseDrained)) })
	}
	defer s.stop()
	select {
	case <-finished(&s.work):
	case <-ctx.Done():
		return fmt.Errorf("%d calls had not ended when the time was up; the next start closes them", s.Calls())
	}
	select {
	case <-finished(&s.ends):
	case <-time.After(farewell):
	case <-ctx.Done():
	}
	return nil
}

func finished(work *sync.WaitGroup) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		work.Wait()
		close(done)
	}()
	return done
}

func (s *Switch) sessions() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*session, 0, len(s.calls))
	for _, c := range s.calls {
		out = append(out, c)
	}
	return out
}

// Sign is the node's sign of life: it lists the calls from which no RTP came for
// ten seconds, and ends those that are silent for longer than allowed.
func (s *Switch) Sign() *wire.SignOfLife {
	const silence = 10 * time.Second
	sign := &wire.SignOfLife{Node: s.config.Node}
	for _, c := range s.sessions() {
		sign.Calls++
		s.config.Gate.Admit(c.source) // the parties of a call stay known, come what may
		if vendor := c.vendor.Load(); vendor != nil {
			s.config.Gate.Admit(*vendor)
		}
		quiet := c.silent()
		if quiet > silence && len(sign.SilentCalls) < 2000 {
			sign.SilentCalls = append(sign.SilentCalls, c.id[:])
		}
		if limit := s.config.MediaTimeout; limit > 0 && quiet > limit {
			c.post(func(now call.Now) { c.do(c.machine.HangUp(now, call.CauseNoMedia)) })
		}
	}
	return sign
}

func (s *Switch) newID() events.CallID {
	var r [10]byte
	if _, err := rand.Read(r[:]); err != nil {
		panic("b2bua: no randomness: " + err.Error())
	}
	return events.NewCallID(time.Now(), r)
}
