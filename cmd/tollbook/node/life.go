package node

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	signEvery     = time.Second
	sweepEvery    = 5 * time.Second
	snapshotEvery = time.Minute
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
			return n.saveSnapshots()
		case now := <-tick.C:
			n.closeOrphans(ctx, now)
			if now.Sub(saved) >= snapshotEvery {
				saved = now
				if err := n.saveSnapshots(); err != nil {
					n.log.Error("no snapshot was saved", "err", err)
				}
			}
		}
	}
}

func (n *Node) release(id events.CallID, hold *ledger.Hold, reason string) *wire.Command {
	key := events.KeyOf(id.String(), "release", reason)
	return &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: hold.Node,
		Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: id[:], Reason: reason}},
	}
}
