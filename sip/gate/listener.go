package gate

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

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
	// Shared has every node of the cluster use the listener, though only one has its
	// sockets: the one that holds the address.
	Shared bool
	// Redirect has new calls that come by it sent on to other listeners.
	Redirect bool
	// Datagrams, if given, is what stands at Addr in place of a UDP socket.
	Datagrams net.PacketConn
}

// Listener is one local address. Each has transactions of its own, so that what
// comes by one is answered by the same.
type Listener struct {
	config ListenerConfig
	gate   *Gate
	parser *sip.Parser // of datagrams
	layer  *transaction.Layer
	census *census
	peers  *peers
	of     string // the node whose it is, if it is another's
	// bound are the sockets; nil while a shared listener's are on another node.
	bound    atomic.Pointer[sockets]
	changing sync.Mutex
}

// listen makes a listener, with its sockets unless it is shared.
func (g *Gate) listen(c ListenerConfig) (*Listener, error) {
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	l := g.make(c)
	if c.Shared {
		return l, nil
	}
	s, err := l.bind()
	if err != nil {
		return nil, err
	}
	l.bound.Store(s)
	return l, nil
}

// Name is the listener's, as peers name it.
func (l *Listener) Name() string { return l.config.Name }

// Redirects tells whether new calls that come by it are sent on.
func (l *Listener) Redirects() bool { return l.config.Redirect }

// Ports are by transport.
func (l *Listener) Ports() map[string]uint16 { return l.config.Ports }

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

func (l *Listener) close() error {
	err := l.Lower()
	l.layer.Close()
	return err
}
