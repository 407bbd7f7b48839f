package quality_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/quality"
)

// A view that goes on from a snapshot, cut anywhere, ends as one that saw everything.
func TestSnapshot(t *testing.T) {
	started := func(v *quality.View, n int) {
		id := events.CallID(events.KeyOf(fmt.Sprint("open", n)))
		v.Apply(events.Recorded{Event: &wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
			Call: id[:], Leg: 1, Terminator: "a", Prefix: "49", AtUs: noon}}}})
	}
	ended := func(v *quality.View, n int) {
		id := events.CallID(events.KeyOf(fmt.Sprint("open", n)))
		v.Apply(events.Recorded{Event: &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
			Call: id[:], Leg: 1, AtUs: noon + int64(n)*minute, SipCode: 486}}}})
	}
	const steps = 30
	step := func(v *quality.View, n int) {
		play(v, n, try{vendor: "v" + fmt.Sprint(n%3), prefix: "49", at: noon + int64(n)*7*minute, ring: second, answer: 2 * second, talk: 30 * second, code: 200})
		if n%2 == 0 {
			started(v, n)
		} else {
			ended(v, n-1)
		}
	}
	text := func(v *quality.View) string {
		b, err := v.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for cut := range steps {
		whole, resumed := quality.New(), quality.New()
		for n := range steps {
			step(whole, n)
			if n == cut {
				if err := resumed.Restore([]byte(text(whole))); err != nil {
					t.Fatal(err)
				}
			} else if n > cut {
				step(resumed, n)
			}
		}
		if a, b := text(whole), text(resumed); a != b {
			t.Fatalf("cut at %d:\n%s\n%s", cut, a, b)
		}
		if whole.Of("v1", "49", 86400, noon+steps*7*minute) != resumed.Of("v1", "49", 86400, noon+steps*7*minute) {
			t.Fatalf("cut at %d: the figures differ", cut)
		}
	}
	other := strings.Replace(text(quality.New()), `"Version":1`, `"Version":9`, 1)
	if err := quality.New().Restore([]byte(other)); !errors.Is(err, quality.ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	if err := quality.New().Restore([]byte("{")); err == nil {
		t.Error("half a snapshot was taken")
	}
}
