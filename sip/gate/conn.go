package gate

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// guardedConn gives the SIP stack only the datagrams of known addresses. The
// stack remembers every address it has heard of, so it must not hear of others.
type guardedConn struct {
	net.PacketConn
	listener *Listener
}

// ReadFrom reads the next datagram of a known address.
func (c *guardedConn) ReadFrom(b []byte) (int, net.Addr, error) {
	g := c.listener.gate
	for {
		n, at, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			return 0, nil, err
		}
		if g.deaf.Load() {
			continue
		}
		from := at.(*net.UDPAddr).AddrPort()
		if g.known(from.Addr().Unmap()) {
			return n, at, nil
		}
		g.stranger(c.PacketConn, from, b[:n])
	}
}

// stranger answers an unknown source, at most a few times a minute and never
// more than it sent: a bare refusal, or nothing to what is not a request.
func (g *Gate) stranger(by net.PacketConn, from netip.AddrPort, data []byte) {
	if !g.sources.reject(from.Addr().Unmap(), "unknown source", time.Now()) {
		return
	}
	answer := answerStranger(from, data)
	if answer == nil || len(answer) > 2*len(data)+200 {
		return
	}
	if _, err := by.WriteTo(answer, net.UDPAddrFromAddrPort(from)); err != nil {
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
	req.SetSource(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()).String())
	code, reason := 403, "Forbidden"
	if v := check(req); v != nil {
		code, reason = v.code, v.reason
	}
	return []byte(sip.NewResponseFromRequest(req, code, reason, nil).String())
}
