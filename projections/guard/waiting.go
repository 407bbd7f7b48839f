package guard

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Between the judgement of a call and the fold of what the journals say of it lie some
// milliseconds, in which a burst of calls would not see each other. So a call that was
// let through is waited for, and counts meanwhile.

// waiting are the subjects that a call is still to be counted for.
type waiting struct {
	number, destination subject
	// numbered and placed tell which of the two has been counted.
	numbered, placed bool
}

// expect waits for a call that was let through.
func (v *View) expect(c *Call) {
	if len(v.rules) == 0 || len(v.waiting) >= v.bounds.Open {
		return
	}
	w := &waiting{
		number:      subject{place{c.Originator.Account, c.Called}, true},
		destination: subject{place: place{c.Originator.Account, Destination(c.Sell)}},
	}
	v.waiting[c.ID] = w
	v.ahead[w.number]++
	v.ahead[w.destination]++
}

// arrived ends the wait for a call: its number is counted, its destination, or both
// never will be.
func (v *View) arrived(id events.CallID, number, destination bool) {
	w := v.waiting[id]
	if w == nil {
		return
	}
	if number && !w.numbered {
		w.numbered = true
		v.less(w.number)
	}
	if destination && !w.placed {
		w.placed = true
		v.less(w.destination)
	}
	if w.numbered && w.placed {
		delete(v.waiting, id)
	}
}

func (v *View) less(s subject) {
	if v.ahead[s]--; v.ahead[s] == 0 {
		delete(v.ahead, s)
	}
}

// settled takes an event that tells what became of a call that is waited for. The record
// of the route follows the hold, if there is one, and is the last word.
func (v *View) settled(e *wire.Event) {
	if len(v.waiting) == 0 {
		return
	}
	switch b := e.GetBody().(type) {
	case *wire.Event_HoldPlaced:
		v.settledBy(b.HoldPlaced.Call, false)
	case *wire.Event_CallRouted:
		v.settledBy(b.CallRouted.Call, true)
	case *wire.Event_LegEnded:
		if b.LegEnded.Leg == 0 {
			v.settledBy(b.LegEnded.Call, true)
		}
	}
}

func (v *View) settledBy(call []byte, routed bool) {
	if id, err := events.CallIDFrom(call); err == nil {
		v.arrived(id, routed, true)
	}
}
