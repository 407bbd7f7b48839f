package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
)

const (
	// lookEvery is how often a node asks each of the others how it stands.
	lookEvery  = time.Second
	lookWithin = time.Second
	// keepOutEvery is how soon a node that was removed is refused.
	keepOutEvery = 200 * time.Millisecond
	// clockMost is how far a node's clock may be from those of most nodes: the times
	// of the book are its keeper's.
	clockMost = 500 * time.Millisecond
	// toldMarks is how many marks a node tells of: those of the last minute.
	toldMarks = 60
)

// standing is what a node tells the others of itself.
type standing struct {
	Version  string `json:"version"`
	SIP      string `json:"sip"`
	Keeps    bool   `json:"keeps"`
	Calls    int    `json:"calls"`
	MaxCalls int    `json:"max_calls"`
	Draining bool   `json:"draining"`
	// Witness says that it only holds the streams.
	Witness  bool            `json:"witness"`
	Position events.Position `json:"position"`
	Marks    []book.Mark     `json:"marks"`
	// Place is where it takes calls and media.
	Place *wire.NodePlace `json:"place"`
	// Holds are the shared addresses that are there.
	Holds []netip.Addr `json:"holds"`
	// Ports are those of the media, where it is on shared addresses.
	Ports *portRange `json:"ports,omitempty"`
	// Members are the addresses of all nodes that the teller knows of, by name.
	Members map[string]string `json:"members"`
	// Removed are the nodes that must not be let in: a witness cannot read the book.
	Removed []string `json:"removed,omitempty"`
	// HeardUS and ToldUS are the teller's clock when the question came and when the
	// answer left.
	HeardUS int64 `json:"heard_us"`
	ToldUS  int64 `json:"told_us"`
}

// member is what this node knows of another.
type member struct {
	standing
	seen time.Time // the zero Time when it has never answered
	// ahead is by how much its clock is ahead of ours, at most away from the truth by
	// half of the time that the answer took.
	ahead   time.Duration
	differs *book.Difference
}

// up says that it answered within the last seconds.
func (m *member) up() bool { return time.Since(m.seen) < silentAfter }

// justNow says that who was seen then has missed two looks at most.
func justNow(seen time.Time) bool { return time.Since(seen) < 2*lookEvery+lookWithin }

// takesCalls says that it answered just now and takes new calls.
func (m *member) takesCalls() bool {
	return justNow(m.seen) && !m.Draining && !m.Witness
}

// members are the other nodes of the cluster.
type members struct {
	mu sync.Mutex
	of map[string]*member
	// addresses are those of the node's file, and of the nodes that others told of.
	addresses map[string]string
	// gone is since when the machines of nodes say that no program is there.
	gone map[string]time.Time
	// whole are the nodes that have all that the streams hold.
	whole []string
}

// oneTakesCalls says that another node takes new calls. The lock is held.
func (m *members) oneTakesCalls() bool {
	for _, one := range m.of {
		if one.takesCalls() {
			return true
		}
	}
	return false
}

// named are the addresses of a node's own file; a node alone has none.
func named(g *cluster.Group) map[string]string {
	if g == nil {
		return map[string]string{}
	}
	return maps.Clone(g.Members)
}

// question is what a node says of itself when it asks another.
type question struct {
	Node    string `json:"node"`
	Address string `json:"address"`
}

// knownNodes are the addresses of the cluster's nodes, this one's too, by name.
func (n *Node) knownNodes() map[string]string {
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	return maps.Clone(n.members.addresses)
}

// learn notes nodes that another told of. Those that were removed are forgotten.
func (n *Node) learn(told map[string]string) {
	removed := n.follower.Catalog().Settings().GetRemovedNodes()
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, address := range told {
		if n.members.addresses[name] == "" && len(n.members.addresses) < cluster.MaxMembers {
			n.members.addresses[name] = address
		}
	}
	for _, name := range removed {
		delete(n.members.addresses, name)
		delete(n.members.of, name)
	}
}

func (n *Node) standing(heard time.Time) standing {
	pos, _ := n.follower.Position()
	return standing{
		Version: Version, SIP: n.settings.SIP.String(), Keeps: n.terms.Keeps(), Calls: n.live.Counts().ByNode[n.settings.Node],
		MaxCalls: n.settings.MaxCalls, Draining: n.sw.Draining(), Position: pos, Marks: n.follower.Marks().Last(toldMarks),
		HeardUS: heard.UnixMicro(), ToldUS: time.Now().UnixMicro(), Members: n.knownNodes(),
		Removed: n.follower.Catalog().Settings().GetRemovedNodes(), Place: n.settings.place(), Holds: n.sharing.holding(), Ports: n.settings.sharedPorts(),
	}
}

func (n *Node) answerStanding(_ context.Context, data []byte) ([]byte, error) {
	heard := time.Now()
	var q question
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, fmt.Errorf("read who asks: %w", err)
	}
	n.learn(map[string]string{q.Node: q.Address})
	return json.Marshal(n.standing(heard))
}

