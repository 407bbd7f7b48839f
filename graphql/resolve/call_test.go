package resolve

import (
	"testing"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/history"
)

// The book's events came before all of the log's, so that a call seemed to be
// held before its INVITE.
func TestCallEventsInTime(t *testing.T) {
	list := []history.Event{
		{Journal: "book", Position: 9, TimeUS: 2000, Type: "HoldPlaced", Body: &wire.Event{EffectiveAtUs: 2000}},
		{Journal: "book", Position: 10, TimeUS: 9000, Type: "CallCharged", Body: &wire.Event{EffectiveAtUs: 4000}},
		{Journal: "log.calls.n1", Position: 1, TimeUS: 5000, Type: "CallReceived", Body: &wire.Event{EffectiveAtUs: 1000}},
		{Journal: "log.calls.n1", Position: 2, TimeUS: 5000, Type: "AttemptStarted", Body: &wire.Event{EffectiveAtUs: 3000}},
	}
	want := []string{"CallReceived", "HoldPlaced", "AttemptStarted", "CallCharged"}
	for i, e := range inTime(list) {
		if e.Type != want[i] {
			t.Errorf("event %d is %s, want %s", i, e.Type, want[i])
		}
	}
}
