// Package interconnect says what a peer is to be told of us: where to send its calls,
// from where ours come, and which addresses and ports to let media in from.
//
// A sheet is made from what the nodes have said of themselves, which stands in the
// settings, and from what stands in the peer: so it is the same whichever node makes it,
// and right while a node is down.
package interconnect

import (
	"cmp"
	"crypto/sha256"
	"net/netip"
	"slices"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// Sheet is what one peer is told.
type Sheet struct {
	// Peer is the originator or terminator, Company whose it is.
	Peer    catalog.Ref
	Company string
	// Zone is the name under which DNS balances calls; empty where there is none.
	Zone string
	// Signalling are our addresses: a peer whose calls we take sends them there, and
	// lets in what comes from there.
	Signalling []Door
	// Media are our addresses of media.
	Media []Media
	// Codecs are those that are offered; none means that those of the other side are.
	Codecs []string
}

// Door is an address of signalling.
type Door struct {
	// Node is whose it is; empty for one that all nodes share.
	Node string
	// Listener is its name, Address an IP address or a name.
	Listener, Address string
	Transport         string
	Port              uint32
}

// Media is an address of media and its UDP ports, both included.
type Media struct {
	Node, Address string
	From, To      uint32
}

// peer is what a sheet takes from an originator or a terminator.
type peer struct {
	company, listener string
	nodes             []string
	failover          bool
	sip               *wire.SipPolicy
	calls             bool // it is we who call
}

func peerOf(e *wire.Entity) (peer, bool) {
	if o := e.GetOriginator(); o != nil {
		return peer{o.Company, o.Listener, o.Nodes, o.NodesFailover, o.Sip, false}, true
	}
	if t := e.GetTerminator(); t != nil {
		return peer{t.Company, t.Listener, t.Nodes, t.NodesFailover, t.Sip, true}, true
	}
	return peer{}, false
}

// Of makes the sheet of an originator or a terminator; false of anything else.
func Of(places []*wire.NodePlace, e *wire.Entity) (Sheet, bool) {
	p, ok := peerOf(e)
	if !ok {
		return Sheet{}, false
	}
	s := Sheet{Peer: catalog.RefOf(e), Company: p.company, Codecs: p.sip.GetCodecs()}
	for _, place := range places {
		if len(p.nodes) > 0 && !p.failover && !slices.Contains(p.nodes, place.Node) {
			continue
		}
		s.Zone = cmp.Or(s.Zone, place.Zone)
		shared := map[string]bool{}
		for _, l := range p.listeners(place) {
			s.add(place.Node, l)
			shared[l.Address] = l.Shared
		}
		for _, address := range place.Media {
			if taken, ok := shared[address]; ok || !isShared(place, address) || taken {
				s.Media = append(s.Media, Media{place.Node, address, place.MediaFrom, place.MediaTo})
			}
		}
	}
	slices.SortFunc(s.Signalling, func(a, b Door) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Transport, b.Transport))
	})
	s.Signalling = slices.Compact(s.Signalling)
	slices.SortFunc(s.Media, func(a, b Media) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Address, b.Address)) })
	return s, true
}

// isShared tells whether an address of a node is that of a shared listener.
func isShared(p *wire.NodePlace, address string) bool {
	return slices.ContainsFunc(p.Listeners, func(l *wire.NodeListener) bool { return l.Shared && l.Address == address })
}

// listeners are those that the peer has to do with: the one that it names; else all, if
// it calls us, or the first of each family, which we call from.
func (p peer) listeners(place *wire.NodePlace) []*wire.NodeListener {
	var out []*wire.NodeListener
	families := map[bool]bool{}
	for _, l := range place.Listeners {
		six := false
		if a, err := netip.ParseAddr(l.Address); err == nil {
			six = a.Is6()
		}
		switch {
		case p.listener != "" && l.Name != p.listener:
			continue
		case p.listener == "" && p.calls && (l.Shared || families[six]):
			continue
		}
		families[six] = true
		out = append(out, l)
	}
	return out
}

func (s *Sheet) add(node string, l *wire.NodeListener) {
	if l.Shared {
		node = ""
	}
	for _, p := range l.Ports {
		s.Signalling = append(s.Signalling, Door{node, l.Name, l.Address, p.Transport, p.Port})
	}
}

// Hash tells one state of a sheet from another.
func (s Sheet) Hash() []byte {
	sum := sha256.Sum256([]byte(s.CSV()))
	return sum[:]
}
