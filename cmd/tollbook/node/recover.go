package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/live"
)

// recover closes what this node's last run left open, before it takes a call or
// gives a sign of life: every call once, charged to its last proof of life, and
// every leg with its CDR.
func (n *Node) recover(ctx context.Context) error {
	open := n.live.OpenCalls(n.settings.Node)
	for _, c := range open {
		if err := n.recoverCall(ctx, c); err != nil {
			return fmt.Errorf("close call %s of the last run: %w", c.ID, err)
		}
	}
	// A hold without an open call: it never came to its first INVITE, or its trace
	// was not yet stored, or the call had ended and its charge was not yet stored.
	var holds []events.CallID
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, h *ledger.Hold) {
			if h.Node == n.settings.Node {
				holds = append(holds, id)
			}
		})
	})
	closed := map[events.CallID]bool{}
	for _, c := range open {
		closed[c.ID] = true
	}
	for _, id := range holds {
		if closed[id] {
			continue
		}
		if err := n.recoverHold(ctx, id); err != nil {
			return fmt.Errorf("close the hold of call %s of the last run: %w", id, err)
		}
	}
	if len(open)+len(holds) > 0 {
		n.log.Info("the last run's calls are closed", "calls", len(open), "holds", len(holds))
	}
	return n.calls.log.Flush(ctx)
}

// recoverHold charges a call that the log knows to have ended, and releases the
// hold of any other.
func (n *Node) recoverHold(ctx context.Context, id events.CallID) error {
	cmd := n.release(id, call.CauseLost)
	l, ended, err := n.endedLeg(ctx, id)
	if err != nil {
		return err
	}
	if ended {
		cmd = n.chargeEnded(id, l)
	}
	_, err = n.book.Execute(ctx, cmd)
	return err
}

// endedLeg finds the answered leg of a call, if the log knows that it has ended.
func (n *Node) endedLeg(ctx context.Context, id events.CallID) (history.CDR, bool, error) {
	if err := n.historyCaughtUp(ctx); err != nil {
		return history.CDR{}, false, err
	}
	told, err := n.history.Call(ctx, id)
	if err != nil && !errors.Is(err, history.ErrNotFound) {
		return history.CDR{}, false, fmt.Errorf("look up its end: %w", err)
	}
	for _, l := range told.Legs {
		if l.Leg > 0 && l.Answered && l.Priced && l.EndedUS != 0 {
			return l, true, nil
		}
	}
	return history.CDR{}, false, nil
}

// chargeEnded is the charge that the last run did not live to see stored.
func (n *Node) chargeEnded(id events.CallID, l history.CDR) *wire.Command {
	key := events.KeyOf(id.String(), "charge", call.CauseLost)
	return &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: n.settings.Node,
		Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
			Call: id[:], Candidate: uint32(l.Leg - 1), EgressLeg: uint32(l.Leg), AnsweredAtUs: l.AnsweredUS, EndedAtUs: l.EndedUS,
			RawMs: l.RawMS, SipCode: uint32(l.SIPCode), Q850: uint32(l.Q850), EndedBy: endedBy(l.EndedBy),
		}},
	}
}

func endedBy(word string) wire.EndedBy {
	return wire.EndedBy(wire.EndedBy_value["ENDED_BY_"+strings.ToUpper(word)])
}

// historyCaughtUp waits until the history includes all of the last run.
func (n *Node) historyCaughtUp(ctx context.Context) error {
	at, _ := n.follower.Position()
	if err := n.Await(ctx, at); err != nil {
		return err
	}
	for {
		read, err := n.checkpoint(callsJournal(n.settings.Node))
		if err != nil || read.Number >= n.calls.log.Stats().End.Number {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the history has not caught up: %w", ctx.Err())
		case <-time.After(historyPoll):
		}
	}
}

