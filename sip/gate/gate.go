// Package gate is the door to the signalling: it owns the sockets, lets only
// known addresses near the SIP stack, and checks every request before a handler
// sees it. What a stranger sends is answered at most a few times, without state,
// and summed up; a panic behind the door ends one request, not the process.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// MaxDatagram is the longest SIP message that is sent or taken over UDP.
const MaxDatagram = 65_000

// linger is the time for messages that were read before the gate closed: the
// stack would open another socket to answer one whose socket has gone.
const linger = 50 * time.Millisecond

// allowLong lets the stack send and take what an IP datagram can hold. It must be
// said before the first message.
var allowLong = sync.OnceFunc(func() { sip.UDPMTUSize = MaxDatagram })

// Config says where the gate stands. Addr must be a concrete address.
type Config struct {
	Addr netip.AddrPort
	// UserAgent is the name given in Server and User-Agent headers.
	UserAgent string
	// Known tells whether an address may send us signalling.
	Known func(netip.Addr) bool
	// Rejected is told of strangers, summed up by minute.
	Rejected func(Summary)
	Log      *slog.Logger
}

// Gate is an open door. Register handlers with On, then Serve.
type Gate struct {
	config  Config
	ua      *sipgo.UserAgent
	server  *sipgo.Server
	client  *sipgo.Client
	udp     *net.UDPConn
	tcp     *net.TCPListener
	sources *sources
	deaf    atomic.Bool // nothing is read any more
	closing sync.Once
	serving sync.WaitGroup
}

// Open binds the address over UDP and TCP. Nothing is read before Serve.
func Open(c Config) (*Gate, error) {
	allowLong()
	g := &Gate{config: c, sources: newSources(c.Rejected)}
	var err error
	g.udp, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(c.Addr))
	if err != nil {
		return nil, fmt.Errorf("open SIP on udp %s: %w", c.Addr, err)
	}
	if g.tcp, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(c.Addr)); err != nil {
		return nil, errors.Join(fmt.Errorf("open SIP on tcp %s: %w", c.Addr, err), g.udp.Close())
	}
	if err := g.stack(); err != nil {
		return nil, errors.Join(err, g.udp.Close(), g.tcp.Close())
	}
	return g, nil
}

func (g *Gate) stack() error {
	log := slog.New(&limited{next: g.config.Log.Handler()})
	var err error
	g.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent(g.config.UserAgent),
		sipgo.WithUserAgentHostname(g.config.Addr.Addr().String()),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(log)),
		sipgo.WithUserAgentTransactionLayerOptions(
			sip.WithTransactionLayerLogger(log),
			// A repeated answer to a request that is long over: the stack would log
			// each one, past our logger.
			sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}),
		),
	)
	if err != nil {
		return fmt.Errorf("make the SIP stack: %w", err)
	}
	if g.server, err = sipgo.NewServer(g.ua, sipgo.WithServerLogger(log)); err != nil {
		return fmt.Errorf("make the SIP server: %w", err)
	}
	g.client, err = sipgo.NewClient(g.ua, sipgo.WithClientLogger(log),
		sipgo.WithClientHostname(g.config.Addr.Addr().String()),
		sipgo.WithClientPort(int(g.config.Addr.Port())),
		sipgo.WithClientConnectionAddr(g.config.Addr.String()))
	if err != nil {
		return fmt.Errorf("make the SIP client: %w", err)
	}
	return nil
}

// Addr is where the gate stands.
func (g *Gate) Addr() netip.AddrPort { return g.config.Addr }

// Client sends requests from the gate's address.
func (g *Gate) Client() *sipgo.Client { return g.client }

// Handler handles a request that has passed the gate.
type Handler func(req *sip.Request, tx sip.ServerTransaction)

// On registers the handler of a method.
func (g *Gate) On(method sip.RequestMethod, h Handler) {
	g.server.OnRequest(method, g.guarded(h))
}

// guarded puts the gate's checks before a handler and catches its panics.
func (g *Gate) guarded(h Handler) sipgo.RequestHandler {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		defer func() {
			if r := recover(); r != nil {
				g.config.Log.Error("a SIP request made its handler panic",
					"panic", r, "source", req.Source(), "method", string(req.Method), "stack", string(debug.Stack()))
				g.refuse(req, tx, 500, "Server Internal Error")
			}
		}()
		if v := check(req); v != nil {
			g.refuse(req, tx, v.code, v.reason)
			return
		}
		h(req, tx)
	}
}

func (g *Gate) refuse(req *sip.Request, tx sip.ServerTransaction, code int, reason string) {
	if req.IsAck() {
		return
	}
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if code == 420 {
		for _, h := range req.GetHeaders("Require") {
			res.AppendHeader(sip.NewHeader("Unsupported", h.Value()))
		}
	}
	if err := tx.Respond(res); err != nil {
		g.config.Log.Debug("a refusal could not be sent", "err", err, "source", req.Source())
	}
}

// Serve reads until the gate is closed, and returns when requests can be sent, too:
// before its reader runs, the stack does not know of the socket. Methods without a
// handler get 405.
func (g *Gate) Serve() {
	g.server.OnNoRoute(g.guarded(func(req *sip.Request, tx sip.ServerTransaction) {
		g.refuse(req, tx, 405, "Method Not Allowed")
	}))
	g.serving.Add(2)
	go func() {
		defer g.serving.Done()
		err := g.server.ServeUDP(&guardedConn{UDPConn: g.udp, gate: g})
		g.ended("udp", err)
	}()
	go func() {
		defer g.serving.Done()
		err := g.server.ServeTCP(&guardedListener{TCPListener: g.tcp, gate: g})
		g.ended("tcp", err)
	}()
	for !g.deaf.Load() {
		if c, err := g.ua.TransportLayer().GetConnection("udp", g.config.Addr.String()); err == nil && c != nil {
			if _, err := c.TryClose(); err != nil { // gives back the reference only
				g.config.Log.Debug("the SIP socket's reference", "err", err)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (g *Gate) ended(network string, err error) {
	g.deaf.Store(true)
	if err != nil && !errors.Is(err, net.ErrClosed) {
		g.config.Log.Error("SIP has stopped", "network", network, "addr", g.config.Addr.String(), "err", err)
	}
}

// Admit lets an address in that a request was sent to, such as a vendor known by
// name, for the next ten minutes.
func (g *Gate) Admit(addr netip.Addr) { g.sources.admit(addr) }

func (g *Gate) known(addr netip.Addr) bool {
	return g.config.Known(addr) || g.sources.admitted(addr)
}

// Flush hands out the summaries of minutes that are over.
func (g *Gate) Flush() { g.sources.flush() }

// Close closes the sockets and the stack.
func (g *Gate) Close(context.Context) error {
	var err error
	g.closing.Do(func() {
		g.deaf.Store(true)
		time.Sleep(linger)
		err = errors.Join(g.udp.Close(), g.tcp.Close(), g.ua.Close())
		g.serving.Wait()
		g.sources.flushAll()
	})
	return err
}
