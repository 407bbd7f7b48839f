package gate

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// tcpIdle ends a connection that is silent for so long.
const tcpIdle = 10 * time.Minute

// guardedConn gives the SIP stack only the datagrams of known addresses. The
// stack remembers every address it has heard of, so it must not hear of others.
type guardedConn struct {
	*net.UDPConn
	gate *Gate
}

// ReadFrom reads the next datagram of a known address.
func (c *guardedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(b)
		if err != nil {
			return 0, nil, err
		}
		if c.gate.deaf.Load() {
			continue
		}
		if c.gate.known(from.Addr().Unmap()) {
			return n, net.UDPAddrFromAddrPort(from), nil
		}
		c.gate.stranger(from, b[:n])
	}
}

// stranger answers an unknown source, at most a few times a minute and never
// more than it sent: a bare refusal, or nothing to what is not a request.
func (g *Gate) stranger(from netip.AddrPort, data []byte) {
	if !g.sources.reject(from.Addr().Unmap(), "unknown source", time.Now()) {
		return
	}
	answer := answerStranger(from, data)
	if answer == nil || len(answer) > 2*len(data)+200 {
		return
	}
	if _, err := g.udp.WriteToUDPAddrPort(answer, from); err != nil {
		g.config.Log.Debug("a stranger's refusal could not be sent", "err", err, "source", from.String())
	}
}

// answerStranger makes a stateless answer to a datagram, nil if it deserves none.
func answerStranger(from netip.AddrPort, data []byte) (answer []byte) {
	defer func() {
		if recover() != nil {
			answer = nil // the parser could not cope; so it gets nothing
		}
	}()
	if bytes.HasPrefix(data, []byte("SIP/2.0")) || len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	msg, err := sip.ParseMessage(bytes.Clone(data))
	if err != nil {
		return nil
	}
	req, ok := msg.(*sip.Request)
	if !ok || req.IsAck() || req.Via() == nil {
		return nil
	}
	req.SetSource(from.String())
	code, reason := 403, "Forbidden"
	if v := check(req); v != nil {
		code, reason = v.code, v.reason
	}
	return []byte(sip.NewResponseFromRequest(req, code, reason, nil).String())
}

// guardedListener takes connections of known addresses only.
type guardedListener struct {
	*net.TCPListener
	gate *Gate
}

// Accept waits for the next connection of a known address.
func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.TCPListener.AcceptTCP()
		if err != nil {
			return nil, err
		}
		from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if l.gate.known(from) {
			return &idleConn{TCPConn: c}, nil
		}
		l.gate.sources.reject(from, "unknown source over TCP", time.Now())
		if err := c.Close(); err != nil {
			l.gate.config.Log.Debug("a stranger's connection could not be closed", "err", err)
		}
	}
}

// idleConn ends when nothing is read for tcpIdle.
type idleConn struct{ *net.TCPConn }

// Read reads within the idle time.
func (c *idleConn) Read(b []byte) (int, error) {
	if err := c.TCPConn.SetReadDeadline(time.Now().Add(tcpIdle)); err != nil {
		return 0, err
	}
	return c.TCPConn.Read(b)
}
