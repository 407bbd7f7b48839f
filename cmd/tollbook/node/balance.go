package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/miekg/dns"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/zone"
)

const (
	// maxZoneListen bounds the addresses that DNS is answered at.
	maxZoneListen = 8
	// mostContacts bounds the addresses of a 302.
	mostContacts = 5
)

// Zone is a domain of DNS that the nodes answer for: SRV, NAPTR, A and AAAA records of
// those that take calls now. It is delegated to some of them by NS records of the domain
// above, and the same on all that answer.
type Zone struct {
	// Name is the domain, as sip.example.net.
	Name string `yaml:"name"`
	// Listen are addresses and ports for UDP and TCP, as 192.0.2.1:53; none answers not.
	Listen Addresses `yaml:"listen"`
	// TTL is how long others may remember an answer, as 5s.
	TTL string `yaml:"ttl"`
}

func (z Zone) parse() (at []netip.AddrPort, ttl time.Duration, err error) {
	if z.Name == "" {
		if len(z.Listen) > 0 {
			return nil, 0, errors.New("zone.name is empty: name the domain, such as sip.example.net")
		}
		return nil, 0, nil
	}
	if labels, ok := dns.IsDomainName(z.Name); !ok || labels < 2 || len(z.Name) > 150 {
		return nil, 0, fmt.Errorf("zone.name %q is not a domain such as sip.example.net", z.Name)
	}
	if ttl, err = time.ParseDuration(z.TTL); err != nil || ttl < time.Second || ttl > time.Hour {
		return nil, 0, fmt.Errorf("zone.ttl %q is not a duration of 1s to 1h", z.TTL)
	}
	if len(z.Listen) > maxZoneListen {
		return nil, 0, fmt.Errorf("zone.listen names %d addresses: %d are possible", len(z.Listen), maxZoneListen)
	}
	for i, text := range z.Listen {
		a, err := netip.ParseAddrPort(text)
		if err != nil || a.Port() == 0 {
			return nil, 0, fmt.Errorf("zone.listen[%d] %q is not an address with a port, such as 192.0.2.1:53", i, text)
		}
		at = append(at, a)
	}
	return at, ttl, nil
}

// openZone answers for the domain, if there is one and this node is to.
func (n *Node) openZone(context.Context) error {
	if len(n.settings.zoneAt) == 0 {
		return nil
	}
	s, err := zone.Open(zone.Config{Name: n.settings.Zone.Name, TTL: n.settings.zoneTTL, Nodes: n.takingCalls, Log: n.log}, n.settings.zoneAt)
	if err != nil {
		return err
	}
	n.onClose(s.Close)
	return nil
}

// place is where this node takes calls and media.
func (s settings) place() *wire.NodePlace {
	p := &wire.NodePlace{Node: s.Node, MediaFrom: uint32(s.portMin), MediaTo: uint32(s.portMax), Zone: strings.TrimSuffix(s.Zone.Name, "."), Files: s.filesListen()}
	for _, c := range s.sip {
		l := &wire.NodeListener{Name: c.Name, Address: c.Addr.String(), Shared: c.Shared}
		if c.Advertised != "" {
			l.Address = c.Advertised
		}
		for _, transport := range gate.Transports {
			if port, ok := c.Ports[transport]; ok {
				l.Ports = append(l.Ports, &wire.NodePort{Transport: transport, Port: uint32(port)})
			}
		}
		p.Listeners = append(p.Listeners, l)
	}
	for _, a := range s.media {
		p.Media = append(p.Media, a.String())
	}
	return p
}

// takingCalls are the nodes that take new calls now, with the room that they have. Where
// there is none this one answers for itself.
func (n *Node) takingCalls() []zone.Node {
	own := zone.Node{Name: n.settings.Node, Free: max(0, n.settings.MaxCalls-n.sw.Calls()), Place: n.settings.place()}
	var out []zone.Node
	if !n.sw.Draining() {
		out = append(out, own)
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, m := range n.members.of {
		if m.takesCalls() && m.Place != nil {
			out = append(out, zone.Node{Name: name, Free: max(0, m.MaxCalls-m.Calls), Place: m.Place})
		}
	}
	if len(out) == 0 {
		out = append(out, own)
	}
	return out
}

// redirect is where a call is sent on to, of an originator or by a listener that wants
// it so: to own addresses of the nodes with the most room, where nobody is sent on.
func (n *Node) redirect(origin *wire.Originator, by *gate.Listener, req *sip.Request) []sip.Uri {
	if !by.Redirects() && (!by.Shared() || !origin.GetRedirect()) {
		return nil
	}
	nodes := n.takingCalls()
	slices.SortFunc(nodes, func(a, b zone.Node) int { return b.Free - a.Free })
	redirecting := map[string]bool{}
	for _, l := range n.gate.Listeners() { // listeners of one name are alike on all nodes
		redirecting[l.Name()] = l.Redirects()
	}
	transport := sip.NetworkToLower(req.Transport())
	var out []sip.Uri
	for _, node := range nodes {
		for _, l := range node.Place.GetListeners() {
			at := slices.IndexFunc(l.Ports, func(p *wire.NodePort) bool { return p.Transport == transport })
			addr, err := netip.ParseAddr(l.Address)
			if l.Shared || redirecting[l.Name] || at < 0 || err == nil && addr.Is4() != by.Addr().Is4() || len(out) >= mostContacts {
				continue
			}
			uri := sip.Uri{Scheme: "sip", User: req.Recipient.User, Host: gate.URIHost(l.Address), Port: int(l.Ports[at].Port)}
			if transport != "udp" {
				uri.UriParams.Add("transport", transport)
			}
			out = append(out, uri)
			break
		}
	}
	return out
}
