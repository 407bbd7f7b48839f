package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// sockets are what a listener has where it is.
type sockets struct {
	// stack reads and writes streams.
	stack   *sip.TransportLayer
	udp     net.PacketConn
	tcp     map[string]*net.TCPListener
	streams map[string]*streams
	serving sync.WaitGroup
}

// bind makes all sockets of a listener.
func (l *Listener) bind() (s *sockets, err error) {
	s = &sockets{tcp: map[string]*net.TCPListener{}, streams: map[string]*streams{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.unbind())
		}
	}()
	c := l.config
	for _, network := range Transports {
		port, served := c.Ports[network]
		if !served {
			continue
		}
		at := netip.AddrPortFrom(c.Addr, port)
		if network == "udp" && c.Datagrams != nil {
			s.udp = c.Datagrams
			continue
		}
		if network == "udp" {
			udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
			if err != nil {
				return s, fmt.Errorf("open SIP on udp %s: %w", at, err)
			}
			s.udp = udp
			continue
		}
		if (network == "tls" || network == "wss") && c.Identity == nil {
			return s, fmt.Errorf("open SIP on %s %s: listener %s has no certificate", network, at, c.Name)
		}
		socket, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return s, fmt.Errorf("open SIP on %s %s: %w", network, at, err)
		}
		s.tcp[network] = socket
		s.streams[network] = newStreams(socket.Addr())
	}
	log := slog.New(&limited{next: l.gate.config.Log.Handler()})
	s.stack = sip.NewTransportLayer(net.DefaultResolver, l.parser, nil, sip.WithTransportLayerLogger(log))
	s.stack.OnMessage(l.overStream)
	return s, nil
}

// serve starts the readers.
func (l *Listener) serve(s *sockets) {
	if s.udp != nil {
		l.run(s, "udp", func() error { return l.readDatagrams(s.udp) })
	}
	for network, socket := range s.tcp {
		streams := s.streams[network]
		l.run(s, network, func() error { return l.accept(network, socket, streams) })
		l.run(s, network, func() error {
			switch network {
			case "tls":
				return s.stack.ServeTLS(streams)
			case "ws":
				return s.stack.ServeWS(streams)
			case "wss":
				return s.stack.ServeWSS(streams)
			default:
				return s.stack.ServeTCP(streams)
			}
		})
	}
}

func (l *Listener) run(s *sockets, network string, serve func() error) {
	s.serving.Go(func() {
		err := serve()
		switch {
		case err == nil || errors.Is(err, net.ErrClosed):
		case !l.gate.deaf.Load():
			l.gate.config.Log.Error("SIP has stopped", "network", network, "listener", l.String(), "err", err)
		}
	})
}

// unbind closes the sockets.
func (s *sockets) unbind() error {
	var err error
	if s.udp != nil {
		err = s.udp.Close()
	}
	for _, socket := range s.tcp {
		err = errors.Join(err, socket.Close())
	}
	for _, streams := range s.streams {
		streams.close()
	}
	return err
}

func (s *sockets) close() error {
	err := errors.Join(s.unbind(), s.stack.Close())
	s.serving.Wait()
	return err
}

// Raise opens the sockets of a shared listener, whose address has come to this machine.
// Where they are open it does nothing.
func (l *Listener) Raise() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	if l.bound.Load() != nil || l.gate.deaf.Load() {
		return nil
	}
	s, err := l.bind()
	if err != nil {
		return err
	}
	l.bound.Store(s)
	l.serve(s)
	return nil
}

// Lower closes the sockets of a shared listener, whose address is leaving. Its
// transactions go on by way of the node that has it next.
func (l *Listener) Lower() error {
	l.changing.Lock()
	defer l.changing.Unlock()
	s := l.bound.Swap(nil)
	if s == nil {
		return nil
	}
	return s.close()
}

// Shared tells whether all nodes of the cluster use the listener and one has its
// sockets; Here, whether that is this one. A listener that is not shared is here.
func (l *Listener) Shared() bool { return l.config.Shared }

// Here tells whether this node has the listener's sockets.
func (l *Listener) Here() bool { return l.bound.Load() != nil }
