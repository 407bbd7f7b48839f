package history

import (
	"context"
	"sync"
	"testing"
)

// TestReadersDuringApply pages, reports and reads calls while batches arrive
// and days are dropped: readers see whole calls, and nobody fails.
func TestReadersDuringApply(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{OpenDays: 2, WorkingSet: 4})
	w := newWorld()
	for i := range int64(60) {
		w.call(answeredPlan(noonUS+i*2*hourUS, int(i%3)))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				page, err := s.CDRs(context.Background(), Filter{}, Page{First: 20})
				if err != nil {
					t.Error(err)
				}
				for _, row := range page.Rows[:min(1, len(page.Rows))] {
					if call, err := s.Call(context.Background(), row.Call); err != nil || len(call.Legs) == 0 {
						t.Errorf("call %s: %d legs, %v", row.Call, len(call.Legs), err)
					}
				}
				if _, err := s.Report(context.Background(), ReportQuery{}); err != nil {
					t.Error(err)
				}
				if _, err := s.Totals(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	events := w.both()
	for i := 0; i < len(events); i += 20 {
		apply(t, s, events[i:min(i+20, len(events))])
	}
	if _, err := s.DropDaysBefore(context.Background(), DayOf(noonUS+48*hourUS)); err != nil {
		t.Error(err)
	}
	cancel()
	readers.Wait()
	totals, err := s.Totals(context.Background())
	if err != nil || totals.CDRs != 120 || totals.Pending != 0 {
		t.Errorf("%+v, %v", totals, err)
	}
}
