package gate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// defaultConnections bounds a listener's streams, perSource those of one address.
	defaultConnections = 2000
	perSource          = 100
	perStranger        = 8
	// firstWithin bounds the handshakes of a new connection and its first byte,
	// dialWithin those of one that we open.
	firstWithin = 10 * time.Second
	dialWithin  = 5 * time.Second
	// idleFor ends a connection that is silent for longer than any call lasts; one
	// whose far end has gone is found by keep-alives long before.
	idleFor   = 5 * time.Hour
	keepAlive = 30 * time.Second
	// strangerIdle is the same for who has not said who he is.
	strangerIdle = 30 * time.Second
	// writeWithin bounds a write to a far end that does not read.
	writeWithin = 5 * time.Second
	// maxUpgrade bounds the request that opens a WebSocket.
	maxUpgrade = 8 << 10
)

// streams is the listener that the SIP stack sees: it hands out connections that
// were accepted and those that we opened ourselves, so that both are read, found
// and closed in one way.
type streams struct {
	addr   net.Addr
	fresh  chan handed
	closed chan struct{}
	once   sync.Once
	taken  chan struct{} // of the connection handed out last
}

type handed struct {
	conn  net.Conn
	taken chan struct{} // closed when the stack knows the connection
}

func newStreams(addr net.Addr) *streams {
	return &streams{addr: addr, fresh: make(chan handed), closed: make(chan struct{})}
}

// Accept gives the stack its next connection. That it asks again says that it has
// taken in the one before.
func (s *streams) Accept() (net.Conn, error) {
	if s.taken != nil {
		close(s.taken)
		s.taken = nil
	}
	select {
	case h := <-s.fresh:
		s.taken = h.taken
		return h.conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the stack's reading.
func (s *streams) Close() error {
	s.close()
	return nil
}

func (s *streams) close() { s.once.Do(func() { close(s.closed) }) }

// Addr is the socket's.
func (s *streams) Addr() net.Addr { return s.addr }

// hand gives a connection to the stack and waits until it is known there.
func (s *streams) hand(c net.Conn) error {
	h := handed{c, make(chan struct{})}
	select {
	case s.fresh <- h:
	case <-s.closed:
		return errors.Join(net.ErrClosed, c.Close())
	}
	select {
	case <-h.taken:
		return nil
	case <-s.closed:
		return net.ErrClosed
	}
}

// accept takes connections of known addresses. Handshakes run beside it, so that
// nobody waits for a slow one.
func (l *Listener) accept(network string, socket *net.TCPListener, to *streams) error {
	for {
		c, err := socket.AcceptTCP()
		if err != nil {
			return err
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		reason, stranger := "", !l.gate.known(from)
		switch {
		case stranger && !l.gate.welcome(from):
			reason = "unknown source over " + network
		case !l.census.enter(from, stranger):
			reason = "too many connections"
		}
		if reason != "" {
			l.gate.sources.reject(from, reason, time.Now())
			l.drop(c)
			continue
		}
		s := &stream{Conn: c, left: func() { l.census.leave(from, stranger) }}
		if stranger {
			s.known = func() bool { return l.gate.known(from) }
		}
		go l.welcome(network, s, to)
	}
}

func (l *Listener) drop(c net.Conn) {
	if err := c.Close(); err != nil {
		l.gate.config.Log.Debug("a connection could not be closed", "err", err)
	}
}

// welcome does what must come before SIP on a new connection.
func (l *Listener) welcome(network string, s *stream, to *streams) {
	if err := l.shakeHands(network, s); err != nil {
		l.gate.config.Log.Debug("a connection did not come up", "network", network, "source", s.RemoteAddr().String(), "err", err)
		l.drop(s)
		return
	}
	if err := to.hand(s); err != nil {
		l.drop(s)
	}
}

func (l *Listener) shakeHands(network string, s *stream) error {
	if err := keepUp(s.Conn); err != nil {
		return err
	}
	if err := s.Conn.SetDeadline(time.Now().Add(firstWithin)); err != nil {
		return err
	}
	if network == "tls" || network == "wss" {
		secure := tls.Server(s.Conn, l.config.Identity.server())
		if err := secure.Handshake(); err != nil {
			return err
		}
		s.Conn = secure
		l.peers.keep(s)
	}
	if network == "ws" || network == "wss" {
		head, err := readUpgrade(s.Conn)
		if err != nil {
			return err
		}
		s.first = head
	} else {
		s.framed(l, network)
	}
	return s.Conn.SetDeadline(time.Time{})
}

// readUpgrade reads the request that opens a WebSocket: the stack reads it on the
// goroutine that takes in all connections, where it must not wait.
func readUpgrade(c net.Conn) ([]byte, error) {
	r := bufio.NewReaderSize(io.LimitReader(c, maxUpgrade), 512)
	var head bytes.Buffer
	for {
		line, err := r.ReadSlice('\n')
		head.Write(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, fmt.Errorf("read the upgrade to a WebSocket: %w", err)
		}
		if bytes.HasSuffix(head.Bytes(), []byte("\r\n\r\n")) {
			if n := r.Buffered(); n > 0 { // nothing may follow before our answer
				return nil, fmt.Errorf("%d bytes follow the upgrade to a WebSocket", n)
			}
			return head.Bytes(), nil
		}
	}
}

func keepUp(c net.Conn) error {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	return t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 3, Count: 3})
}

// Connect makes sure that there is a connection to a far end whose certificate, if
// it has one, is for a name. One that is there is used again. An error of reaching
// it comes back as it is.
func (l *Listener) Connect(ctx context.Context, network string, to netip.AddrPort, name string) error {
	key := network + " " + to.String()
	if l.bound.Load() == nil && l.config.Shared {
		return nil // who has the sockets connects when there is something to send
	}
	name = l.peers.name(key, name)
	if !l.connected(network, to) {
		err := l.peers.once(ctx, key, func(ctx context.Context) error {
			if l.connected(network, to) {
				return nil
			}
			return l.dial(ctx, network, to, name)
		})
		if err != nil {
			return err
		}
	}
	err := l.peers.check(to.String(), name) // others may have opened it, by another name
	if err == nil {
		l.peers.reached(key, name)
	}
	return err
}

func (l *Listener) connected(network string, to netip.AddrPort) bool {
	return l.Connected(network, to.String())
}

// Connected tells whether there is a connection whose far end has an address.
func (l *Listener) Connected(network, to string) bool {
	if l.bound.Load() == nil && l.config.Shared {
		return true // as far as can be known here
	}
	return l.with(network, to, func(sip.Connection) error { return nil }) == nil
}

// with uses a connection of the stack's, if it is there.
func (l *Listener) with(network, to string, use func(sip.Connection) error) error {
	var c sip.Connection
	if s := l.bound.Load(); s != nil {
		c = s.stack.Pool(network).Get(to)
	}
	if c == nil {
		return fmt.Errorf("there is no connection to %s over %s", to, network)
	}
	err := use(c)
	if _, closed := c.TryClose(); closed != nil { // gives back the reference only
		l.gate.config.Log.Debug("a connection's reference", "err", closed)
	}
	return err
}

func (l *Listener) dial(ctx context.Context, network string, to netip.AddrPort, name string) error {
	var target *streams
	if s := l.bound.Load(); s != nil {
		target = s.streams[network]
	}
	if target == nil || webSocket(network) {
		return fmt.Errorf("there is no connection to %s over %s", to, network)
	}
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: l.config.Addr.AsSlice(), Zone: l.config.Addr.Zone()}}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return fmt.Errorf("connect over %s: %w", network, err)
	}
	s := &stream{Conn: c, left: func() {}}
	if err := keepUp(c); err != nil {
		return errors.Join(err, c.Close())
	}
	if network == "tls" {
		secure := tls.Client(c, l.config.Identity.client(name))
		if err := secure.HandshakeContext(ctx); err != nil {
			return errors.Join(fmt.Errorf("connect over tls to %s as %q: %w", to, name, err), c.Close())
		}
		s.Conn = secure
		l.peers.keep(s)
	}
	s.framed(l, network)
	l.gate.Admit(to.Addr())
	return target.hand(s)
}

