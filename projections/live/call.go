package live

import (
	"slices"

	"github.com/tollbook/tollbook/events"
)

func callID(b []byte) (id events.CallID, ok bool) {
	return id, copy(id[:], b) == len(id) && len(b) == len(id)
}

// State is how far a call has come.
type State string

// The states of a call in progress.
const (
	Setup   State = "setup"
	Ringing State = "ringing"
	Talking State = "talking"
)

// Call is one call in progress. Times are UTC microseconds since 1970, 0 if it
// has not come to that.
type Call struct {
	ID events.CallID
	// Node serves the call: the one that received it, or that took it over.
	Node       string
	Originator string
	Company    string
	Account    string
	Caller     string
	Called     string
	State      State
	// SinceUS is when the call came into its state.
	SinceUS    int64
	SetupUS    int64
	RingingUS  int64
	AnsweredUS int64
	// Terminator is that of the newest attempt.
	Terminator string
	// Legs are the attempts so far and leg 0, by number.
	Legs []Leg
	// HeldMicro is the money held, in micro-units of Currency.
	HeldMicro int64
	Currency  string
	// PaidMS is the talk time paid for; PaidUntilUS is when it ends, once answered.
	PaidMS      int64
	PaidUntilUS int64
	// HoldClosed says that the book has charged or released the call already.
	HoldClosed bool
	// AliveUS is the call's last proof of life.
	AliveUS int64
}

// Leg is one leg of a call in progress: 0 is the caller's.
type Leg struct {
	Leg        uint32
	Terminator string
	Company    string
	Account    string
	StartedUS  int64
	RingingUS  int64
	AnsweredUS int64
	EndedUS    int64
	// SIPCode is the final answer of a leg that has ended.
	SIPCode uint32
	Ended   bool
}

// call is what the logs have told of a call. Its fields are exported for snapshots.
type call struct {
	ID         events.CallID
	Received   bool
	Node       string
	Originator string
	Company    string
	Account    string
	Caller     string
	Called     string
	SetupUS    int64
	// SeenUS is the recorded time of the newest event of the call in a log.
	SeenUS int64
	// OwnedUS is since when its node's signs of life speak for it.
	OwnedUS int64
	// ProvenUS is a proof of life from before the call was listed as silent.
	ProvenUS int64
	// Legs are in order of number.
	Legs []Leg
	// Standing is the newest wrapped state of the call, told at StandingUS.
	Standing   []byte `json:",omitempty"`
	StandingUS int64  `json:",omitempty"`
	// GoneUS is when a log said that it has ended that is not its owner's.
	GoneUS int64 `json:",omitempty"`
}

// leg returns a leg of the call, nil when there are too many.
func (c *call) leg(number uint32) *Leg {
	i, found := slices.BinarySearchFunc(c.Legs, number, func(l Leg, n uint32) int {
		return int(int64(l.Leg) - int64(n))
	})
	if !found {
		if len(c.Legs) >= maxLegs {
			return nil
		}
		c.Legs = slices.Insert(c.Legs, i, Leg{Leg: number})
	}
	return &c.Legs[i]
}

// state tells how far the call has come, and since when.
func (c *call) state() (state State, sinceUS, ringingUS, answeredUS int64) {
	for _, leg := range c.Legs {
		if leg.Leg == 0 {
			answeredUS = leg.AnsweredUS
		}
		if leg.RingingUS != 0 && (ringingUS == 0 || leg.RingingUS < ringingUS) {
			ringingUS = leg.RingingUS
		}
	}
	switch {
	case answeredUS != 0:
		return Talking, answeredUS, ringingUS, answeredUS
	case ringingUS != 0:
		return Ringing, ringingUS, ringingUS, 0
	}
	return Setup, c.SetupUS, 0, 0
}

// show puts together what logs and book know of a call.
func (v *View) show(c *call) Call {
	shown := Call{
		ID: c.ID, Node: v.owner(c), Originator: c.Originator, Company: c.Company,
		Account: c.Account, Caller: c.Caller, Called: c.Called, SetupUS: c.SetupUS,
		Legs: slices.Clone(c.Legs), AliveUS: v.alive(c),
	}
	shown.State, shown.SinceUS, shown.RingingUS, shown.AnsweredUS = c.state()
	if n := len(c.Legs); n > 0 {
		shown.Terminator = c.Legs[n-1].Terminator
	}
	if h := v.holds[c.ID]; h != nil {
		shown.HoldClosed = h.Closed
		if !h.Closed {
			shown.HeldMicro, shown.Currency, shown.PaidMS = h.held(), h.Currency, h.PaidMS
			if shown.AnsweredUS != 0 {
				shown.PaidUntilUS = shown.AnsweredUS + h.PaidMS*1000
			}
		}
	}
	return shown
}
