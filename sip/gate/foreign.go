package gate

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/transaction"
)

// mostForeign bounds the listeners of other nodes that a gate knows.
const mostForeign = 1000

// Place is where a listener is, as another node must know it to speak by it.
type Place struct {
	Addr       netip.Addr        `json:"addr"`
	Ports      map[string]uint16 `json:"ports"`
	Advertised string            `json:"advertised,omitempty"`
}

// Place is where the listener is.
func (l *Listener) Place() Place {
	return Place{Addr: l.config.Addr, Ports: l.config.Ports, Advertised: l.config.Advertised}
}

// foreign are the listeners of other nodes, by "node/name".
type foreign struct {
	mu     sync.RWMutex
	byName map[string]*Listener
	old    []*Listener // whose place has changed since
}

// Foreign is a listener of another node's, as this one uses it for a far end that only
// that node can reach: what is said by it leaves there, and what answers comes back. Its
// name is "node/name".
func (g *Gate) Foreign(node, name string, at Place) (*Listener, error) {
	full := node + "/" + name
	g.foreign.mu.Lock()
	defer g.foreign.mu.Unlock()
	l := g.foreign.byName[full]
	if l != nil && l.config.Addr == at.Addr && l.config.Advertised == at.Advertised && maps.Equal(l.config.Ports, at.Ports) {
		return l, nil
	}
	if len(g.foreign.byName)+len(g.foreign.old) >= mostForeign {
		return nil, fmt.Errorf("speak by listener %s of node %s: %d listeners of other nodes are known", name, node, mostForeign)
	}
	if l != nil {
		g.foreign.old = append(g.foreign.old, l) // its transactions go on
	}
	l = g.make(ListenerConfig{Name: full, Addr: at.Addr, Ports: at.Ports, Advertised: at.Advertised, Shared: true})
	l.of = node
	g.foreign.byName[full] = l
	return l, nil
}

// make makes a listener without sockets.
func (g *Gate) make(c ListenerConfig) *Listener {
	l := &Listener{config: c, gate: g, parser: sip.NewParser(), census: newCensus(c.MaxConnections), peers: newPeers()}
	l.layer = transaction.New(transaction.Config{Request: l.handle, Ack: l.acknowledge, Stray: l.strayed, Unsent: l.unsent})
	return l
}

// named finds a listener of this node's, or of another's that was spoken by here; nil
// if there is none.
func (g *Gate) named(name string) *Listener {
	node, own, ok := strings.Cut(name, "/")
	if !ok {
		return g.byName[name]
	}
	if node == g.config.Node {
		return g.byName[own]
	}
	g.foreign.mu.RLock()
	defer g.foreign.mu.RUnlock()
	return g.foreign.byName[name]
}

// all are the listeners with those of other nodes.
func (g *Gate) all() []*Listener {
	g.foreign.mu.RLock()
	defer g.foreign.mu.RUnlock()
	out := append([]*Listener(nil), g.listeners...)
	for _, l := range g.foreign.byName {
		out = append(out, l)
	}
	return append(out, g.foreign.old...)
}
