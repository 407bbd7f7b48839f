package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/live"
	"github.com/tollbook/tollbook/sip/b2bua"
)

const (
	// takeOverEvery is how often a node looks whether another one is silent.
	takeOverEvery = 250 * time.Millisecond
	// goneSooner is how many times sooner than from one that is only silent calls are taken
	// over from a node whose machine says that its program is gone.
	goneSooner = 4
	// takeOverWithin is how long after its last sign of life a node's calls are taken
	// over: later nobody waits at the other end.
	takeOverWithin = time.Minute
	// takeOverAgain is how soon a call is tried again that could not be taken over.
	takeOverAgain = 5 * time.Second
	// addressWithin is how long after its node's last sign of life a call waits for a
	// node that holds the address of its media.
	addressWithin = 10 * time.Second
	// lateAnswer is how much later a call is taken for unanswered: what its node recorded
	// last is read when the log has a leader again.
	lateAnswer = 4 * time.Second
	// leastPaid is the paid time that a call must have left to be taken over.
	leastPaid = time.Second
)

// takeOvers takes over the calls of nodes that give no sign of life, while this node
// hears a majority of all.
func (n *Node) takeOvers(ctx context.Context) error {
	tick := time.NewTicker(takeOverEvery)
	defer tick.Stop()
	tried := map[events.CallID]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			n.knock(ctx, now)
			alive, silent, majority := n.heard(now)
			if len(silent) == 0 || !majority {
				clear(tried)
				continue
			}
			for id, h := range n.heldBy(silent) {
				if now.Sub(tried[id]) < takeOverAgain || n.taker(id, alive, now) != n.settings.Node {
					continue
				}
				tried[id] = now
				if err := n.takeOver(ctx, id, h, now); err != nil {
					n.log.Warn("a call of a silent node cannot be taken over", "call_id", id.String(), "from", h.Node, "err", err)
				}
			}
		}
	}
}

// knock looks which nodes' programs are gone, where their machines say so.
func (n *Node) knock(ctx context.Context, now time.Time) {
	others := n.knownNodes()
	delete(others, n.settings.Node)
	refusing := n.server.Refusing(ctx, others)
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	gone := map[string]time.Time{}
	for _, name := range refusing {
		gone[name] = now
		if since, known := n.members.gone[name]; known {
			gone[name] = since
		}
	}
	n.members.gone = gone
}

// heard are the nodes that give signs of life and serve calls, this one among them, and
// those that give none, and whether the former and the witnesses are a majority.
func (n *Node) heard(now time.Time) (alive, silent []string, majority bool) {
	alive = []string{n.settings.Node}
	witnesses := 0
	known := n.knownNodes()
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name := range known {
		if name == n.settings.Node {
			continue
		}
		seen, witness, met := n.started, false, false
		if m := n.members.of[name]; m != nil && m.seen.After(seen) {
			seen, witness, met = m.seen, m.Witness, true
		}
		if since, gone := n.members.gone[name]; gone && met && now.Sub(since) >= n.settings.takeover/goneSooner {
			silent = append(silent, name)
			continue
		}
		if now.Sub(seen) < n.settings.takeover {
			if witness {
				witnesses++
			} else {
				alive = append(alive, name)
			}
			continue
		}
		if s, ok := n.live.SignOfLife(name); ok && now.UnixMicro()-s.LastUS < n.settings.takeover.Microseconds() {
			continue // neither: it does not answer, and has been heard a moment ago
		}
		if !met {
			continue // what it served before this node's time may be of another cluster, before a backup
		}
		silent = append(silent, name)
	}
	return alive, silent, 2*(len(alive)+witnesses) > len(known)
}

// heldBy are the open holds of nodes.
func (n *Node) heldBy(nodes []string) map[events.CallID]*ledger.Hold {
	out := map[events.CallID]*ledger.Hold{}
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, h *ledger.Hold) {
			if slices.Contains(nodes, h.Node) {
				out[id] = h
			}
		})
	})
	return out
}

