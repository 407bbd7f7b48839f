package guard

import "github.com/tollbook/tollbook/events/wire"

// A window is counted in slots of a sixteenth of it, and one more, since the present
// one is not over: so nothing within the window is missed, and what is counted is at
// most a sixteenth older.
const (
	parts = 16
	slots = parts + 1
)

// counts tells whether a measure has counters.
func (m measure) counts() bool {
	switch m.of {
	case wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_NUMBER, wire.GuardMeasure_GUARD_MEASURE_CALLS_TO_DESTINATION,
		wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION:
		return true
	}
	return false
}

// slot is the number of the slot that an instant is in, since 1970.
func (m measure) slot(us int64) int64 { return us / (int64(m.windowS) * second / parts) }

// counter adds up what happened in the last slots, by rising number; at most as many
// as there are.
type counter struct{ slots []slot }

type slot struct{ at, n int64 }

func (c *counter) add(at, n int64) {
	c.expire(at)
	i := len(c.slots)
	for i > 0 && c.slots[i-1].at > at { // events come nearly in order
		i--
	}
	switch {
	case i > 0 && c.slots[i-1].at == at:
		c.slots[i-1].n += n
	case i == 0 && len(c.slots) > 0 && at <= c.slots[len(c.slots)-1].at-slots:
		// too old to be counted
	default:
		c.slots = append(c.slots, slot{})
		copy(c.slots[i+1:], c.slots[i:])
		c.slots[i] = slot{at, n}
	}
}

// expire drops the slots that are over at one.
func (c *counter) expire(at int64) {
	old := 0
	for old < len(c.slots) && c.slots[old].at <= at-slots {
		old++
	}
	c.slots = append(c.slots[:0], c.slots[old:]...)
}

// sum adds up the window that ends in a slot.
func (c *counter) sum(at int64) (sum int64) {
	if c == nil {
		return 0
	}
	for _, s := range c.slots {
		if s.at > at-slots {
			sum += s.n
		}
	}
	return sum
}
