package relay

import "net/netip"

// transport is the part that differs between systems: it makes sockets and
// brings what arrives on them to Call.take.
type transport interface {
	// bind opens a socket that is silent until start.
	bind(addr netip.AddrPort) (socket, error)
	// start has the socket's datagrams brought to the port.
	start(s socket, p *port) error
	// stop ends all workers and waits for them; every socket is closed by then.
	stop()
}

// socket is one bound UDP socket. Both methods are called under the mutex of
// the call that owns it; close also before start.
type socket interface {
	send(packet []byte, to netip.AddrPort) error
	close()
}

// port says which socket of which call a datagram arrived on.
type port struct {
	call *Call
	side Side
	rtcp bool
}

// maxPacket is the largest datagram relayed, in bytes. Media stays below an
// Ethernet frame; what is larger is dropped as malformed.
const maxPacket = 2048
