package gate

import (
	"net"
	"net/netip"
	"time"
)

// Witness hears the messages that pass the gate, in plain text, as they stood on the
// wire.
type Witness interface {
	// Wants tells whether messages are of interest now.
	Wants() bool
	// Signal is one message. It must copy what it keeps, and not wait. stream says
	// that it did not come in a datagram.
	Signal(from, to netip.AddrPort, stream bool, message []byte, at time.Time)
}

// Trace has a witness hear all messages of known sources and of ours. It must be said
// before Serve.
func (g *Gate) Trace(w Witness) { g.witness = w }

// heard tells the witness of a message that came.
func (l *Listener) heard(network string, from netip.AddrPort, message []byte) {
	if w := l.gate.witness; w != nil && w.Wants() {
		w.Signal(from, l.at(network), network != "udp", message, time.Now())
	}
}

// said tells the witness of a message that was sent at a time, which is taken before it was:
// what the far end does then is later.
func (l *Listener) said(network string, to netip.AddrPort, message []byte, at time.Time) {
	if w := l.gate.witness; w != nil && w.Wants() {
		w.Signal(l.at(network), to, network != "udp", message, at)
	}
}

// at is the listener's own address.
func (l *Listener) at(network string) netip.AddrPort {
	return netip.AddrPortFrom(l.config.Addr, l.config.Ports[network])
}

// plain is the address of a far end.
func plain(addr net.Addr) netip.AddrPort {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}
