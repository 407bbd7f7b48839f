package zone

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/tollbook/tollbook/events/wire"
)

// services are the transports that RFC 3263 looks up, in the order of our preference.
var services = []struct{ transport, label, naptr string }{
	{"udp", "_sip._udp", "SIP+D2U"}, {"tcp", "_sip._tcp", "SIP+D2T"}, {"tls", "_sips._tcp", "SIPS+D2T"},
}

// names are the records of the domain now, by what stands before it.
type names struct {
	server *Server
	of     map[string]*records
	soa    *dns.SOA
}

// records are those of one name. Nil are those of no name.
type records struct{ all []dns.RR }

func (r *records) answer(kind uint16) []dns.RR {
	if r == nil {
		return nil
	}
	var out []dns.RR
	for _, rr := range r.all {
		if rr.Header().Rrtype == kind {
			out = append(out, rr)
		}
	}
	return out[:min(len(out), mostRecords)]
}

// above tells whether there are names below one, so that it exists though it has no
// records.
func (n *names) above(label string) bool {
	label = "." + strings.TrimSuffix(label, ".")
	for name := range n.of {
		if strings.HasSuffix("."+name, label) {
			return true
		}
	}
	return false
}

// addresses are the A and AAAA records behind targets.
func (n *names) addresses(answers []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range answers {
		if srv, ok := rr.(*dns.SRV); ok {
			label := strings.TrimSuffix(strings.TrimSuffix(srv.Target, n.server.origin), ".")
			if r := n.of[label]; r != nil {
				out = append(out, r.all...)
			}
		}
	}
	return out
}

// header is a record's, at a name before the domain; "" is the domain itself.
func (s *Server) header(label string, kind uint16) dns.RR_Header {
	name := s.origin
	if label != "" {
		name = label + "." + s.origin
	}
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: uint32(s.config.TTL.Seconds())}
}

// records makes the domain anew: what the nodes are now. The order of addresses is
// drawn, those with more room more often in front, for those who take the first one.
func (s *Server) records() *names {
	n := &names{server: s, of: map[string]*records{}}
	n.soa = &dns.SOA{
		Hdr: s.header("", dns.TypeSOA), Ns: "ns." + s.origin, Mbox: "hostmaster." + s.origin,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: negative,
	}
	n.soa.Hdr.Ttl = negative
	n.put("", n.soa)
	n.put("", &dns.NS{Hdr: s.header("", dns.TypeNS), Ns: "ns." + s.origin})
	nodes := slices.Clone(s.config.Nodes())
	order := map[string]float64{}
	for _, node := range nodes {
		order[node.Name] = rand.ExpFloat64() / float64(max(1, node.Free))
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(order[a.Name], order[b.Name]) })
	most := 1
	for _, node := range nodes {
		most = max(most, node.Free)
	}
	for _, node := range nodes {
		for _, l := range node.Place.GetListeners() {
			if !l.Shared {
				n.listener(node, l, most)
			}
		}
	}
	for i, service := range services {
		if n.of[service.label] != nil {
			n.put("", &dns.NAPTR{
				Hdr: s.header("", dns.TypeNAPTR), Order: uint16(10 * (i + 1)), Preference: 10, Flags: "s",
				Service: service.naptr, Replacement: service.label + "." + s.origin,
			})
		}
	}
	return n
}

func (n *names) put(label string, rr dns.RR) {
	if n.of[label] == nil {
		n.of[label] = &records{}
	}
	n.of[label].all = append(n.of[label].all, rr)
}

// listener adds one address of a node: by name, by the domain, and as a target of each
// service that it has.
func (n *names) listener(node Node, l *wire.NodeListener, most int) {
	addr, err := netip.ParseAddr(l.Address)
	if err != nil {
		return // a name of another domain, which others answer for
	}
	label := l.Name + "." + node.Name
	for _, at := range []string{label, "", "ns"} {
		if addr.Is4() {
			n.put(at, &dns.A{Hdr: n.server.header(at, dns.TypeA), A: addr.AsSlice()})
		} else {
			n.put(at, &dns.AAAA{Hdr: n.server.header(at, dns.TypeAAAA), AAAA: addr.AsSlice()})
		}
	}
	for _, service := range services {
		for _, p := range l.Ports {
			if p.Transport == service.transport {
				n.put(service.label, &dns.SRV{
					Hdr: n.server.header(service.label, dns.TypeSRV), Priority: 10, Weight: uint16(max(1, node.Free*1000/most)),
					Port: uint16(p.Port), Target: label + "." + n.server.origin,
				})
			}
		}
	}
}
