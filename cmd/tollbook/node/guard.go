package node

import (
	"context"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/guard"
)

// Guarded names the guard rule that would block a call now.
func (n *Node) Guarded(r *routing.Request, sell *wire.Terms) string {
	return n.guard.Preview(guard.Of(r, sell)).Rule
}

// GuardTrips are the guard rules that are tripped, by id.
func (n *Node) GuardTrips() []guard.Trip { return n.guard.Trips(time.Now().UnixMicro()) }

// GuardFull are the parts of the guard's memory that are full.
func (n *Node) GuardFull() []string { return n.guard.Full() }

// LiftGuard lets the calls of a trip pass its rule.
func (n *Node) LiftGuard(_ context.Context, trip string, until time.Time, actor, note string) error {
	untilUS := int64(0)
	if !until.IsZero() {
		untilUS = events.Micros(until)
	}
	lifted, err := n.guard.Lift(trip, untilUS, time.Now().UnixMicro(), note)
	if err != nil {
		return err
	}
	n.calls.observe(&wire.Event{Actor: actor, Body: &wire.Event_GuardLifted{GuardLifted: lifted}})
	return nil
}
