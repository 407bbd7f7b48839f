package call

import (
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// Effect is something that the machine wants done.
type Effect interface{ effect() }

type (
	// SendInvite starts an attempt: the INVITE of leg number Leg to candidate Index.
	SendInvite struct {
		Leg   uint32
		Index int
	}
	// Advance asks the book for leave to try a candidate.
	Advance struct{ Index int }
	// SendCancel gives up an attempt that has no final answer.
	SendCancel struct {
		Leg  uint32
		Q850 uint32
	}
	// SendBye ends an answered leg; leg 0 is the caller's.
	SendBye struct {
		Leg    uint32
		Reason string
		Q850   uint32
	}
	// Provisional passes a 18x answer of the current attempt on to the caller.
	Provisional struct{ Code uint32 }
	// AnswerCaller passes the vendor's 200 on.
	AnswerCaller struct{ Leg uint32 }
	// RejectCaller ends leg 0 with a final answer.
	RejectCaller struct {
		Code   uint32
		Reason string
		Q850   uint32
	}
	// Set starts a timer, or starts it anew.
	Set struct {
		Timer Timer
		After time.Duration
	}
	// Clear stops a timer.
	Clear struct{ Timer Timer }
	// Extend asks the book for more than Paid of talk time.
	Extend struct{ Paid time.Duration }
	// Charge asks the book to close the hold with a price.
	Charge struct{ Call *wire.ChargeCall }
	// Release asks the book to close the hold without one.
	Release struct{ Reason string }
	// Record puts an event into the log.
	Record struct{ Event *wire.Event }
)

func (SendInvite) effect()   {}
func (Advance) effect()      {}
func (SendCancel) effect()   {}
func (SendBye) effect()      {}
func (Provisional) effect()  {}
func (AnswerCaller) effect() {}
func (RejectCaller) effect() {}
func (Set) effect()          {}
func (Clear) effect()        {}
func (Extend) effect()       {}
func (Charge) effect()       {}
func (Release) effect()      {}
func (Record) effect()       {}
