package guard

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/events/wire"
)

// A counter misses nothing within its window, counts nothing that is older by more
// than a sixteenth of it, and never has more than its slots, in whatever order events
// come.
func TestCounterAgainstAllEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := measure{wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION, uint32(rapid.IntRange(60, 86_400).Draw(t, "window"))}
		window := int64(m.windowS) * second
		type event struct{ us, n int64 }
		var all []event
		var c counter
		now := int64(1_799_928_000) * second
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += rapid.Int64Range(0, window/4).Draw(t, "later")
			// Events of calls that overlap come a little out of order.
			e := event{now - rapid.Int64Range(0, window/100).Draw(t, "late"), rapid.Int64Range(0, 1000).Draw(t, "n")}
			all = append(all, e)
			c.add(m.slot(e.us), e.n)
			if len(c.slots) > slots {
				t.Fatalf("%d slots", len(c.slots))
			}
			for i := 1; i < len(c.slots); i++ {
				if c.slots[i-1].at >= c.slots[i].at {
					t.Fatalf("slots out of order: %v", c.slots)
				}
			}
			var least, most int64
			for _, e := range all {
				if e.us > now-window {
					least += e.n
				}
				if e.us > now-window-window/parts {
					most += e.n
				}
			}
			if got := c.sum(m.slot(now)); got < least || got > most {
				t.Fatalf("%d, want %d to %d", got, least, most)
			}
		}
	})
}

func TestLateEventsAreNotCounted(t *testing.T) {
	var c counter
	c.add(100, 1)
	c.add(100-slots, 1) // as old as the ring is long
	c.add(100-slots+1, 1)
	if got := c.sum(100); got != 2 {
		t.Errorf("%d", got)
	}
	if (*counter)(nil).sum(100) != 0 {
		t.Error("no counter has a sum")
	}
}
