package node

import (
	"context"
	"maps"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
)

const (
	// orphanAfter is how old a hold must be before its call is missed.
	orphanAfter = 10 * time.Second
	// silentAfter is how long a node may give no sign of life before the others look
	// after its calls.
	silentAfter = 5 * time.Second
	// lateCharge is how long after the paid time a node may still charge a call that
	// it served to its end.
	lateCharge = 3 * time.Second
)

// closeOrphans closes the open holds behind which no call stands any more: this
// node's own, and, where it keeps the book, those of nodes that have died.
func (n *Node) closeOrphans(ctx context.Context, now time.Time) {
	for id, h := range n.orphans(now) {
		n.log.Warn("a hold without a call is closed", "call_id", id.String())
		if err := n.closeOrphan(ctx, id, h); err != nil {
			n.log.Error("a hold without a call could not be closed", "call_id", id.String(), "err", err)
		}
	}
}

// closeOrphan charges a call up to its last proof of life, or releases its hold if it
// was never answered. A charge that is on its way may still be first.
func (n *Node) closeOrphan(ctx context.Context, id events.CallID, hold *ledger.Hold) error {
	if c, ok := n.live.Get(id); ok {
		return n.recoverCall(ctx, c, hold)
	}
	return n.recoverHold(ctx, id, hold)
}

func (n *Node) orphans(now time.Time) map[events.CallID]*ledger.Hold {
	own, others := map[events.CallID]*ledger.Hold{}, map[events.CallID]*ledger.Hold{}
	keeps := n.terms.Keeps()
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, h *ledger.Hold) {
			switch {
			case h.Node == n.settings.Node:
				if now.UnixMicro()-h.PlacedAtUS > orphanAfter.Microseconds() {
					own[id] = h
				}
			case keeps:
				others[id] = h
			}
		})
	})
	maps.DeleteFunc(own, func(id events.CallID, _ *ledger.Hold) bool { return n.sw.Serves(id) || n.sw.Owes(id) })
	maps.DeleteFunc(others, func(id events.CallID, h *ledger.Hold) bool { return !n.isLost(id, h, now) })
	maps.Copy(own, others)
	return own
}

// isLost says that a call's node is silent and cannot serve it any more: its paid time
// is over, and the time in which the node itself could still charge it.
func (n *Node) isLost(id events.CallID, h *ledger.Hold, now time.Time) bool {
	if s, ok := n.live.SignOfLife(h.Node); ok && now.UnixMicro()-s.LastUS < silentAfter.Microseconds() {
		return false
	}
	until := h.PaidUntilUS()
	if c, ok := n.live.Get(id); ok && c.AnsweredUS != 0 {
		until = c.AnsweredUS + h.PaidMs*1000
	}
	return now.UnixMicro() > until+lateCharge.Microseconds()
}
