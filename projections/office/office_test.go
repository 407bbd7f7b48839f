package office

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/money"
)

func TestForecastIsToldOnce(t *testing.T) {
	f := NewForecast()
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after time.Duration
		left  int64 // at 1.00 a minute
		calls int
		told  int
	}{
		{0, 30_000_000, 1, 0},
		{time.Minute, 9_000_000, 1, 1},
		{time.Minute, 8_000_000, 1, 0},
		{time.Minute, 12_000_000, 1, 0}, // not far enough to be armed again
		{time.Minute, 9_000_000, 1, 0},
		{time.Minute, 20_000_000, 1, 0}, // now it is
		{time.Minute, 9_000_000, 1, 1},
		{30 * time.Minute, 5_000_000, 1, 0},
		{31 * time.Minute, 4_000_000, 1, 1}, // an hour later
		{time.Minute, 4_000_000, 0, 0},      // no calls, no pace
		{time.Minute, 0, 1, 1},
	} {
		now = now.Add(step.after)
		p := ledger.Pace{Account: "a", Currency: "USD", Left: money.Amount(step.left), Calls: step.calls, Threshold: 10}
		if step.calls > 0 {
			p.Burn = 1_000_000
		}
		if got := f.Look(now, []ledger.Pace{p}); len(got) != step.told {
			t.Errorf("%v with %d left: %v", now, step.left, got)
		}
	}
	if got := f.Look(now, []ledger.Pace{{Account: "b", Burn: 1, Calls: 1}}); len(got) != 0 {
		t.Errorf("nobody asked: %v", got)
	}
}
