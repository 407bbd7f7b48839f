package resolve

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWatchKeepsNothing watches a number that rises a thousand times a second: who reads
// has one answer a second, and who does not read has the newest when he reads again.
func TestWatchKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began, last, looked := time.Now(), -1, atomic.Int32{}
		number := func() int { return int(time.Since(began) / time.Millisecond) }
		out := watch(ctx, func() (int, bool) {
			looked.Add(1)
			now := min(number(), 60_000) // it rises for a minute
			changed := now != last
			last = now
			return now, changed
		})
		for want := range 5 {
			if got := <-out; got != want*1000 {
				t.Errorf("answer %d is %d", want, got)
			}
		}
		time.Sleep(30 * time.Second) // nothing is read
		late, now := <-out, <-out
		if late != 5000 || now < 34_000 || looked.Load() > 8 {
			t.Errorf("after a while the answers are %d and %d, it was looked %d times", late, now, looked.Load())
		}
		for got := range out {
			if got == 60_000 {
				break
			}
		}
		select {
		case got := <-out:
			t.Errorf("%d is told though nothing changed", got)
		case <-time.After(time.Minute):
		}
		cancel()
		if _, more := <-out; more {
			t.Error("it goes on after its end")
		}
	})
}
