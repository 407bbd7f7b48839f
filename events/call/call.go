// Package call is the life of one call as a state machine. It is told what
// happened (an answer, a timer, the book's word) and says what to do (send an
// INVITE, charge, record an event). It knows no SIP message, no clock and no
// goroutine: whoever drives it carries the effects out, in order.
package call

import (
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Now is an instant as the node that runs the call sees it: wall time for the
// record, monotonic time for durations.
type Now struct {
	// US is UTC in microseconds since 1970.
	US int64
	// Mono rises steadily, from any origin.
	Mono time.Duration
}

// Guard is how long before the end of its paid time a call is cut, so that both
// BYEs are sent within it.
const Guard = 300 * time.Millisecond

const (
	// ExtendBefore is how long before the end of the paid time more is asked for,
	// or half of the paid time if that is less.
	ExtendBefore = 20 * time.Second
	// extendAgain is the shortest wait before asking again after a no.
	extendAgain = time.Second
	// DefaultPDD and DefaultRing apply where a terminator names no time-outs.
	DefaultPDD  = 8 * time.Second
	DefaultRing = 90 * time.Second
)

// Timer names one of a call's timers. Setting one replaces it.
type Timer string

// The timers.
const (
	TimerPDD    Timer = "pdd"    // no ringing from the vendor
	TimerRing   Timer = "ring"   // no answer from the vendor
	TimerExtend Timer = "extend" // ask for more paid time
	TimerCut    Timer = "cut"    // the paid time ends
)

// Plan is one candidate of the route with what driving it needs.
type Plan struct {
	Candidate *wire.Candidate
	Company   string
	PDD, Ring time.Duration
	// Limited says that the vendor has so many channels, or calls a second: the book
	// is asked before he is tried, and told when he is left.
	Limited bool
	// Passed says that the book has passed him over; the Machine writes it.
	Passed bool
}

type phase uint8

const (
	hunting phase = iota // an attempt is in progress
	talking
	over // ended; only late messages of legs may still come
)

// leg is one egress attempt.
type leg struct {
	number    uint32
	candidate int
	ringing   bool
	ended     bool
	cancelled bool
}

// failure is an attempt's end that is recorded when it is known whether it was the last.
type failure struct {
	at Now
	ending
}

// Machine is one call from the moment its hold is placed.
type Machine struct {
	id    events.CallID
	plans []Plan
	stop  map[uint32]bool
	hunts func(code, q850 uint32) bool // replaces stop

	phase    phase
	next     int      // the candidate to try next
	asking   bool     // the book is asked for leave to try him
	failed   *failure // the attempt before, while the book is asked
	current  *leg
	ringing  bool // leg 0 has been told
	paid     time.Duration
	answered Now
	proven   *Now // until when a resumed call is known to have lived; nil once it goes on
	lastCode uint32
	lastQ850 uint32
	lastText string
}

// New makes the machine of a call whose hold covers paid of talk time. stop are
// the SIP codes after which no other vendor is tried.
func New(id events.CallID, plans []Plan, paid time.Duration, stop map[uint32]bool) *Machine {
	return &Machine{id: id, plans: plans, paid: paid, stop: stop}
}

// HuntBy has a function say after which answers of a vendor, by SIP code and cause
// of Q.850, no other one is tried, instead of the codes.
func (m *Machine) HuntBy(stops func(code, q850 uint32) bool) { m.hunts = stops }

func (m *Machine) stops(code, q850 uint32) bool {
	if m.hunts != nil {
		return m.hunts(code, q850)
	}
	return m.stop[code]
}

// Over tells whether the call has ended.
func (m *Machine) Over() bool { return m.phase == over }

// Talking tells whether the call has been answered and not ended.
func (m *Machine) Talking() bool { return m.phase == talking }

// Egress is the number of the attempt in progress, or of the one that was answered;
// 0 before the first.
func (m *Machine) Egress() uint32 {
	if m.current == nil {
		return 0
	}
	return m.current.number
}

// Paid is the talk time that is paid for.
func (m *Machine) Paid() time.Duration { return m.paid }

// Answered is when the call was answered, if it was.
func (m *Machine) Answered() (Now, bool) { return m.answered, m.answered != Now{} }

// DefaultStop are the SIP codes that end hunting unless the settings name others:
// the number is wrong or the person has declined, so that nobody else could do
// better. A 486 does not end it: busy is as often the vendor's trunk.
func DefaultStop() map[uint32]bool {
	return map[uint32]bool{404: true, 410: true, 484: true, 600: true, 603: true, 604: true, 607: true}
}
