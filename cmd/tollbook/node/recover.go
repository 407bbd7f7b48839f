package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
// every leg with its CDR. In a cluster it leaves those that can go on here.
func (n *Node) recover(ctx context.Context) error {
	open := n.live.OpenCalls(n.settings.Node)
	// A hold without an open call: it never came to its first INVITE, or its trace
	// was not yet stored, or the call had ended and its charge was not yet stored.
	holds := map[events.CallID]*ledger.Hold{}
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, h *ledger.Hold) {
			if h.Node == n.settings.Node {
				holds[id] = h
			}
		})
	})
	maps.Copy(holds, n.desk.Running())
	closed := len(open)
	for _, c := range open {
		h := n.hold(c.ID)
		if h != nil && h.Node != n.settings.Node {
			continue // taken over this moment
		}
		if l, ok := n.lasting(c, h, time.Now()); ok && n.settings.takeover > 0 && n.servedHere() {
			n.last = append(n.last, l)
			delete(holds, c.ID)
			continue
		}
		if err := n.patient(ctx, func() error { return untaken(n.recoverCall(ctx, c, holds[c.ID])) }); err != nil {
			return fmt.Errorf("close call %s of the last run: %w", c.ID, err)
		}
		delete(holds, c.ID)
	}
	for id, h := range holds {
		if err := n.patient(ctx, func() error { return untaken(n.recoverHold(ctx, id, h)) }); err != nil {
			return fmt.Errorf("close the hold of call %s of the last run: %w", id, err)
		}
	}
	if closed+len(holds) > 0 {
		n.log.Info("the last run's calls are closed", "calls", closed-len(n.last), "holds", len(holds), "go_on", len(n.last))
	}
	return n.calls.log.Flush(ctx)
}

// untaken is an error, but for one that says that another node has the call by now.
func untaken(err error) error {
	if events.CodeOf(err) == events.CodeConflict {
		return nil
	}
	return err
}

// recoverHold charges a call that the log knows to have ended, or to have been
// tried, and releases the hold of any other.
func (n *Node) recoverHold(ctx context.Context, id events.CallID, hold *ledger.Hold) error {
	l, attempts, err := n.endedLeg(ctx, id)
	if err != nil || hold == nil {
		return err
	}
	cmd := n.unanswered(id, hold, attempts, l.EndedUS)
	if charged(l) {
		cmd = n.chargeEnded(id, hold, l, attempts)
	}
	_, err = n.desk.Execute(ctx, cmd)
	return err
}

// hold is the open hold of a call, nil if it has none.
func (n *Node) hold(id events.CallID) (hold *ledger.Hold) {
	n.follower.View(func(st *state.State) { hold, _ = st.Ledger.Hold(id) })
	return hold
}

// endedLeg finds the answered leg of a call, if the log knows that it has ended,
// else the last one, and how many vendors were sent an INVITE.
func (n *Node) endedLeg(ctx context.Context, id events.CallID) (leg history.CDR, attempts uint32, err error) {
	if err := n.historyCaughtUp(ctx); err != nil {
		return history.CDR{}, 0, err
	}
	told, err := n.history.Call(ctx, id)
	if err != nil && !errors.Is(err, history.ErrNotFound) {
		return history.CDR{}, 0, fmt.Errorf("look up its end: %w", err)
	}
	for _, l := range told.Legs {
		if l.Leg == 0 {
			continue
		}
		attempts = max(attempts, uint32(l.Leg))
		if !charged(leg) {
			leg = l
		}
	}
	return leg, attempts, nil
}

// charged says whether a leg was answered and has ended: its call must be charged.
func charged(l history.CDR) bool { return l.Answered && l.Priced && l.EndedUS != 0 }

// command closes a call that is lost: one of the node's last run, or of a node that
// has died, in whose place it is charged. It is refused when another node has taken it.
func (n *Node) command(id events.CallID, hold *ledger.Hold, c *wire.ChargeCall) *wire.Command {
	key := events.KeyOf(id.String(), "charge", call.CauseLost)
	return &wire.Command{
		Key: key[:], Actor: "node:" + n.settings.Node, Node: hold.Node,
		Body: &wire.Command_ChargeCall{ChargeCall: c},
	}
}

