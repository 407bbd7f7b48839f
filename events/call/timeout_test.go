package call_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
)

// A vendor that is too slow gets the CANCEL, and the next one the INVITE.
func TestTimeoutCancelsTheLateAttempt(t *testing.T) {
	for _, timer := range []call.Timer{call.TimerPDD, call.TimerRing} {
		plans := []call.Plan{{PDD: time.Second, Ring: time.Minute}, {PDD: 2 * time.Second, Ring: time.Minute}}
		m := call.New(events.CallID{1}, plans, time.Minute, call.DefaultStop())
		m.Start(call.Now{US: 1}, 0)
		got := m.Expired(call.Now{US: 2, Mono: time.Second}, timer)
		want := []call.Effect{
			call.SendCancel{Leg: 1, Q850: 102},
			call.Clear{Timer: call.TimerPDD}, call.Clear{Timer: call.TimerRing},
			call.SendInvite{Leg: 2, Index: 1},
			call.Set{Timer: call.TimerPDD, After: 2 * time.Second}, call.Set{Timer: call.TimerRing, After: time.Minute},
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreSliceElements(func(e call.Effect) bool {
			_, ok := e.(call.Record)
			return ok
		})); diff != "" {
			t.Errorf("%s: %s", timer, diff)
		}
	}
}
