package journal

import (
	"testing"
	"time"
)

// With a pace, what comes shortly after a cut goes into one block.
func TestLogPace(t *testing.T) {
	l, err := OpenLog(t.Context(), NewMemory("LOG", "log.>"), LogOptions{Journal: "log.calls.n1", Node: "n1", Pace: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	var last Ticket
	start := time.Now()
	for range 10 {
		if last, err = l.Append([]byte("event")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	<-last.Done()
	if blocks := l.Stats().Blocks; blocks != 2 && time.Since(start) < 190*time.Millisecond {
		t.Errorf("%d blocks, want the first event's and one of the others", blocks)
	}
	if _, err := l.Append([]byte("event")); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if time.Since(start) > 150*time.Millisecond || l.Stats().Events != 11 {
		t.Errorf("closed after %v with %d events", time.Since(start), l.Stats().Events)
	}
}
