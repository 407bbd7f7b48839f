package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// agent is what customer and vendor share: a socket, sipgo's layers above it,
// and the dialogs that requests from the far side belong to.
type agent struct {
	addr   netip.AddrPort
	log    *slog.Logger
	ua     *sipgo.UserAgent
	server *sipgo.Server
	client *sipgo.Client
	conn   *net.UDPConn
	served chan struct{}
	deaf   atomic.Bool // nothing is read any more

	mu      sync.Mutex
	closed  bool
	dialogs map[string]*dialog // by Call-ID and our tag
	calls   int
	idle    *sync.Cond // calls fell to 0
}

// newAgent binds the socket; port 0 takes any free one.
func newAgent(addr netip.AddrPort, log *slog.Logger) (*agent, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("traffic: listen: %w", err)
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	a := &agent{
		addr: netip.AddrPortFrom(addr.Addr(), bound.Port()), log: log, conn: conn,
		served: make(chan struct{}), dialogs: make(map[string]*dialog),
	}
	a.idle = sync.NewCond(&a.mu)
	if err := a.build(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("traffic: user agent: %w", err)
	}
	return a, nil
}

func (a *agent) build() error {
	var err error
	a.ua, err = sipgo.NewUA(
		sipgo.WithUserAgent("tollbook-traffic"),
		sipgo.WithUserAgentHostname(a.addr.Addr().String()),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(a.log),
			sip.WithTransportLayerReadFilter(a.filter)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(a.log)),
	)
	if err != nil {
		return err
	}
	if a.server, err = sipgo.NewServer(a.ua, sipgo.WithServerLogger(a.log)); err != nil {
		return err
	}
	a.client, err = sipgo.NewClient(a.ua, sipgo.WithClientLogger(a.log),
		sipgo.WithClientAddr(a.addr.String()), sipgo.WithClientConnectionAddr(a.addr.String()))
	if err != nil {
		return err
	}
	a.on(sip.ACK, a.ack)
	a.on(sip.BYE, a.bye)
	a.on(sip.OPTIONS, a.ok)
	a.on(sip.INFO, a.ok)
	a.on(sip.UPDATE, a.renew)
	a.on(sip.CANCEL, a.gone) // only those that match no INVITE come here
	return nil
}

// on registers a handler behind the checks that sipgo leaves out: without them
// one datagram without a From header would end the process.
func (a *agent) on(method sip.RequestMethod, handle sipgo.RequestHandler) {
	a.server.OnRequest(method, func(req *sip.Request, tx sip.ServerTransaction) {
		if req.From() == nil || req.To() == nil || req.CallID() == nil || req.CSeq() == nil {
			a.respond(tx, req, 400, "Bad Request")
			return
		}
		handle(req, tx)
	})
}

// serve reads the socket until close. It returns when requests can be sent:
// sipgo sends from a listening socket only after it has begun to read it.
func (a *agent) serve(ctx context.Context) error {
	go func() {
		defer close(a.served)
		if err := a.server.ServeUDP(a.conn); err != nil {
			a.log.Error("traffic stops listening", "err", err)
		}
	}()
	for {
		c, err := a.ua.TransportLayer().GetConnection("udp", a.addr.String())
		if err == nil && c != nil {
			_, err := c.TryClose()
			return err
		}
		if !wait(ctx, time.Millisecond, a.served) {
			return fmt.Errorf("traffic: %v is not served", a.addr)
		}
	}
}

// close waits for the calls, which end with the context of Run, and then ends
// sipgo's goroutines.
func (a *agent) close() {
	a.mu.Lock()
	for a.calls > 0 {
		a.idle.Wait()
	}
	a.closed = true
	a.mu.Unlock()
	a.deaf.Store(true)
	time.Sleep(linger)
	a.conn.Close()
	<-a.served
	if err := a.ua.Close(); err != nil {
		a.log.Warn("traffic user agent closes", "err", err)
	}
}

// linger is the time for messages that were read before an agent ended: sipgo
// would open another socket to answer one whose socket has gone, and nothing
// would close that.
const linger = 50 * time.Millisecond

// filter drops what comes after the agent's end.
func (a *agent) filter(_ sip.TransportReadProps, data []byte) ([]byte, error) {
	if a.deaf.Load() {
		return nil, nil
	}
	return data, nil
}

// enter counts a call, or a task that belongs to one; it is false when the
// agent has ended.
func (a *agent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.calls++
	return true
}

func (a *agent) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls--; a.calls == 0 {
		a.idle.Broadcast()
	}
}

func (a *agent) put(d *dialog) {
	a.mu.Lock()
	a.dialogs[d.key()] = d
	a.mu.Unlock()
}

func (a *agent) remove(d *dialog) {
	a.mu.Lock()
	delete(a.dialogs, d.key())
	a.mu.Unlock()
}

// find returns the dialog of a request from the far side, whose To is ours.
func (a *agent) find(req *sip.Request) *dialog {
	tag, _ := req.To().Params.Get("tag")
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dialogs[req.CallID().Value()+" "+tag]
}