// taker is which of several nodes takes a call over, the same wherever they are asked:
// the one that holds the shared address of its media, else one of them by the call's id
// (rendezvous hashing). It is "" while nobody holds that address.
func (n *Node) taker(id events.CallID, alive []string, now time.Time) string {
	at, ok := n.sharedMedia(id)
	if !ok {
		return chosen(id, alive)
	}
	if n.holds(at) {
		return n.settings.Node
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, m := range n.members.of {
		if slices.Contains(alive, name) && slices.Contains(m.Holds, at) {
			return name
		}
	}
	if proof, ok := n.live.ProofOfLife(id); ok && now.UnixMicro()-proof.AliveUS < addressWithin.Microseconds() {
		return ""
	}
	return chosen(id, alive)
}

// sharedMedia is the shared address that a call's media is on, if it is on one.
func (n *Node) sharedMedia(id events.CallID) (netip.Addr, bool) {
	standing := n.live.Standing(id)
	if len(n.settings.shared) == 0 || standing == nil {
		return netip.Addr{}, false
	}
	list, err := n.sw.MediaAt(id, standing)
	if err != nil {
		n.log.Warn("it cannot be read how a call stands", "call_id", id.String(), "err", err)
		return netip.Addr{}, false
	}
	for _, a := range n.settings.shared {
		if slices.Contains(list, a.Addr()) {
			return a.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// chosen is one of several nodes: each gets as many calls as another, and fewer nodes
// change nothing for those that are left.
func chosen(id events.CallID, nodes []string) string {
	best, most := "", [sha256.Size]byte{}
	for _, name := range nodes {
		sum := sha256.Sum256(append(id[:], name...))
		if best == "" || slices.Compare(sum[:], most[:]) > 0 {
			best, most = name, sum
		}
	}
	return best
}

// takeOverAt takes over the calls whose media is on a shared address that came here: no
// other node can serve them any more.
func (n *Node) takeOverAt(at netip.Addr) {
	now := time.Now()
	others := slices.DeleteFunc(n.nodes(), func(name string) bool { return name == n.settings.Node })
	if _, _, majority := n.heard(now); !majority {
		return
	}
	for id, h := range n.heldBy(others) {
		if shared, ok := n.sharedMedia(id); !ok || shared != at {
			continue
		}
		if err := n.takeOver(n.ctx, id, h, now); err != nil && events.CodeOf(err) != events.CodeConflict {
			n.log.Warn("a call cannot be taken over with its address", "call_id", id.String(), "from", h.Node, "err", err)
		}
	}
}

// takeOver goes on with an answered call, and closes one that was not answered. What it
// leaves alone is closed when its paid time is over.
func (n *Node) takeOver(ctx context.Context, id events.CallID, h *ledger.Hold, now time.Time) error {
	c, ok := n.live.Get(id)
	if !ok || n.sw.Serves(id) {
		return nil
	}
	if c.AnsweredUS == 0 {
		if proof, _ := n.live.ProofOfLife(id); now.UnixMicro()-proof.AliveUS < (n.settings.takeover + lateAnswer).Microseconds() {
			return nil
		}
		return n.takeUnanswered(ctx, c, h)
	}
	l, ok := n.lasting(c, h, now)
	if !ok {
		return nil
	}
	n.log.Info("a call is taken over", "call_id", id.String(), "from", h.Node)
	return n.sw.Resume(l)
}

// lasting is what it takes to go on with an answered call, if that can be done: it was
// written down how it stands, its node lived a moment ago, and there is paid time left.
func (n *Node) lasting(c live.Call, h *ledger.Hold, now time.Time) (b2bua.Lost, bool) {
	if answered := answeredLeg(c); h == nil || answered == 0 || over(c, answered) {
		return b2bua.Lost{}, false
	}
	proof, _ := n.live.ProofOfLife(c.ID)
	standing := n.live.Standing(c.ID)
	left := time.Duration(c.AnsweredUS+h.PaidMs*1000-now.UnixMicro()) * time.Microsecond
	return b2bua.Lost{
		ID: c.ID, From: h.Node, Wrapped: standing, Hold: h.HoldPlaced, AnsweredUS: c.AnsweredUS, AliveUS: proof.AliveUS,
	}, standing != nil && left >= leastPaid && now.UnixMicro()-proof.AliveUS <= takeOverWithin.Microseconds()
}

// servedFile is in the data directory of a node that has served calls from it: its calls
// are this machine's own, and not those of a cluster that a backup is of.
const servedFile = "served"

// servedHere says that the last run was on this data directory.
func (n *Node) servedHere() bool {
	_, err := os.Stat(filepath.Join(n.settings.Data, servedFile))
	return err == nil
}

// goOn goes on with the calls of this node's last run that nobody has taken over: with
// those that fail the sweep does what is left to do.
func (n *Node) goOn() error {
	if err := os.WriteFile(filepath.Join(n.settings.Data, servedFile), nil, 0o600); err != nil {
		return fmt.Errorf("note that calls are served from this store: %w", err)
	}
	for _, l := range n.last {
		n.log.Info("a call of the last run goes on", "call_id", l.ID.String())
		if err := n.sw.Resume(l); err != nil {
			n.log.Error("a call of the last run cannot go on", "call_id", l.ID.String(), "err", err)
		}
	}
	n.last = nil
	return nil
}

// takeUnanswered claims a call that nobody has answered, and closes it.
func (n *Node) takeUnanswered(ctx context.Context, c live.Call, h *ledger.Hold) error {
	ctx, cancel := context.WithTimeout(ctx, takeOverAgain)
	defer cancel()
	key := events.KeyOf(c.ID.String(), "claim", h.Node, time.Now().String())
	reply, err := n.book.Execute(ctx, &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: n.settings.Node,
		Body: &wire.Command_ClaimHold{ClaimHold: &wire.ClaimHold{Call: c.ID[:], From: h.Node}},
	})
	if err != nil {
		return err
	}
	if err := n.follower.Wait(ctx, events.Position(reply.Position)); err != nil {
		return err
	}
	claimed := n.hold(c.ID)
	if claimed == nil {
		return nil
	}
	return n.recoverCall(ctx, c, claimed)
}

// letGo drops the calls that another node has taken from this one.
func (n *Node) letGo(evs []*wire.Event) {
	sw := n.serving.Load()
	for _, e := range evs {
		claim := e.GetHoldClaimed()
		if claim == nil || claim.FromNode != n.settings.Node || sw == nil {
			continue
		}
		if id, err := events.CallIDFrom(claim.Call); err == nil {
			sw.Drop(id)
		}
	}
}