// stream is a connection with our bounds on it.
type stream struct {
	net.Conn
	first []byte // read already
	// frames cuts what comes into messages; nil for a WebSocket, which does so itself.
	frames *frames
	left   func()
	said   func([]byte, time.Time) // is told of what is sent; nil for a WebSocket
	// known tells whether a stranger has said who he is; nil for who needs not.
	known func() bool
	once  sync.Once
}

// framed makes the stack get whole messages only.
func (s *stream) framed(l *Listener, network string) {
	s.said = func(b []byte, at time.Time) { l.said(network, plain(s.RemoteAddr()), b, at) }
	s.frames = &frames{
		from: idle{s},
		answer: func(b []byte) error {
			_, err := s.Write(b)
			return err
		},
		malformed: func() {
			if at, err := netip.ParseAddrPort(s.RemoteAddr().String()); err == nil {
				l.gate.malformed(at.Addr().Unmap())
			}
		},
		heard: func(b []byte) { l.heard(network, plain(s.RemoteAddr()), b) },
	}
}

// Read reads within the idle time.
func (s *stream) Read(b []byte) (int, error) {
	if s.frames != nil {
		return s.frames.Read(b)
	}
	return idle{s}.Read(b)
}

// idle reads a stream's bytes within the idle time.
type idle struct{ *stream }

func (s idle) Read(b []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(b, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	within := idleFor
	if s.known != nil && !s.known() {
		within = strangerIdle
	}
	if err := s.Conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
}

// Write writes to a far end that reads.
func (s *stream) Write(b []byte) (int, error) {
	if err := s.Conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return 0, err
	}
	at := time.Now()
	n, err := s.Conn.Write(b)
	if err == nil && s.said != nil {
		s.said(b, at)
	}
	return n, err
}

// Close closes the connection and gives its place free.
func (s *stream) Close() error {
	s.once.Do(s.left)
	return s.Conn.Close()
}
