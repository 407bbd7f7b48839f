package relay

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// conns is the portable transport: a goroutine per socket.
type conns struct {
	engine  *Engine
	readers sync.WaitGroup
	mu      sync.Mutex
	ended   bool
}

func newConns(e *Engine) *conns { return &conns{engine: e} }

// conn is a net.UDPConn, which may be closed while it is read and written.
type conn struct{ udp *net.UDPConn }

func (t *conns) shards() int { return 1 }

func (t *conns) open(p *pair) error {
	var bound [2]*net.UDPConn
	for i := range bound {
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.addr(i)))
		if err != nil {
			if i == 1 {
				bound[0].Close()
			}
			return err
		}
		bound[i], p.sockets[i] = udp, conn{udp}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		bound[0].Close()
		bound[1].Close()
		return ErrClosed
	}
	for i, udp := range bound {
		t.readers.Go(func() { t.read(udp, &p.ports[i]) })
	}
	return nil
}

// read ends when the socket is closed. Some systems report on a UDP socket that an
// earlier packet was refused; reading goes on.
func (t *conns) read(udp *net.UDPConn, p *port) {
	var buffer [maxPacket + 1]byte
	for {
		n, from, err := udp.ReadFromUDPAddrPort(buffer[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			t.engine.deliver(p, buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), t.engine.now())
		}
	}
}

func (t *conns) close(p *pair, done func()) {
	for _, s := range p.sockets {
		s.(conn).udp.Close()
	}
	done()
}

func (t *conns) stop() {
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
	t.readers.Wait()
}

func (c conn) send(packet []byte, to netip.AddrPort) error {
	_, err := c.udp.WriteToUDPAddrPort(packet, to)
	return err
}
