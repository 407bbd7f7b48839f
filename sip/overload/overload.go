// Package overload keeps a node quick while more calls come than it can take: it
// measures how long new calls wait for their decision, and when even the luckiest
// of them wait too long it lets in fewer, so that those it lets in are served and
// the others hear at once that they must go elsewhere.
//
// What belongs to calls in progress, and registrations, are not asked here.
package overload

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// period is how long the node is looked at before its limit changes.
	period = 500 * time.Millisecond
	// enough is how many calls must wait, or have waited, in a period for it to say
	// anything: a single slow one is no overload.
	enough = 20
	// floor is the least rate that is let in, in calls a second.
	floor = 10
)

// Config says what is too much.
type Config struct {
	// Latency is the wait for a decision that even the quickest call of a period must
	// not exceed; 0 never limits the rate.
	Latency time.Duration
	// Waiting bounds the calls that wait at once; 0 is no bound.
	Waiting int
	// Changed is told when the limit begins, in calls a second, and ends, as 0. May
	// be nil.
	Changed func(perSecond int)
}

// Controller counts the new calls of a node. It is made by New.
type Controller struct {
	config Config

	mu      sync.Mutex
	waiting int
	began   time.Time     // of the period
	least   time.Duration // of the period's decisions
	decided int
	entered int
	offered int
	limit   float64 // calls a second; 0 is none
	tokens  float64
	filled  time.Time
	refused uint64 // since the start
}

// State is how a Controller stands.
type State struct {
	// PerSecond is how many new calls are let in a second; 0 is no limit.
	PerSecond int
	// Waiting is how many wait for their decision.
	Waiting int
	// Refused counts the calls that were not let in, since the start.
	Refused uint64
}

// State tells how the Controller stands.
func (c *Controller) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return State{PerSecond: int(c.limit), Waiting: c.waiting, Refused: c.refused}
}

// New makes a Controller.
func New(c Config) *Controller { return &Controller{config: c} }

// Enter asks whether a new call may wait for its decision. One that may must Leave.
func (c *Controller) Enter(now time.Time) bool {
	c.mu.Lock()
	told, ok := c.enter(now)
	c.mu.Unlock()
	c.tell(told)
	return ok
}

func (c *Controller) enter(now time.Time) (told *int, ok bool) {
	told = c.turn(now)
	c.offered++
	if c.config.Waiting > 0 && c.waiting >= c.config.Waiting || !c.spend(now) {
		c.refused++
		return told, false
	}
	c.entered++
	c.waiting++
	return told, true
}

// Leave says that a call that entered at an instant has its decision.
func (c *Controller) Leave(entered, now time.Time) {
	c.mu.Lock()
	c.waiting--
	if took := now.Sub(entered); c.decided == 0 || took < c.least {
		c.least = took
	}
	c.decided++
	told := c.turn(now)
	c.mu.Unlock()
	c.tell(told)
}

// spend takes a call off the limit, if there is one.
func (c *Controller) spend(now time.Time) bool {
	if c.limit == 0 {
		return true
	}
	c.tokens = min(c.tokens+c.limit*now.Sub(c.filled).Seconds(), max(1, c.limit/10))
	c.filled = now
	if c.tokens < 1 {
		return false
	}
	c.tokens--
	return true
}

// turn ends a period: the limit falls by a third below what was let in while calls
// wait too long, and rises by a tenth while they do not, until nobody needs it.
func (c *Controller) turn(now time.Time) *int {
	if c.began.IsZero() {
		c.began = now
	}
	length := now.Sub(c.began)
	if length < period || c.config.Latency == 0 {
		return nil
	}
	before := int(c.limit)
	slow := c.decided >= enough && c.least > c.config.Latency || c.decided == 0 && c.waiting >= enough
	switch {
	case slow:
		c.limit = max(floor, float64(c.entered)/length.Seconds()*2/3)
	case c.limit > 0:
		c.limit *= 1.1
		if c.limit > 2*max(floor, float64(c.offered)/length.Seconds()) {
			c.limit = 0
		}
	}
	c.began, c.decided, c.least, c.entered, c.offered = now, 0, 0, 0, 0
	if after := int(c.limit); (before == 0) != (after == 0) {
		return &after
	}
	return nil
}

func (c *Controller) tell(perSecond *int) {
	if perSecond != nil && c.config.Changed != nil {
		c.config.Changed(*perSecond)
	}
}

// RetryAfter is how many seconds a call that is not let in is asked to wait: not all
// of them the same time, lest they come back together.
func (c *Controller) RetryAfter() int { return 2 + rand.IntN(4) }