// lookAround asks the other members how they stand until ctx ends.
func (n *Node) lookAround(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		var all sync.WaitGroup
		all.Go(func() {
			whole := n.server.Whole(ctx)
			n.members.mu.Lock()
			n.members.whole = whole
			n.members.mu.Unlock()
		})
		for name := range n.knownNodes() {
			if name != n.settings.Node {
				all.Go(func() { n.lookAt(ctx, name) })
			}
		}
		all.Wait()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// hearsMajority says that most members, this one among them, have answered just now; a
// node alone hears nobody who could elect another keeper.
func (n *Node) hearsMajority() bool {
	if n.settings.group == nil {
		return false
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	heard := 1
	for _, m := range n.members.of {
		if justNow(m.seen) {
			heard++
		}
	}
	return 2*heard > len(n.members.addresses)
}

// errRemoved ends a node that is no member any more.
var errRemoved = errors.New("this node was removed from the cluster: to come back it needs another name, an empty store and new secrets")

// keepOut refuses nodes that were removed, and ends this node if it is one of them.
func (n *Node) keepOut(ctx context.Context) error {
	tick := time.NewTicker(keepOutEvery)
	defer tick.Stop()
	for {
		removed := n.follower.Catalog().Settings().GetRemovedNodes()
		if err := n.server.Refuse(removed); err != nil {
			n.log.Error("a node that was removed may be let in for a moment at the next start", "err", err)
		}
		if slices.Contains(removed, n.settings.Node) {
			return errRemoved
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// lookAt asks one node. One that does not answer keeps what was known of it.
func (n *Node) lookAt(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	asked := time.Now()
	data, err := n.askNode(ctx, name, "standing", question{Node: n.settings.Node, Address: n.settings.group.Members[n.settings.Node]})
	if err != nil {
		return
	}
	var s standing
	if err := json.Unmarshal(data, &s); err != nil {
		n.log.Warn("a node tells nonsense of itself", "of", name, "err", err)
		return
	}
	n.learn(s.Members)
	now := time.Now()
	ahead := ((s.HeardUS - asked.UnixMicro()) + (s.ToldUS - now.UnixMicro())) / 2
	differs, _ := n.follower.Marks().Compare(s.Marks)
	n.members.mu.Lock()
	f := n.members.of[name]
	if f == nil {
		f = &member{}
		n.members.of[name] = f
	}
	news := differs != nil && f.differs == nil
	f.standing, f.seen, f.ahead = s, now, time.Duration(ahead)*time.Microsecond
	f.differs = differs
	n.members.mu.Unlock()
	if news {
		n.log.Error("two nodes have folded the book to different states: one of the programs or memories is at fault",
			"other", name, "equal_to", differs.After, "differs_at", differs.At, "ours", differs.Ours, "theirs", differs.Theirs)
	}
}

// clockAside is how far this node's clock is ahead of the median of all that are
// there, its own among them.
func (n *Node) clockAside() time.Duration {
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	ahead := []time.Duration{0}
	for _, f := range n.members.of {
		if f.up() {
			ahead = append(ahead, f.ahead)
		}
	}
	slices.Sort(ahead)
	return -ahead[(len(ahead)-1)/2]
}

// mayKeep says why this node must not keep the book now.
func (n *Node) mayKeep() error {
	if aside := n.clockAside(); aside.Abs() > clockMost {
		return fmt.Errorf("its clock is %v away from that of most nodes, more than %v: have it set", aside.Round(time.Millisecond), clockMost)
	}
	return nil
}

// Members are the members of the cluster as this node sees them, by name; of a node
// alone it is that one.
func (n *Node) Members() []resolve.Member {
	own := n.standing(time.Now())
	n.members.mu.Lock()
	whole := n.members.whole
	n.members.mu.Unlock()
	alone := n.settings.group == nil
	out := []resolve.Member{{
		Whole: alone || slices.Contains(whole, n.settings.Node),
		Name:  n.settings.Node, Up: true, Seen: time.Now(), Version: own.Version, SIP: own.SIP, Keeps: own.Keeps,
		Calls: own.Calls, MaxCalls: own.MaxCalls, Position: own.Position, Ahead: 0,
		Draining: own.Draining, Holds: own.Holds,
	}}
	if n.settings.group == nil {
		return out
	}
	out[0].Address = n.settings.group.Members[n.settings.Node]
	addresses := n.knownNodes()
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, address := range addresses {
		if name == n.settings.Node {
			continue
		}
		r := resolve.Member{Name: name, Address: address, Whole: slices.Contains(whole, name)}
		if f := n.members.of[name]; f != nil {
			r.Up, r.Seen, r.Witness = f.up(), f.seen, f.Witness
			r.Version, r.SIP, r.Keeps, r.Calls, r.MaxCalls, r.Position, r.Ahead = f.Version, f.SIP, f.Keeps && r.Up, f.Calls, f.MaxCalls, f.Position, f.ahead
			r.Draining = f.Draining
			if r.Up {
				r.Holds = f.Holds
			}
			if f.differs != nil {
				r.EqualTo, r.DiffersAt = f.differs.After, f.differs.At
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b resolve.Member) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// RemoveNode has the servers of the others forget a node. That it is not let in again
// stands in the settings before.
func (n *Node) RemoveNode(ctx context.Context, node, actor string) error {
	if n.settings.group == nil || node == n.settings.Node {
		return events.Refuse(events.CodeConflict, "node %s cannot remove itself: ask another", node)
	}
	n.log.Warn("a node is removed from the cluster", "removed", node, "actor", actor)
	if err := n.server.Remove(ctx, node); err != nil {
		return events.Refuse(events.CodeUnavailable, "%v: repeat it when a majority of the others is there", err)
	}
	n.learn(nil)
	return nil
}

// serves tells whether this node serves a peer that names its nodes: it is one of them,
// or none of them is there and the others may.
func (n *Node) serves(nodes []string, failover bool) bool {
	if slices.Contains(nodes, n.settings.Node) {
		return true
	}
	if !failover {
		return false
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	return !slices.ContainsFunc(nodes, func(name string) bool {
		m := n.members.of[name]
		return m != nil && m.up()
	})
}
