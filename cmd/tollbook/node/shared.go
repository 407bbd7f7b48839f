package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tollbook/tollbook/events/lease"
	"github.com/tollbook/tollbook/sip/dispatch"
	"github.com/tollbook/tollbook/sip/edge"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// quickTerm and slowTerm are how long a holder may go without a majority: with quick
	// elections a dead one is replaced within two seconds.
	quickTerm = 1200 * time.Millisecond
	slowTerm  = 4 * time.Second
	// keptAlive is how long the kernel leaves an address on a machine whose holder says
	// nothing, beyond the term, rounded to whole seconds.
	keptAlive = time.Second
)

// sharing is what a node has to do with the addresses that the cluster shares.
type sharing struct {
	promises   *lease.Promises
	dispatcher *dispatch.Dispatcher
	conn       atomic.Pointer[nats.Conn] // for messages of calls; nil before it is open

	mu    sync.Mutex
	held  map[netip.Addr]*holding
	hooks []func(netip.Addr)
	stop  context.CancelFunc
	ended sync.WaitGroup
	told  string // why this node wants no address, as it was logged last
}

// holding is an address that is here.
type holding struct {
	since time.Time
	stop  context.CancelFunc // ends the announcements
	subs  []*nats.Subscription
}

// holds tells whether a shared address is here now.
func (n *Node) holds(addr netip.Addr) bool {
	n.sharing.mu.Lock()
	defer n.sharing.mu.Unlock()
	return n.sharing.held[addr] != nil
}

// onGain has fn told of each shared address that comes here, once its listeners are
// open, on a goroutine of its own. It must be said before the node serves.
func (n *Node) onGain(fn func(netip.Addr)) { n.sharing.hooks = append(n.sharing.hooks, fn) }

// holding are the shared addresses that are here.
func (s *sharing) holding() []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []netip.Addr
	for a := range s.held {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}

func (n *Node) term() time.Duration { return n.settings.term() }

func (s settings) term() time.Duration {
	if s.group == nil || s.group.Quick {
		return quickTerm
	}
	return slowTerm
}

// share begins to take part in the addresses that the cluster shares.
func (n *Node) share() error {
	if len(n.settings.shared) == 0 {
		return nil
	}
	n.onGain(func(netip.Addr) { n.outbound.Moved() })
	if n.settings.takeover > 0 {
		n.onGain(n.takeOverAt)
	}
	ctx, stop := context.WithCancel(n.ctx)
	n.sharing.stop = stop
	if n.settings.Shared.Owner == ownerExternal {
		n.sharing.ended.Go(func() {
			if err := edge.Watch(ctx, n.seeShared); err != nil {
				n.fail(err)
			}
		})
		return nil
	}
	for _, a := range n.settings.shared {
		if err := edge.Take(a); err != nil { // left by a life before this one
			n.log.Warn("a shared address cannot be used here", "address", a.String(), "err", err)
		}
		t := lease.New(lease.Config{
			Name: a.Addr().String(), Node: n.settings.Node, Term: n.term(), Own: n.sharing.promises,
			Members: n.nodes, Ask: n.askLease, May: func() (time.Duration, bool) { return n.mayHold(a) },
			Gained: func() error { return n.gain(a) }, Lost: func() { n.lose(a) }, Kept: func() { n.prolong(a) }, Log: n.log,
		})
		n.sharing.ended.Go(func() { t.Run(ctx) })
	}
	n.task("keep the book elsewhere", n.keepElsewhere)
	return nil
}

// nodes are the names of all members.
func (n *Node) nodes() []string {
	if n.settings.group == nil {
		return []string{n.settings.Node}
	}
	var out []string
	for name := range n.knownNodes() {
		out = append(out, name)
	}
	return out
}

// leaveShared gives up what this node holds.
func (n *Node) leaveShared() {
	if n.sharing.stop == nil {
		return
	}
	n.sharing.stop()
	n.sharing.ended.Wait()
	for _, a := range n.settings.shared {
		n.lose(a) // of an external owner
	}
}

func (n *Node) askLease(ctx context.Context, member string, q lease.Question) (lease.Answer, error) {
	data, err := n.askNode(ctx, member, "lease", q)
	var a lease.Answer
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

func (n *Node) answerLease(_ context.Context, data []byte) ([]byte, error) {
	var q lease.Question
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, fmt.Errorf("read which address is asked for: %w", err)
	}
	if n.sharing.promises == nil {
		return nil, refusal(errors.New("this node's file names no shared addresses"))
	}
	return json.Marshal(n.sharing.promises.Answer(q, time.Now()))
}

