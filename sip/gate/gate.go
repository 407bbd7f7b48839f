// Package gate is the door to the signalling: it owns the sockets, lets only
// known addresses near the SIP stack, and checks every request before a handler
// sees it. What a stranger sends is answered at most a few times, without state,
// and summed up; a panic behind the door ends one request, not the process.
//
// A gate has one or more listeners, each a local address with a port for every
// transport that it serves. What comes by a listener is answered by it, and a peer
// that is bound to one is called from there.
package gate

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/transaction"
)

// MaxDatagram is the longest SIP message that is sent or taken over UDP.
const MaxDatagram = 65_000

// linger is the time for messages that were read before the gate closed: the
// stack would open another socket to answer one whose socket has gone.
const linger = 50 * time.Millisecond

// settle keeps the stack from telling the world, past the loggers that it is given,
// how it counts its references. It must be done before the first message.
var settle = sync.OnceFunc(func() { sip.SetDefaultLogger(slog.New(slog.DiscardHandler)) })

// Config says where the gate stands.
type Config struct {
	// Listeners are the local addresses; the first one is for peers that name none.
	Listeners []ListenerConfig
	// UserAgent is the name given in Server and User-Agent headers.
	UserAgent string
	// Known tells whether an address may send us signalling.
	Known func(netip.Addr) bool
	// Rejected is told of strangers, summed up by minute.
	Rejected func(Summary)
	// Resolve finds the address of a host to which a request within a dialog goes.
	// Nil finds none.
	Resolve func(ctx context.Context, by *Listener, host string, port int, transport string) (netip.AddrPort, error)
	// Node is this node's name, and Share the way to others of the cluster, where there
	// are shared listeners.
	Node  string
	Share Share
	Log   *slog.Logger
}

// Doorman asks strangers who they are.
type Doorman interface {
	// Welcome tells whether an unknown address may say who it is now.
	Welcome(netip.Addr) bool
	// Greet judges a request by which one does, before anything of it is kept: it gives
	// the answer, nil for none, or lets the address in.
	Greet(req *sip.Request, from netip.AddrPort) (answer *sip.Response, in bool)
	// Banned tells of addresses that are not let in though they once were.
	Banned(netip.Addr) bool
}

// Gate is an open door. Register handlers with On, then Serve.
type Gate struct {
	config    Config
	doorman   Doorman // nil: no stranger is asked
	witness   Witness // nil: nobody listens in
	listeners []*Listener
	byName    map[string]*Listener
	foreign   foreign
	handlers  map[sip.RequestMethod]Handler
	sources   *sources
	stray     atomic.Pointer[func(*Listener, *sip.Response)]
	party     atomic.Pointer[func(netip.Addr) bool]
	deaf      atomic.Bool   // nothing is read any more
	bad       atomic.Uint64 // malformed messages
	closing   sync.Once
}

// Open binds the addresses. Nothing is read before Serve.
func Open(c Config) (*Gate, error) {
	settle()
	g := &Gate{config: c, sources: newSources(c.Rejected), byName: map[string]*Listener{}, foreign: foreign{byName: map[string]*Listener{}}, handlers: map[sip.RequestMethod]Handler{}}
	if len(c.Listeners) == 0 {
		return nil, errors.New("open SIP: no address to listen on")
	}
	for _, lc := range c.Listeners {
		l, err := g.listen(lc)
		if err != nil {
			for _, open := range g.listeners {
				err = errors.Join(err, open.close())
			}
			return nil, err
		}
		g.listeners = append(g.listeners, l)
		g.byName[lc.Name] = l
	}
	return g, nil
}

// Listener finds a listener by its name, which may be one of another node's (Foreign);
// the default one if there is none such.
func (g *Gate) Listener(name string) *Listener {
	if l := g.named(name); l != nil {
		return l
	}
	return g.listeners[0]
}

// ListenerTo is the one by which a host is reached: that of a name, or, where none is
// named, the first of the host's family that is this node's own. A host's name may be
// of either.
func (g *Gate) ListenerTo(name, host string) *Listener {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if name == "" && err == nil {
		for _, l := range g.listeners {
			if !l.config.Shared && l.Addr().Is4() == addr.Unmap().Is4() {
				return l
			}
		}
	}
	return g.Listener(name)
}

// Own is a listener that only this node has, for what it sends to itself: the one that
// is given, or in place of a shared one the first of its family.
func (g *Gate) Own(l *Listener) *Listener {
	if !l.config.Shared {
		return l
	}
	return g.ListenerTo("", l.Addr().String())
}

// Listeners are all of them, the default one first.
func (g *Gate) Listeners() []*Listener { return g.listeners }

// Ask has strangers asked who they are. It must be said before Serve.
func (g *Gate) Ask(d Doorman) { g.doorman = d }

func (g *Gate) banned(addr netip.Addr) bool { return g.doorman != nil && g.doorman.Banned(addr) }

func (g *Gate) welcome(addr netip.Addr) bool { return g.doorman != nil && g.doorman.Welcome(addr) }

// ServerTransaction is how a request is answered.
type ServerTransaction interface {
	// Respond sends an answer; the far end's repetitions get the last one again. A 2xx to
	// an INVITE is repeated by sending it again until its ACK comes.
	Respond(res *sip.Response) error
	// OnCancel has fn told, once, that the far end has taken its INVITE back before the
	// final answer: it is to be answered with a 487. fn must not wait.
	OnCancel(fn func(cancel *sip.Request))
}

// Handler handles a request that has passed the gate. One that is no INVITE has its
// answer when the handler returns. An ACK's handler must not wait, and has no
// transaction.
type Handler func(req *sip.Request, tx ServerTransaction)

