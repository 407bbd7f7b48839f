package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	signEvery     = time.Second
	sweepEvery    = 5 * time.Second
	snapshotEvery = time.Minute
	// orphanAfter is how old a hold must be before its call is missed.
	orphanAfter = 10 * time.Second
)

// known tells whether an address is a peer's, or a registered device's.
func (n *Node) known(addr netip.Addr) bool {
	return n.tables != nil && n.tables.World().Knows(addr) || n.registrar != nil && n.registrar.Knows(addr)
}

// rejected records what strangers sent.
func (n *Node) rejected(s gate.Summary) {
	if n.audit == nil {
		return
	}
	address := "others"
	if s.Addr.IsValid() {
		address = s.Addr.String()
	}
	n.audit.observe(&wire.Event{Body: &wire.Event_SourceRejected{SourceRejected: &wire.SourceRejected{
		Node: n.settings.Node, Address: address, Reason: s.Reason, Count: uint32(s.Count),
		FirstAtUs: s.First.UnixMicro(), LastAtUs: s.Last.UnixMicro(),
	}}})
}

func (n *Node) recordAudit(_ context.Context, e *wire.Event) error {
	n.audit.Record(e)
	return nil
}

// signs says every second that the node lives and serves its calls.
func (n *Node) signs(ctx context.Context) error {
	tick := time.NewTicker(signEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			n.calls.observe(&wire.Event{Body: &wire.Event_SignOfLife{SignOfLife: n.sw.Sign()}})
			n.gate.Flush()
		}
	}
}

// sweep closes holds that no call stands behind, and keeps snapshots fresh.
func (n *Node) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	saved := time.Now()
	for {
		select {
		case <-ctx.Done():
			return n.saveSnapshot()
		case now := <-tick.C:
			for _, id := range n.orphans(now) {
				n.releaseOrphan(ctx, id)
			}
			if now.Sub(saved) >= snapshotEvery {
				saved = now
				if err := n.saveSnapshot(); err != nil {
					n.log.Error("no snapshot of the book was saved", "err", err)
				}
			}
		}
	}
}

// orphans are the node's open holds without a call here, and those of any node
// whose time is long over.
func (n *Node) orphans(now time.Time) []events.CallID {
	var out []events.CallID
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, h *ledger.Hold) {
			old := now.UnixMicro()-h.PlacedAtUS > orphanAfter.Microseconds()
			if h.ExpiresAtUs < now.UnixMicro() || old && h.Node == n.settings.Node && !n.sw.Serves(id) {
				out = append(out, id)
			}
		})
	})
	return out
}

// releaseOrphan closes a hold. A charge that is on its way may still be first.
func (n *Node) releaseOrphan(ctx context.Context, id events.CallID) {
	if n.sw.Owes(id) {
		return
	}
	n.log.Warn("a hold without a call is released", "call_id", id.String())
	if _, err := n.book.Execute(ctx, n.release(id, "orphan")); err != nil {
		n.log.Error("a hold without a call could not be released", "call_id", id.String(), "err", err)
	}
}

func (n *Node) release(id events.CallID, reason string) *wire.Command {
	key := events.KeyOf(id.String(), "release", reason)
	return &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: n.settings.Node,
		Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: id[:], Reason: reason}},
	}
}
