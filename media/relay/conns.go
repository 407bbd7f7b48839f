package relay

import (
	"net"
	"net/netip"
	"sync"
)

// conns is the portable transport: a goroutine per socket.
type conns struct {
	engine  *Engine
	readers sync.WaitGroup
}

func newConns(e *Engine) *conns { return &conns{engine: e} }

// conn is a net.UDPConn, which may be closed while it is read and written.
type conn struct{ udp *net.UDPConn }

func (t *conns) bind(addr netip.AddrPort) (socket, error) {
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	return conn{udp}, nil
}

func (t *conns) start(s socket, p *port) error {
	udp := s.(conn).udp
	t.readers.Go(func() { t.read(udp, p) })
	return nil
}

// read ends when the call is closed, for then the socket is, too. Some systems
// report on a UDP socket that an earlier packet was refused; reading goes on.
func (t *conns) read(udp *net.UDPConn, p *port) {
	var buffer [maxPacket + 1]byte
	for {
		n, from, err := udp.ReadFromUDPAddrPort(buffer[:])
		now := t.engine.now()
		p.call.mu.Lock()
		closed := p.call.closed
		if !closed && err == nil {
			p.call.take(p, buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), now)
		}
		p.call.mu.Unlock()
		if closed {
			return
		}
	}
}

func (t *conns) stop() { t.readers.Wait() }

func (c conn) send(packet []byte, to netip.AddrPort) error {
	_, err := c.udp.WriteToUDPAddrPort(packet, to)
	return err
}

func (c conn) close() { c.udp.Close() }