// arrival is a request's transaction, with the listener that it came by.
type arrival struct {
	*transaction.Server
	listener *Listener
}

// ListenerOf is what a request came by.
func (g *Gate) ListenerOf(tx ServerTransaction) *Listener {
	if a, ok := tx.(*arrival); ok {
		return a.listener
	}
	return g.listeners[0]
}

// On registers the handler of a method, before Serve.
func (g *Gate) On(method sip.RequestMethod, h Handler) { g.handlers[method] = h }

// OnStray registers what hears responses to requests that are over.
func (g *Gate) OnStray(hear func(*Listener, *sip.Response)) { g.stray.Store(&hear) }

// Heed registers who tells of addresses that are heard though they are banned: those
// of calls in progress.
func (g *Gate) Heed(party func(netip.Addr) bool) { g.party.Store(&party) }

// handle puts the gate's checks before a handler and catches its panics. Methods
// without a handler get 405.
func (l *Listener) handle(req *sip.Request, tx *transaction.Server) {
	g := l.gate
	a := &arrival{tx, l}
	defer g.caught(req, a)
	if v := check(req); v != nil {
		g.refuse(req, a, v.code, v.reason)
		return
	}
	h := g.handlers[req.Method]
	if h == nil {
		g.refuse(req, a, 405, "Method Not Allowed")
		return
	}
	received(req)
	h(req, a)
}

// acknowledge has the ACK of a 2xx heard.
func (l *Listener) acknowledge(req *sip.Request) {
	defer l.gate.caught(req, nil)
	if h := l.gate.handlers[sip.ACK]; h != nil && check(req) == nil {
		h(req, nil)
	}
}

// caught ends a request whose handler panics, and not the process.
func (g *Gate) caught(req *sip.Request, tx ServerTransaction) {
	if r := recover(); r != nil {
		g.config.Log.Error("a SIP request made its handler panic",
			"panic", r, "source", req.Source(), "method", string(req.Method), "stack", string(debug.Stack()))
		g.refuse(req, tx, 500, "Server Internal Error")
	}
}

func (l *Listener) strayed(res *sip.Response) {
	if hear := l.gate.stray.Load(); hear != nil {
		(*hear)(l, res)
	}
}

func (l *Listener) unsent(err error) {
	l.gate.config.Log.Debug("a SIP message could not be sent again", "listener", l.Name(), "err", err)
}

// received notes in the topmost Via where a request really came from, for the
// answers that copy it (RFC 3261, section 18.2.1; RFC 3581, section 4).
func received(req *sip.Request) {
	via := req.Via()
	host, port, err := net.SplitHostPort(req.Source())
	if err != nil {
		return
	}
	_, asked := via.Params.Get("rport")
	if asked {
		via.Params.Add("rport", port)
	}
	if asked || bare(via.Host) != host {
		via.Params.Add("received", host)
	}
}

// bare is a host without the brackets of an IPv6 address.
func bare(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

func (g *Gate) refuse(req *sip.Request, tx ServerTransaction, code int, reason string) {
	if req.IsAck() {
		return
	}
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if code == 420 {
		res.AppendHeader(sip.NewHeader("Unsupported", strings.Join(unsupported(req), ", ")))
	}
	if err := tx.Respond(res); err != nil && !errors.Is(err, transaction.ErrOver) {
		g.config.Log.Debug("a refusal could not be sent", "err", err, "source", req.Source())
	}
}

// Serve reads until the gate is closed.
func (g *Gate) Serve() {
	for _, l := range g.listeners {
		if s := l.bound.Load(); s != nil {
			l.serve(s)
		}
	}
}

// Admit lets an address in that a request was sent to, such as a vendor known by
// name, for the next ten minutes.
func (g *Gate) Admit(addr netip.Addr) { g.sources.admit(addr.Unmap()) }

func (g *Gate) known(addr netip.Addr) bool {
	if g.config.Known(addr) {
		return true
	}
	if !g.sources.admitted(addr) {
		return false
	}
	party := g.party.Load()
	return !g.banned(addr) || party != nil && (*party)(addr)
}

// Counts are what a gate has seen since it opened.
type Counts struct {
	// Rejected are messages and connections that got no further: of strangers, of
	// banned sources, and malformed ones of peers, which Malformed counts besides.
	Rejected, Malformed uint64
	// Servers and Clients are the transactions that are remembered now: of requests
	// that came, and of our own.
	Servers, Clients int
	// Connections are those that far ends have opened, open now.
	Connections int
}

// Counts tells what the gate has seen.
func (g *Gate) Counts() Counts {
	c := Counts{Malformed: g.bad.Load()}
	g.sources.mu.Lock()
	c.Rejected = g.sources.rejected
	g.sources.mu.Unlock()
	for _, l := range g.all() {
		servers, clients := l.layer.Len()
		c.Servers, c.Clients = c.Servers+servers, c.Clients+clients
		l.census.mu.Lock()
		c.Connections += l.census.all
		l.census.mu.Unlock()
	}
	return c
}

// Flush hands out the summaries of minutes that are over.
func (g *Gate) Flush() { g.sources.flush() }

// Close closes the sockets and the stacks.
func (g *Gate) Close(context.Context) error {
	var err error
	g.closing.Do(func() {
		g.deaf.Store(true)
		time.Sleep(linger)
		for _, l := range g.all() {
			err = errors.Join(err, l.close())
		}
		g.sources.flushAll()
	})
	return err
}

// HostPort writes a host, which may be an IPv6 address with or without brackets,
// with a port.
func HostPort(host string, port int) string { return net.JoinHostPort(bare(host), strconv.Itoa(port)) }