func (n *Node) recoverCall(ctx context.Context, c live.Call) error {
	id := c.ID
	proof, _ := n.live.ProofOfLife(c.ID)
	ended := max(proof.AliveUS, c.AnsweredUS)
	var hold *ledger.Hold
	n.follower.View(func(st *state.State) { hold, _ = st.Ledger.Hold(id) })
	rawMS, priced := int64(0), false
	switch answered := answeredLeg(c); {
	case hold != nil && answered > 0 && over(c, answered):
		l, _, err := n.endedLeg(ctx, id)
		if err != nil {
			return err
		}
		rawMS, priced, ended = l.RawMS, true, l.EndedUS
		if _, err := n.book.Execute(ctx, n.chargeEnded(id, l)); err != nil {
			return err
		}
	case hold != nil && answered > 0 && int(answered) <= len(hold.Route):
		rawMS, priced = min((ended-c.AnsweredUS)/1000, hold.PaidMs), true
		if err := n.chargeLost(ctx, c, answered, rawMS, ended); err != nil {
			return err
		}
	case hold != nil:
		if _, err := n.book.Execute(ctx, n.release(id, call.CauseLost)); err != nil {
			return err
		}
	case answered > 0:
		// The charge was committed, the end of the call was not recorded.
		var err error
		if rawMS, priced, err = n.chargedBefore(ctx, id); err != nil {
			return err
		}
	}
	n.endLegs(id, c, ended, rawMS, priced)
	return nil
}

// answeredLeg is the number of the egress leg that was answered, 0 if none was.
func answeredLeg(c live.Call) uint32 {
	if c.AnsweredUS == 0 {
		return 0
	}
	for _, l := range c.Legs {
		if l.Leg > 0 && l.AnsweredUS != 0 {
			return l.Leg
		}
	}
	return 0
}

// over tells whether the log has the end of a leg.
func over(c live.Call, leg uint32) bool {
	return slices.ContainsFunc(c.Legs, func(l live.Leg) bool { return l.Leg == leg && l.Ended })
}

func (n *Node) chargeLost(ctx context.Context, c live.Call, leg uint32, rawMS, ended int64) error {
	id := c.ID
	key := events.KeyOf(id.String(), "charge", call.CauseLost)
	_, err := n.book.Execute(ctx, &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: n.settings.Node,
		Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
			Call: id[:], Candidate: leg - 1, EgressLeg: leg, AnsweredAtUs: c.AnsweredUS, EndedAtUs: ended,
			RawMs: rawMS, SipCode: 200, Q850: 41, EndedBy: wire.EndedBy_ENDED_BY_LOST,
		}},
	})
	return err
}

// chargedBefore finds the talk time of a call that the book has closed.
func (n *Node) chargedBefore(ctx context.Context, id events.CallID) (rawMS int64, priced bool, err error) {
	if err := n.historyCaughtUp(ctx); err != nil {
		return 0, false, err
	}
	told, err := n.history.Call(ctx, id)
	if err != nil {
		return 0, false, fmt.Errorf("look up its charge: %w", err)
	}
	for _, l := range told.Lines {
		return l.RawMS, true, nil
	}
	return 0, false, nil
}

// endLegs records the end of each leg that has none, leg 0 last.
func (n *Node) endLegs(id events.CallID, c live.Call, ended, rawMS int64, priced bool) {
	answered := answeredLeg(c)
	for i := len(c.Legs) - 1; i >= 0; i-- {
		l := c.Legs[i]
		if l.Ended {
			continue
		}
		talked := l.AnsweredUS != 0 && (l.Leg == 0 || l.Leg == answered)
		e := &wire.LegEnded{
			Call: id[:], Leg: l.Leg, AtUs: ended, Q850: 41, Cause: call.CauseLost,
			EndedBy: wire.EndedBy_ENDED_BY_LOST, Last: l.Leg == 0 || i == len(c.Legs)-1,
		}
		if talked {
			e.SipCode, e.RawMs, e.Priced = 200, rawMS, priced
		}
		ev := call.Observed(id, call.Now{US: ended}, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: e}})
		ev.Id = events.EventID(id[:], 1<<20+int(l.Leg)) // the same, should this start fail, too
		n.calls.Record(ev)
	}
}
