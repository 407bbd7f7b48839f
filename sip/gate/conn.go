package gate

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/emiago/sipgo/sip"
)

// readDatagrams reads until the socket closes. Only what known addresses send is
// parsed, and nothing is remembered of where it came from.
func (l *Listener) readDatagrams(udp net.PacketConn) error {
	b := make([]byte, 1<<16)
	for {
		n, from, err := readFrom(udp, b)
		if err != nil {
			return err
		}
		if !l.gate.deaf.Load() {
			l.datagram(b[:n], from)
		}
	}
}

func readFrom(c net.PacketConn, b []byte) (int, netip.AddrPort, error) {
	if udp, ok := c.(*net.UDPConn); ok {
		return udp.ReadFromUDPAddrPort(b)
	}
	n, at, err := c.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	return n, at.(*net.UDPAddr).AddrPort(), nil
}

func (l *Listener) write(b []byte, to netip.AddrPort) error {
	if len(b) > MaxDatagram {
		return fmt.Errorf("a SIP message of %d bytes does not fit into a datagram", len(b))
	}
	s := l.bound.Load()
	if s == nil {
		return l.emit(Parcel{Transport: "udp", Far: to.String(), Message: b})
	}
	at := time.Now()
	var err error
	if udp, ok := s.udp.(*net.UDPConn); ok {
		_, err = udp.WriteToUDPAddrPort(b, to)
	} else {
		_, err = s.udp.WriteTo(b, net.UDPAddrFromAddrPort(to))
	}
	if err == nil {
		l.said("udp", to, b, at)
	}
	return err
}

// datagram takes one datagram.
func (l *Listener) datagram(data []byte, from netip.AddrPort) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	defer func() {
		if r := recover(); r != nil {
			l.gate.config.Log.Error("a SIP message made its parser panic", "panic", r, "source", from.String(), "stack", string(debug.Stack()))
		}
	}()
	known := l.gate.known(from.Addr())
	if !known && !l.stranger(from, data) {
		return
	}
	l.heard("udp", from, data)
	if known {
		data = l.pass(data, from)
	}
	if len(data) == 0 {
		return
	}
	msg, err := l.parser.ParseSIP(data)
	if err != nil {
		l.gate.malformed(from.Addr())
		return
	}
	msg.SetTransport("UDP")
	msg.SetSource(from.String())
	if !l.passed(msg, Parcel{Transport: "udp", Far: from.String(), Message: data}) {
		l.layer.Receive(msg, l.wayBack(msg, from))
	}
}

// wayBack is the way to whom a datagram came from.
func (l *Listener) wayBack(msg sip.Message, from netip.AddrPort) *datagrams {
	if req, ok := msg.(*sip.Request); ok {
		from = replyTo(req, from)
	}
	return &datagrams{l, from}
}

// datagrams is the way to a far end over UDP.
type datagrams struct {
	by *Listener
	to netip.AddrPort
}

func (d *datagrams) Write(b []byte) error { return d.by.write(b, d.to) }
func (d *datagrams) Reliable() bool       { return false }

// pass looks at a datagram and gives what is left of it to be parsed: nothing of one
// that is answered here, or only keeps a router's mind.
func (l *Listener) pass(data []byte, from netip.AddrPort) []byte {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil // a keep-alive
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
			return data[:n+copy(data[n:], body)]
		}
		return data
	}
	l.gate.malformed(from.Addr())
	if answer := m.answer(); answer != nil {
		if err := l.write(answer, from); err != nil {
			l.gate.config.Log.Debug("a refusal could not be sent", "err", err, "source", from.String())
		}
	}
	return nil
}

// malformed counts a message of a known source that is none.
func (g *Gate) malformed(from netip.Addr) {
	g.bad.Add(1)
	g.sources.reject(from, "malformed message", time.Now())
}

// stranger answers an unknown source: a challenge where it may say who it is, else
// a bare refusal at most a few times a minute; never more than it sent, and nothing
// to what is not a request. It is true for who has said who he is.
func (l *Listener) stranger(from netip.AddrPort, data []byte) bool {
	g, judge := l.gate, forbid
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
	l.answerStranger(from, len(data), answer)
	return false
}

// introduces tells whether a datagram may say who sends it.
func introduces(data []byte) bool {
	return bytes.HasPrefix(data, []byte("REGISTER ")) || bytes.HasPrefix(data, []byte("INVITE "))
}

func forbid(req *sip.Request, _ netip.AddrPort) (*sip.Response, bool) {
	return sip.NewResponseFromRequest(req, 403, "Forbidden", nil), false
}

func (l *Listener) answerStranger(from netip.AddrPort, asked int, res *sip.Response) {
	if res == nil {
		return
	}
	answer := []byte(res.String())
	if len(answer) > 2*asked+200 {
		return
	}
	if err := l.write(answer, from); err != nil {
		l.gate.config.Log.Debug("a stranger's refusal could not be sent", "err", err, "source", from.String())
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
