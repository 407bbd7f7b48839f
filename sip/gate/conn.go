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
			if n = c.pass(b[:n], at); n > 0 {
				return n, at, nil
			}
			continue
		}
		if g.stranger(c.PacketConn, from, b[:n]) {
			return n, at, nil
		}
	}
}

// pass looks at a datagram and gives what is left for the stack: nothing of one that
// is answered here.
func (c *guardedConn) pass(data []byte, from net.Addr) int {
	if len(bytes.TrimSpace(data)) == 0 {
		return len(data) // a keep-alive
	}
	head, body := data, []byte(nil)
	end := bytes.Index(data, endOfHead)
	if end >= 0 {
		head, body = data[:end+len(endOfHead)], data[end+len(endOfHead):]
	}
	m := look(head)
	if end < 0 {
		m.refuse(400, "No End of the Head")
	}
	if m.length > len(body) {
		m.refuse(400, "Content-Length Longer Than the Message")
	}
	if m.wrong == nil {
		if tight := tidy(head); len(tight) < len(head) {
			n := copy(data, tight)
			return n + copy(data[n:], body)
		}
		return len(data)
	}
	c.listener.gate.malformed(from)
	if answer := m.answer(); answer != nil {
		if _, err := c.PacketConn.WriteTo(answer, from); err != nil {
			c.listener.gate.config.Log.Debug("a refusal could not be sent", "err", err, "source", from.String())
		}
	}
	return 0
}

// malformed counts a message of a known source that is none.
func (g *Gate) malformed(from net.Addr) {
	if at, err := netip.ParseAddrPort(from.String()); err == nil {
		g.sources.reject(at.Addr().Unmap(), "malformed message", time.Now())
	}
}

// stranger answers an unknown source: a challenge where it may say who it is, else
// a bare refusal at most a few times a minute; never more than it sent, and nothing
// to what is not a request. It is true for who has said who he is.
func (g *Gate) stranger(by net.PacketConn, from netip.AddrPort, data []byte) bool {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	judge := forbid
	switch {
	case introduces(data) && g.welcome(from.Addr()):
		judge = g.doorman.Greet
	case g.banned(from.Addr()):
		g.sources.reject(from.Addr(), "banned source", time.Now())
		return false
	case !g.sources.reject(from.Addr(), "unknown source", time.Now()):
		return false
	}
	answer, in := greet(from, data, judge)
	if in {
		g.Admit(from.Addr())
		return true
	}
	g.answerStranger(by, from, len(data), answer)
	return false
}

// introduces tells whether a datagram may say who sends it.
func introduces(data []byte) bool {
	return bytes.HasPrefix(data, []byte("REGISTER ")) || bytes.HasPrefix(data, []byte("INVITE "))
}

func forbid(req *sip.Request, _ netip.AddrPort) (*sip.Response, bool) {
	return sip.NewResponseFromRequest(req, 403, "Forbidden", nil), false
}

func (g *Gate) answerStranger(by net.PacketConn, from netip.AddrPort, asked int, res *sip.Response) {
	if res == nil {
		return
	}
	answer := []byte(res.String())
	if len(answer) > 2*asked+200 {
		return
	}
	if _, err := by.WriteTo(answer, net.UDPAddrFromAddrPort(from)); err != nil {
		g.config.Log.Debug("a stranger's refusal could not be sent", "err", err, "source", from.String())
	}
}

// greet makes a stateless answer to a datagram, nil if it deserves none, or lets its
// sender in.
func greet(from netip.AddrPort, data []byte, judge func(*sip.Request, netip.AddrPort) (*sip.Response, bool)) (answer *sip.Response, in bool) {
	defer func() {
		if recover() != nil {
			answer, in = nil, false // the parser could not cope; so it gets nothing
		}
	}()
	if bytes.HasPrefix(data, []byte("SIP/2.0")) || len(bytes.TrimSpace(data)) == 0 {
		return nil, false
	}
	msg, err := sip.ParseMessage(bytes.Clone(data))
	if err != nil {
		return nil, false
	}
	req, ok := msg.(*sip.Request)
	if !ok || req.IsAck() || req.Via() == nil {
		return nil, false
	}
	req.SetSource(from.String())
	if v := check(req); v != nil {
		return sip.NewResponseFromRequest(req, v.code, v.reason, nil), false
	}
	received(req)
	return judge(req, from)
}
