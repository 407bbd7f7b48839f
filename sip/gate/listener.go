package gate

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/transaction"
)

// Transports are those that a listener may serve. Over ws and wss we are called,
// we do not call.
var Transports = []string{"udp", "tcp", "tls", "ws", "wss"}

// ListenerConfig is one local address with a port for each transport.
type ListenerConfig struct {
	// Name is what peers name to be bound to the listener.
	Name string
	Addr netip.Addr
	// Ports are by transport: udp, tcp, tls, ws, wss. What is missing is not served.
	Ports map[string]uint16
	// Advertised is told to the far ends in place of Addr, where a router maps it.
	Advertised string
	// Identity gives the certificates of tls and wss.
	Identity *Identity
	// MaxConnections bounds the streams that are open; 0 is 2000.
	MaxConnections int
	// Datagrams, if given, is what stands at Addr in place of a UDP socket.
	Datagrams net.PacketConn
}

// Listener is one local address. Each has a SIP stack of its own, so that what
// comes by one is answered by the same.
type Listener struct {
	config ListenerConfig
	gate   *Gate
	// stack reads and writes streams; parser reads datagrams.
	stack   *sip.TransportLayer
	parser  *sip.Parser
	layer   *transaction.Layer
	udp     net.PacketConn
	sockets map[string]*net.TCPListener
	streams map[string]*streams
	serving sync.WaitGroup
	census  *census
	peers   *peers
}

// listen binds all sockets of a listener.
func (g *Gate) listen(c ListenerConfig) (l *Listener, err error) {
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	l = &Listener{
		config: c, gate: g, parser: sip.NewParser(),
		sockets: map[string]*net.TCPListener{}, streams: map[string]*streams{},
		census: newCensus(c.MaxConnections), peers: newPeers(),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.unbind())
		}
	}()
	for _, network := range Transports {
		port, served := c.Ports[network]
		if !served {
			continue
		}
		at := netip.AddrPortFrom(c.Addr, port)
		if network == "udp" && c.Datagrams != nil {
			l.udp = c.Datagrams
			continue
		}
		if network == "udp" {
			udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
			if err != nil {
				return l, fmt.Errorf("open SIP on udp %s: %w", at, err)
			}
			l.udp = udp
			continue
		}
		if (network == "tls" || network == "wss") && c.Identity == nil {
			return l, fmt.Errorf("open SIP on %s %s: listener %s has no certificate", network, at, c.Name)
		}
		socket, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return l, fmt.Errorf("open SIP on %s %s: %w", network, at, err)
		}
		l.sockets[network] = socket
	}
	l.layer = transaction.New(transaction.Config{Request: l.handle, Ack: l.acknowledge, Stray: l.strayed, Unsent: l.unsent})
	log := slog.New(&limited{next: g.config.Log.Handler()})
	l.stack = sip.NewTransportLayer(net.DefaultResolver, l.parser, nil, sip.WithTransportLayerLogger(log))
	l.stack.OnMessage(l.overStream)
	return l, nil
}

// Name is the listener's, as peers name it.
func (l *Listener) Name() string { return l.config.Name }

// Addr is the local address.
func (l *Listener) Addr() netip.Addr { return l.config.Addr }

// Serves tells whether a transport is served.
func (l *Listener) Serves(transport string) bool {
	_, ok := l.config.Ports[transport]
	return ok
}

// Host is the name or address that far ends know the listener by, as a URI has it.
func (l *Listener) Host() string {
	if l.config.Advertised != "" {
		return URIHost(l.config.Advertised)
	}
	return URIHost(l.config.Addr.String())
}

// URIHost is a host as a URI and a Via have it: an IPv6 address in brackets.
func URIHost(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() && !addr.Is4In6() {
		return "[" + host + "]"
	}
	return host
}

// Contact is where a far end reaches us over a transport.
func (l *Listener) Contact(transport string) sip.Uri {
	transport = sip.NetworkToLower(transport)
	port, served := l.config.Ports[transport]
	if !served {
		transport, port = l.first()
	}
	u := sip.Uri{Scheme: "sip", User: "tollbook", Host: l.Host(), Port: int(port)}
	if transport != "udp" {
		u.UriParams.Add("transport", transport)
	}
	return u
}

// first is the listener's first transport.
func (l *Listener) first() (transport string, port uint16) {
	for _, t := range Transports {
		if port, ok := l.config.Ports[t]; ok {
			return t, port
		}
	}
	return "udp", 0
}

// Local marks a request as one that leaves by this listener.
func (l *Listener) Local() sip.Addr {
	return sip.Addr{IP: l.config.Addr.AsSlice(), Hostname: l.config.Name}
}

// String lists what is served, as "core udp 192.0.2.1:5060, tcp 192.0.2.1:5060".
func (l *Listener) String() string {
	var at []string
	for _, t := range Transports {
		if port, ok := l.config.Ports[t]; ok {
			at = append(at, fmt.Sprintf("%s %s", t, netip.AddrPortFrom(l.config.Addr, port)))
		}
	}
	return l.config.Name + " " + strings.Join(at, ", ")
}

// serve starts the readers.
func (l *Listener) serve() {
	if l.udp != nil {
		l.run("udp", l.readDatagrams)
	}
	for network, socket := range l.sockets {
		s := newStreams(socket.Addr())
		l.streams[network] = s
		l.run(network, func() error { return l.accept(network, socket, s) })
		l.run(network, func() error {
			switch network {
			case "tls":
				return l.stack.ServeTLS(s)
			case "ws":
				return l.stack.ServeWS(s)
			case "wss":
				return l.stack.ServeWSS(s)
			default:
				return l.stack.ServeTCP(s)
			}
		})
	}
}

func (l *Listener) run(network string, serve func() error) {
	l.serving.Add(1)
	go func() {
		defer l.serving.Done()
		err := serve()
		if l.gate.deaf.Swap(true) || err == nil || errors.Is(err, net.ErrClosed) {
			return
		}
		l.gate.config.Log.Error("SIP has stopped", "network", network, "listener", l.String(), "err", err)
	}()
}

// unbind closes the sockets.
func (l *Listener) unbind() error {
	var err error
	if l.udp != nil {
		err = l.udp.Close()
	}
	for _, s := range l.sockets {
		err = errors.Join(err, s.Close())
	}
	for _, s := range l.streams {
		s.close()
	}
	return err
}

func (l *Listener) close() error {
	err := errors.Join(l.unbind(), l.stack.Close())
	l.layer.Close()
	l.serving.Wait()
	return err
}
