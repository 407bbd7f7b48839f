package call

import (
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// The causes of a leg's end, in our own words.
const (
	CauseAnswered   = "answered"
	CauseCancelled  = "cancelled"
	CauseBusy       = "busy"
	CauseNoAnswer   = "no_answer"
	CauseTimeout    = "timeout"
	CauseRejected   = "rejected"
	CauseVendors    = "no_vendor_took_it"
	CauseNoMoney    = "paid_time_over"
	CauseNoMedia    = "no_media"
	CauseNoAck      = "no_ack"
	CauseOperator   = "operator"
	CauseDrained    = "shutdown"
	CauseLost       = "node_lost"
	CauseInternal   = "internal"
	CauseExpired    = "session_expired" // nobody refreshed the session in time (RFC 4028)
	CauseGone       = "far_end_gone"    // a side no longer knows of the call, or says nothing
	CauseBadAnswer  = "bad_answer"      // a side's session description cannot be used
	CauseBookSilent = "book_unavailable"
	CauseUntaken    = "not_taken_over" // its node was lost, and a side would not go on with another
)

// q850 is the cause of Q.850 that the far ends are told when the switch ends an
// answered call, or gives an attempt up.
func q850(cause string) uint32 {
	switch cause {
	case CauseExpired, CauseGone, CauseNoAck, CauseTimeout:
		return 102 // recovery on timer expiry
	case CauseInternal, CauseNoMedia, CauseLost, CauseUntaken, CauseBookSilent:
		return 41 // temporary failure
	case CauseBadAnswer:
		return 88 // incompatible destination
	default:
		return 16 // normal call clearing
	}
}

// CauseOf names the cause behind a vendor's final answer.
func CauseOf(code uint32) string {
	switch code {
	case 486, 600:
		return CauseBusy
	case 408, 480:
		return CauseNoAnswer
	default:
		return CauseRejected
	}
}

type ending struct {
	leg, code, q850 uint32
	text, cause     string
	by              wire.EndedBy
	rawMS           int64
	priced, last    bool
}

func (m *Machine) event(now Now, e *wire.Event) Record {
	return Record{Observed(m.id, now, e)}
}

// Observed completes an event of a call: when it counts and what it belongs to.
func Observed(id events.CallID, now Now, e *wire.Event) *wire.Event {
	e.Schema, e.EffectiveAtUs, e.Correlation = 1, now.US, id[:]
	return e
}

func (m *Machine) ring(now Now, legNumber, code uint32, media bool) Record {
	return m.event(now, &wire.Event{Body: &wire.Event_LegRinging{LegRinging: &wire.LegRinging{
		Call: m.id[:], Leg: legNumber, AtUs: now.US, Code: code, EarlyMedia: media,
	}}})
}

func (m *Machine) answer(now Now, legNumber uint32) Record {
	return m.event(now, &wire.Event{Body: &wire.Event_LegAnswered{LegAnswered: &wire.LegAnswered{
		Call: m.id[:], Leg: legNumber, AtUs: now.US,
	}}})
}

func (m *Machine) end(now Now, e ending) Record {
	return m.event(now, &wire.Event{Body: &wire.Event_LegEnded{LegEnded: &wire.LegEnded{
		Call: m.id[:], Leg: e.leg, AtUs: now.US, SipCode: e.code, Reason: e.text, Q850: e.q850,
		Cause: e.cause, EndedBy: e.by, RawMs: e.rawMS, Priced: e.priced, Last: e.last,
	}}})
}

// forCaller is a vendor's final answer as the caller hears it: what is between the
// vendor and us, such as a challenge or a redirection, is no business of his.
func forCaller(code uint32, text string) (uint32, string) {
	switch {
	case code < 400:
	case code == 401 || code == 402 || code == 407 || code == 408 || code == 422 || code == 481 || code == 491 || code == 494:
	case code == 420 || code == 421:
	default:
		return code, text
	}
	return 480, "Temporarily Unavailable"
}

// refuse ends a call that no vendor took.
func (m *Machine) refuse(now Now, code uint32, text string, q850 uint32, cause string, by wire.EndedBy) []Effect {
	m.phase = over
	return []Effect{
		RejectCaller{code, text, q850}, Release{cause},
		m.end(now, ending{leg: 0, code: code, text: text, q850: q850, cause: cause, by: by, last: true}),
	}
}

// abandon ends a call while an attempt is in progress.
func (m *Machine) abandon(now Now, code uint32, text string, q850 uint32, cause string, by wire.EndedBy) []Effect {
	effects := []Effect{Clear{TimerPDD}, Clear{TimerRing}}
	if l := m.current; l != nil && !l.ended {
		l.cancelled = true
		effects = append(effects, SendCancel{l.number, q850},
			m.end(now, ending{leg: l.number, code: 487, text: "Request Terminated", q850: q850, cause: cause, by: by, last: true}))
	}
	effects = append(effects, m.settleFailed(true)...)
	return append(effects, m.refuse(now, code, text, q850, cause, by)...)
}

// hangUp ends an answered call. from is the leg that sent its BYE; when it was
// the switch that ended the call (or a CANCEL crossed), both legs get one. A resumed
// call that is not confirmed ends where it was last known to live.
func (m *Machine) hangUp(now Now, cause string, by wire.EndedBy, from, q850 uint32) []Effect {
	m.phase = over
	effects := []Effect{Clear{TimerExtend}, Clear{TimerCut}}
	egress := m.current.number
	if m.proven != nil {
		now = *m.proven
		if by == wire.EndedBy_ENDED_BY_SWITCH && cause != CauseOperator {
			by, cause, q850 = wire.EndedBy_ENDED_BY_LOST, CauseUntaken, 41
		}
	}
	if by != wire.EndedBy_ENDED_BY_CALLER {
		effects = append(effects, SendBye{Leg: 0, Reason: cause, Q850: q850})
	}
	if from != egress {
		effects = append(effects, SendBye{Leg: egress, Reason: cause, Q850: q850})
	}
	raw := (now.Mono - m.answered.Mono).Milliseconds()
	m.current.ended = true
	charge := &wire.ChargeCall{
		Call: m.id[:], Candidate: uint32(m.current.candidate), EgressLeg: egress,
		AnsweredAtUs: m.answered.US, EndedAtUs: now.US, RawMs: raw, SipCode: 200, Q850: q850, EndedBy: by,
	}
	e := ending{code: 200, text: "OK", q850: q850, cause: cause, by: by, rawMS: raw, priced: true, last: true}
	first, second := e, e
	first.leg, second.leg = egress, 0
	return append(effects, Charge{charge}, m.end(now, first), m.end(now, second))
}

// crossed ends a call whose answer never reached the caller: the vendor gets a BYE
// and has his leg on record, the caller pays nothing.
func (m *Machine) crossed(now Now, e ending) []Effect {
	m.phase = over
	m.current.ended = true
	e.last = true
	vendor := e
	vendor.leg, vendor.code, vendor.text = m.current.number, 200, "OK"
	return []Effect{
		Clear{TimerExtend}, Clear{TimerCut},
		SendBye{Leg: m.current.number, Reason: e.cause, Q850: e.q850}, Release{e.cause},
		m.end(now, vendor), m.end(now, e),
	}
}

// Refuse ends a call that was never let through to a vendor.
func (m *Machine) Refuse(now Now, code uint32, text, cause string) []Effect {
	m.phase = over
	return []Effect{
		RejectCaller{Code: code, Reason: text},
		m.end(now, ending{leg: 0, code: code, text: text, cause: cause, by: wire.EndedBy_ENDED_BY_SWITCH, last: true}),
	}
}