// mayHold says whether this node wants an address, and how long it leaves it to others
// first: the keeper of the book and who has one already stand back.
func (n *Node) mayHold(a edge.Address) (after time.Duration, ok bool) {
	why := n.mustNotHold()
	n.sharing.mu.Lock()
	if why != n.sharing.told {
		if n.sharing.told = why; why != "" {
			n.log.Warn("this node takes no shared address", "why", why)
		}
	}
	mine := len(n.sharing.held)
	n.sharing.mu.Unlock()
	turn := fnv.New32a()
	turn.Write([]byte(a.String() + n.settings.Node))
	after = time.Duration(mine)*n.term()/8 + time.Duration(turn.Sum32()%8)*n.term()/60
	if n.settings.group != nil && n.terms.Keeps() {
		after += n.term() / 4
	}
	return after, why == ""
}

// mustNotHold says why this node must have no shared address, "" if it may.
func (n *Node) mustNotHold() string {
	ours := n.settings.sharedPorts()
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	// The media of calls in progress may be on the address; all else goes on elsewhere.
	if n.sw.Draining() && (ours == nil || n.sw.Calls() == 0) && n.members.oneTakesCalls() {
		return "it is drained"
	}
	if ours == nil {
		return ""
	}
	for name, m := range n.members.of {
		if m.Ports != nil && m.Ports.overlaps(*ours) {
			return fmt.Sprintf("its media.ports %d-%d are also those of node %s, %d-%d: on a shared address each node needs ports of its own",
				ours.From, ours.To, name, m.Ports.From, m.Ports.To)
		}
	}
	return ""
}

// life is how long an address stays without its holder's word: the kernel counts whole
// seconds.
func (n *Node) life() time.Duration { return (n.term() + keptAlive).Truncate(time.Second) }

// gain takes an address into use.
func (n *Node) gain(a edge.Address) error {
	if n.settings.Shared.Owner != ownerExternal {
		if err := edge.Put(a, n.life()); err != nil {
			return err
		}
	}
	h := &holding{since: time.Now()}
	for _, l := range n.listenersOn(a) {
		if err := l.Raise(); err != nil {
			return err
		}
		subs, err := n.emitFor(l)
		if err != nil {
			return err
		}
		h.subs = append(h.subs, subs...)
	}
	n.engine.Hold(a.Addr(), true)
	ctx, stop := context.WithCancel(n.ctx)
	h.stop = stop
	n.sharing.mu.Lock()
	n.sharing.held[a.Addr()] = h
	n.sharing.mu.Unlock()
	n.log.Info("this node holds a shared address", "address", a.String())
	if n.settings.Shared.Owner != ownerExternal {
		n.sharing.ended.Go(func() {
			if err := edge.Announce(ctx, a); err != nil {
				n.log.Warn("the network is not told where a shared address is", "address", a.String(), "err", err)
			}
		})
	}
	for _, hook := range n.sharing.hooks {
		go hook(a.Addr())
	}
	return nil
}

// lose takes an address out of use. What was never here it leaves alone.
func (n *Node) lose(a edge.Address) {
	n.sharing.mu.Lock()
	h := n.sharing.held[a.Addr()]
	delete(n.sharing.held, a.Addr())
	n.sharing.mu.Unlock()
	n.engine.Hold(a.Addr(), false)
	for _, l := range n.listenersOn(a) {
		if err := l.Lower(); err != nil {
			n.log.Warn("a listener's sockets", "listener", l.Name(), "err", err)
		}
	}
	if n.settings.Shared.Owner != ownerExternal {
		if err := edge.Take(a); err != nil {
			n.log.Error("a shared address could not be taken off this machine", "address", a.String(), "err", err)
		}
	}
	if h == nil {
		return
	}
	h.stop()
	for _, sub := range h.subs {
		if err := sub.Unsubscribe(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
			n.log.Warn("messages for a shared address are still heard", "address", a.String(), "err", err)
		}
	}
	n.log.Info("this node gives up a shared address", "address", a.String())
	n.outbound.Moved()
}

func (n *Node) prolong(a edge.Address) {
	if err := edge.Put(a, n.life()); err != nil {
		n.log.Error("a shared address could not be kept on this machine", "address", a.String(), "err", err)
	}
}

func (n *Node) listenersOn(a edge.Address) []*gate.Listener {
	var out []*gate.Listener
	for _, l := range n.gate.Listeners() {
		if l.Shared() && l.Addr() == a.Addr() {
			out = append(out, l)
		}
	}
	return out
}

// seeShared follows an external owner of the addresses.
func (n *Node) seeShared() {
	for _, a := range n.settings.shared {
		here, err := edge.Present(a)
		switch {
		case err != nil:
			n.log.Error("this machine's addresses cannot be seen", "err", err)
		case here && !n.holds(a.Addr()):
			if err := n.gain(a); err != nil {
				n.log.Error("a shared address that has come cannot be used", "address", a.String(), "err", err)
				n.lose(a)
			}
		case !here && n.holds(a.Addr()):
			n.lose(a)
		}
	}
}
