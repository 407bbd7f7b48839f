package live

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// observed takes one event of a log.
func (v *View) observed(r events.Recorded) {
	switch body := r.Event.GetBody().(type) {
	case *wire.Event_CallReceived:
		v.change(body.CallReceived.GetCall(), r, func(c *call) { v.received(c, body.CallReceived, r.TimeUS) })
	case *wire.Event_AttemptStarted:
		e := body.AttemptStarted
		v.changeLeg(e.GetCall(), e.GetLeg(), r, func(_ *call, leg *Leg) { leg.start(e) })
	case *wire.Event_LegRinging:
		e := body.LegRinging
		v.changeLeg(e.GetCall(), e.GetLeg(), r, func(c *call, leg *Leg) { v.ringing(c, leg, e.GetAtUs()) })
	case *wire.Event_LegAnswered:
		e := body.LegAnswered
		v.changeLeg(e.GetCall(), e.GetLeg(), r, func(_ *call, leg *Leg) {
			if leg.AnsweredUS == 0 {
				leg.AnsweredUS = e.GetAtUs()
			}
		})
	case *wire.Event_LegEnded:
		v.ended(body.LegEnded, r)
	case *wire.Event_CallStanding:
		v.change(body.CallStanding.GetCall(), r, func(c *call) {
			if us := r.Event.GetEffectiveAtUs(); us >= c.StandingUS {
				c.Standing, c.StandingUS = body.CallStanding.GetWrapped(), us
			}
		})
	case *wire.Event_SignOfLife:
		v.sign(body.SignOfLife, r.TimeUS)
	}
}

// change changes one call that has not ended, and keeps the counters true.
func (v *View) change(b []byte, r events.Recorded, do func(*call)) {
	id, ok := callID(b)
	if !ok || v.over.has(id) {
		return
	}
	c := v.calls[id]
	if c == nil {
		if len(v.calls) >= maxCalls {
			v.dropped++
			return
		}
		c = &call{ID: id}
		v.calls[id] = c
	}
	v.tally(c, -1)
	c.SeenUS = max(c.SeenUS, r.TimeUS)
	do(c)
	v.tally(c, 1)
}

// changeLeg changes one leg of a call.
func (v *View) changeLeg(b []byte, number uint32, r events.Recorded, do func(*call, *Leg)) {
	v.change(b, r, func(c *call) {
		if leg := c.leg(number); leg != nil {
			do(c, leg)
		} else {
			v.dropped++
		}
	})
}

func (v *View) received(c *call, e *wire.CallReceived, recordedUS int64) {
	if c.Received {
		return
	}
	c.Received = true
	c.Node, c.Originator, c.Company = e.GetNode(), e.GetOriginator(), e.GetCompany()
	c.Account, c.Caller, c.Called = e.GetAccount(), e.GetCaller(), e.GetCalled()
	c.SetupUS = e.GetAtUs()
	c.OwnedUS = max(c.OwnedUS, recordedUS)
	if leg := c.leg(0); leg != nil {
		leg.StartedUS = e.GetAtUs()
	}
	v.window.at(e.GetAtUs()).add(Traffic{Attempts: 1})
}

// start takes what an attempt is about.
func (l *Leg) start(e *wire.AttemptStarted) {
	if l.StartedUS != 0 {
		return
	}
	l.Terminator, l.Company, l.Account = e.GetTerminator(), e.GetCompany(), e.GetAccount()
	l.StartedUS = e.GetAtUs()
}

// ringing counts a call's post-dial delay at its first ringing.
func (v *View) ringing(c *call, leg *Leg, atUS int64) {
	if leg.RingingUS != 0 {
		return
	}
	leg.RingingUS = atUS
	if leg.Leg == 0 && c.SetupUS != 0 {
		v.window.at(atUS).add(Traffic{PDDUS: max(atUS-c.SetupUS, 0), PDDCount: 1})
	}
}

// ended ends a leg. A call ends with leg 0.
func (v *View) ended(e *wire.LegEnded, r events.Recorded) {
	if e.GetLeg() != 0 {
		v.changeLeg(e.GetCall(), e.GetLeg(), r, func(_ *call, leg *Leg) {
			if !leg.Ended {
				leg.Ended, leg.EndedUS, leg.SIPCode = true, e.GetAtUs(), e.GetSipCode()
			}
		})
		return
	}
	id, ok := callID(e.GetCall())
	if !ok || v.over.has(id) {
		return
	}
	if h, c := v.holds[id], v.calls[id]; c != nil && h != nil && !h.Closed && h.ClaimedBy != "" && r.Journal != "log.calls."+h.ClaimedBy {
		c.GoneUS = r.TimeUS // the node before, which does not know that it has lost the call
		return
	}
	v.gone(id, e.GetAtUs(), e.GetRawMs())
}

// gone ends a call.
func (v *View) gone(id events.CallID, atUS, rawMS int64) {
	answered := rawMS > 0
	if c := v.calls[id]; c != nil {
		state, _, _, _ := c.state()
		answered = answered || state == Talking
		v.tally(c, -1)
		if n := v.nodes[v.owner(c)]; n != nil {
			delete(n.silent, id)
		}
		delete(v.calls, id)
	}
	if h := v.holds[id]; h != nil && h.Closed {
		delete(v.holds, id)
	}
	v.over.add(id, nil)
	traffic := Traffic{Ended: 1, TalkMS: rawMS}
	if answered {
		traffic.Answered = 1
	}
	v.window.at(atUS).add(traffic)
}