// chargeEnded is the charge that the last run did not live to see stored.
func (n *Node) chargeEnded(id events.CallID, hold *ledger.Hold, l history.CDR, attempts uint32) *wire.Command {
	return n.command(id, hold, &wire.ChargeCall{
		Call: id[:], Candidate: uint32(l.Leg - 1), EgressLeg: uint32(l.Leg), AnsweredAtUs: l.AnsweredUS, EndedAtUs: l.EndedUS,
		RawMs: l.RawMS, SipCode: uint32(l.SIPCode), Q850: uint32(l.Q850), EndedBy: endedBy(l.EndedBy),
		Attempts: owed(hold, attempts, int(l.Leg-1)),
	})
}

// unanswered closes the hold of a call that nobody answered: it is charged where
// vendors were tried and a deck takes a fee for that, else released.
func (n *Node) unanswered(id events.CallID, hold *ledger.Hold, attempts uint32, ended int64) *wire.Command {
	fee := owed(hold, attempts, -1) > 0 || slices.ContainsFunc(hold.Lines, func(l *wire.HoldLine) bool { return l.Sell.GetAttemptFeeMicro() > 0 })
	attempts = min(attempts, uint32(len(hold.Route)))
	if attempts == 0 || !fee {
		return n.release(id, hold, call.CauseLost)
	}
	return n.command(id, hold, &wire.ChargeCall{
		Call: id[:], Unanswered: true, Attempts: attempts, EndedAtUs: ended, EndedBy: wire.EndedBy_ENDED_BY_LOST,
	})
}

// owed is how many attempts a charge must name: all of them if a vendor takes a fee
// for one that he did not answer, else none.
func owed(hold *ledger.Hold, attempts uint32, answered int) uint32 {
	attempts = min(attempts, uint32(len(hold.Route)))
	for i := range int(attempts) {
		if i != answered && !ledger.Passed(hold.HoldPlaced, i) && hold.Route[i].GetBuy().GetAttemptFeeMicro() > 0 {
			return attempts
		}
	}
	return 0
}

func endedBy(word string) wire.EndedBy {
	return wire.EndedBy(wire.EndedBy_value["ENDED_BY_"+strings.ToUpper(word)])
}

// historyCaughtUp waits until the history includes all that this node has read.
func (n *Node) historyCaughtUp(ctx context.Context) error {
	at, _ := n.follower.Position()
	if err := n.Await(ctx, at); err != nil {
		return err
	}
	for _, name := range n.live.Journals() {
		want := n.live.Position(name)
		for {
			read, err := n.checkpoint(name)
			if err != nil {
				return err
			}
			if read.Position >= want {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the history has not caught up: %w", ctx.Err())
			case <-time.After(historyPoll):
			}
		}
	}
	return nil
}

func (n *Node) recoverCall(ctx context.Context, c live.Call, hold *ledger.Hold) error {
	id := c.ID
	proof, _ := n.live.ProofOfLife(c.ID)
	ended := max(proof.AliveUS, c.AnsweredUS)
	attempts := uint32(0)
	for _, l := range c.Legs {
		attempts = max(attempts, l.Leg)
	}
	rawMS, priced := int64(0), false
	switch answered := answeredLeg(c); {
	case hold != nil && answered > 0 && over(c, answered):
		l, _, err := n.endedLeg(ctx, id)
		if err != nil {
			return err
		}
		rawMS, priced, ended = l.RawMS, true, l.EndedUS
		if _, err := n.desk.Execute(ctx, n.chargeEnded(id, hold, l, attempts)); err != nil {
			return err
		}
	case hold != nil && answered > 0 && int(answered) <= len(hold.Route):
		rawMS, priced = min((ended-c.AnsweredUS)/1000, hold.PaidMs), true
		lost := n.command(id, hold, &wire.ChargeCall{
			Call: id[:], Candidate: answered - 1, EgressLeg: answered, AnsweredAtUs: c.AnsweredUS, EndedAtUs: ended,
			RawMs: rawMS, SipCode: 200, Q850: 41, EndedBy: wire.EndedBy_ENDED_BY_LOST, Attempts: owed(hold, attempts, int(answered)-1),
		})
		if _, err := n.desk.Execute(ctx, lost); err != nil {
			return err
		}
	case hold != nil:
		if _, err := n.desk.Execute(ctx, n.unanswered(id, hold, attempts, ended)); err != nil {
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
