package overload

import (
	"testing"
	"time"
)

// station decides calls one after the other, each in a fixed time: a model of a node
// that can take so many a second.
type station struct {
	c     *Controller
	serve time.Duration
	free  time.Time // when the last one in the queue will be done
	queue []wait
}

type wait struct{ entered, done time.Time }

// run offers calls at a rate for a time, and gives the share that was let in and the
// longest wait in the last half.
func (s *station) run(start time.Time, length time.Duration, perSecond int) (share float64, longest time.Duration) {
	in, all := 0, 0
	for now := start; now.Before(start.Add(length)); now = now.Add(time.Second / time.Duration(perSecond)) {
		for len(s.queue) > 0 && !s.queue[0].done.After(now) {
			w := s.queue[0]
			s.queue = s.queue[1:]
			s.c.Leave(w.entered, w.done)
			if w.entered.After(start.Add(length / 2)) {
				longest = max(longest, w.done.Sub(w.entered))
			}
		}
		all++
		if !s.c.Enter(now) {
			continue
		}
		in++
		if s.free.Before(now) {
			s.free = now
		}
		s.free = s.free.Add(s.serve)
		s.queue = append(s.queue, wait{now, s.free})
	}
	return float64(in) / float64(all), longest
}

func TestLatencyStaysBounded(t *testing.T) {
	var changes []int
	s := &station{serve: 5 * time.Millisecond} // 200 a second
	s.c = New(Config{Latency: 100 * time.Millisecond, Changed: func(n int) { changes = append(changes, n) }})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	share, longest := s.run(start, 10*time.Second, 150)
	if share != 1 || longest > 10*time.Millisecond || len(changes) != 0 {
		t.Errorf("below its power: %.2f let in, the longest wait %v, %v", share, longest, changes)
	}
	share, longest = s.run(start.Add(10*time.Second), 60*time.Second, 600)
	if share < 0.20 || share > 0.5 || longest > time.Second {
		t.Errorf("at three times its power: %.2f let in, the longest wait %v", share, longest)
	}
	if len(changes) == 0 || changes[0] < floor {
		t.Errorf("the limit was told as %v", changes)
	}
	s.run(start.Add(70*time.Second), 20*time.Second, 50)
	if share, _ = s.run(start.Add(90*time.Second), 10*time.Second, 100); share != 1 || changes[len(changes)-1] != 0 {
		t.Errorf("when it is over %.2f are let in, %v", share, changes)
	}
}

func TestQueueIsBounded(t *testing.T) {
	c := New(Config{Waiting: 3})
	now := time.Now()
	for i := range 5 {
		if got := c.Enter(now); got != (i < 3) {
			t.Errorf("call %d: %v", i, got)
		}
	}
	c.Leave(now, now.Add(time.Hour)) // without a latency none is too long
	if !c.Enter(now) || c.Enter(now) {
		t.Error("a place that is free again is not one place")
	}
	if s := c.RetryAfter(); s < 2 || s > 5 {
		t.Errorf("retry after %d", s)
	}
}

// Nothing decided, many waiting: the book has stopped. One slow call is nothing.
func TestStandstill(t *testing.T) {
	c := New(Config{Latency: 100 * time.Millisecond})
	now := time.Now()
	c.Enter(now)
	c.Leave(now, now.Add(3*time.Second))
	if !c.Enter(now.Add(4*time.Second)) || c.limit != 0 {
		t.Error("one slow call limits the others")
	}
	now = now.Add(5 * time.Second)
	for range 2 * enough {
		c.Enter(now)
	}
	c.Enter(now.Add(period + time.Millisecond))
	if c.limit == 0 {
		t.Error("a standstill has no limit")
	}
}
