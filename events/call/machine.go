package call

import (
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Start begins hunting with the candidate that the book has given the call a channel of.
func (m *Machine) Start(now Now, candidate int) []Effect {
	m.pass(candidate)
	return m.attempt(now)
}

// pass leaves out the candidates before one.
func (m *Machine) pass(candidate int) {
	for ; m.next < min(candidate, len(m.plans)); m.next++ {
		m.plans[m.next].Passed = true
	}
}

// Advanced tells which candidate the book lets the call try next; beyond the last one
// nobody is left.
func (m *Machine) Advanced(now Now, candidate int) []Effect {
	if m.phase != hunting || !m.asking {
		return nil
	}
	m.asking = false
	m.pass(candidate)
	return append(m.settleFailed(m.next == len(m.plans)), m.attempt(now)...)
}

// NotAdvanced tells that the book said nothing: who knows whose channels are free?
func (m *Machine) NotAdvanced(now Now) []Effect {
	if m.phase != hunting || !m.asking {
		return nil
	}
	m.asking = false
	return append(m.settleFailed(true), m.refuse(now, 503, "Service Unavailable", q850(CauseBookSilent), CauseBookSilent, wire.EndedBy_ENDED_BY_SWITCH)...)
}

// settleFailed records the end of the attempt before.
func (m *Machine) settleFailed(last bool) []Effect {
	f := m.failed
	if f == nil {
		return nil
	}
	m.failed, f.last = nil, last
	return []Effect{m.end(f.at, f.ending)}
}

// Resume makes the machine of an answered call that another node served: the attempt
// of a number was answered, and the call is known to have lived until proven. Until it
// is Confirmed it ends there, whoever ends it. The effects begin it.
func Resume(id events.CallID, plans []Plan, paid time.Duration, egress uint32, now Now, answeredUS, provenUS int64) (*Machine, []Effect) {
	at := func(us int64) Now { return Now{US: us, Mono: now.Mono - time.Duration(now.US-us)*time.Microsecond} }
	m := &Machine{
		id: id, plans: plans, paid: paid, phase: talking, next: len(plans), ringing: true,
		current: &leg{number: egress, candidate: int(egress) - 1, ringing: true}, answered: at(answeredUS),
	}
	proven := at(max(provenUS, answeredUS))
	m.proven = &proven
	return m, m.arm(now)
}

// Confirmed tells that both sides of a resumed call have agreed to go on.
func (m *Machine) Confirmed() { m.proven = nil }

// Drop ends a call that another node has taken: it has no end here. One that was not
// answered is taken back from both sides.
func (m *Machine) Drop(now Now) []Effect {
	switch m.phase {
	case hunting:
		return m.abandon(now, 503, "Service Unavailable", 41, CauseLost, wire.EndedBy_ENDED_BY_LOST)
	case talking:
		m.phase, m.current.ended = over, true
		return []Effect{Clear{TimerExtend}, Clear{TimerCut}}
	}
	return nil
}

// hunt goes on after an attempt that has failed. Where that vendor or the next one has
// limits, the book is asked first.
func (m *Machine) hunt(now Now, f failure) []Effect {
	m.failed = &f
	if m.next < len(m.plans) && (m.plans[m.next].Limited || m.plans[m.current.candidate].Limited) {
		m.asking = true
		return []Effect{Advance{m.next}}
	}
	return append(m.settleFailed(m.next == len(m.plans)), m.attempt(now)...)
}

// attempt tries the next candidate, or gives the caller the last vendor's answer.
func (m *Machine) attempt(now Now) []Effect {
	if m.next == len(m.plans) {
		code, text := forCaller(m.lastCode, m.lastText)
		return m.refuse(now, code, text, m.lastQ850, CauseVendors, wire.EndedBy_ENDED_BY_CALLEE)
	}
	m.current = &leg{number: uint32(m.next + 1), candidate: m.next}
	plan := m.plans[m.next]
	m.next++
	return []Effect{
		SendInvite{Leg: m.current.number, Index: m.current.candidate},
		Set{TimerPDD, plan.PDD}, Set{TimerRing, plan.Ring},
	}
}

// trying tells whether a leg is the attempt in progress.
func (m *Machine) trying(legNumber uint32) bool {
	return m.phase == hunting && m.current != nil && m.current.number == legNumber && !m.current.ended && !m.current.cancelled
}

// Ringing tells of a provisional answer of a leg: 180, 181, 182 or 183.
func (m *Machine) Ringing(now Now, legNumber, code uint32, media bool) []Effect {
	if !m.trying(legNumber) {
		return nil
	}
	effects := []Effect{Clear{TimerPDD}, Provisional{code}}
	if !m.current.ringing {
		m.current.ringing = true
		effects = append(effects, m.ring(now, legNumber, code, media))
	}
	if !m.ringing {
		m.ringing = true
		effects = append(effects, m.ring(now, 0, code, media))
	}
	return effects
}

// Answer tells of a leg's 200.
func (m *Machine) Answer(now Now, legNumber uint32) []Effect {
	if m.phase == talking && m.current.number == legNumber {
		return nil // the 200 again: a BYE would end the call that it began
	}
	if !m.trying(legNumber) {
		// A 200 that crossed our CANCEL: the vendor must hear a BYE, the caller
		// pays nothing.
		return []Effect{SendBye{Leg: legNumber, Reason: "answered too late", Q850: q850("")}}
	}
	m.phase, m.answered = talking, now
	effects := []Effect{
		Clear{TimerPDD}, Clear{TimerRing}, AnswerCaller{Leg: legNumber},
		m.answer(now, legNumber), m.answer(now, 0),
	}
	return append(effects, m.arm(now)...)
}

// arm sets the timers of the paid time.
func (m *Machine) arm(now Now) []Effect {
	talked := now.Mono - m.answered.Mono
	remaining := m.paid - talked
	return []Effect{
		Set{TimerCut, max(0, remaining-Guard)},
		Set{TimerExtend, max(0, remaining-min(ExtendBefore, m.paid/2))},
	}
}

// Failed tells of a leg's final answer that is not a 2xx, or of no answer at all,
// which counts as 408.
func (m *Machine) Failed(now Now, legNumber, code uint32, text string, q850 uint32) []Effect {
	if m.phase == talking || m.current == nil || m.current.number != legNumber || m.current.ended {
		return nil
	}
	l := m.current
	l.ended = true
	if m.phase == over {
		return nil // the leg was recorded when the call ended
	}
	m.lastCode, m.lastText, m.lastQ850 = code, text, q850
	cause := CauseOf(code)
	if l.cancelled {
		cause = CauseTimeout
	}
	effects := []Effect{Clear{TimerPDD}, Clear{TimerRing}}
	e := ending{leg: l.number, code: code, text: text, q850: q850, cause: cause, by: wire.EndedBy_ENDED_BY_CALLEE}
	if m.stops(code, q850) && !l.cancelled {
		e.last = true
		code, text = forCaller(code, text)
		return append(append(effects, m.end(now, e)), m.refuse(now, code, text, q850, cause, wire.EndedBy_ENDED_BY_CALLEE)...)
	}
	return append(effects, m.hunt(now, failure{now, e})...)
}

// Expired tells that a timer ran out.
func (m *Machine) Expired(now Now, t Timer) []Effect {
	switch t {
	case TimerPDD, TimerRing:
		if m.current == nil || !m.trying(m.current.number) {
			return nil
		}
		late := m.current
		late.cancelled = true
		// Failed makes the next attempt the current one: the CANCEL is the old one's.
		return append([]Effect{SendCancel{late.number, q850(CauseTimeout)}},
			m.Failed(now, late.number, 408, "Request Timeout", 102)...)
	case TimerExtend:
		if m.phase == talking {
			return []Effect{Extend{m.paid}}
		}
	case TimerCut:
		if m.phase != talking {
			return nil
		}
		if talked := now.Mono - m.answered.Mono; talked < m.paid-Guard {
			return m.arm(now) // the timer was on its way when more was paid
		}
		return m.hangUp(now, CauseNoMoney, wire.EndedBy_ENDED_BY_SWITCH, 0, q850(CauseNoMoney))
	}
	return nil
}

// Extended tells that the paid time is now paid in all.
func (m *Machine) Extended(now Now, paid time.Duration) []Effect {
	if m.phase != talking || paid <= m.paid {
		return nil
	}
	m.paid = paid
	return m.arm(now)
}

// NotExtended tells that the book said no, or nothing. The paid time runs out
// unless a later question is answered better: a payment may come meanwhile.
func (m *Machine) NotExtended(now Now) []Effect {
	if m.phase != talking {
		return nil
	}
	remaining := m.paid - (now.Mono - m.answered.Mono) - Guard
	if remaining < extendAgain {
		return nil
	}
	return []Effect{Set{TimerExtend, max(extendAgain, remaining/2)}}
}

// Cancel tells that the caller's INVITE ended in a 487: he gave up before the
// answer, or so close to it that our 200 never reached him. The cause of Q.850 is
// the one he gave, 0 for none.
func (m *Machine) Cancel(now Now, cause uint32) []Effect {
	if cause == 0 {
		cause = q850(CauseCancelled)
	}
	switch m.phase {
	case hunting:
		return m.abandon(now, 487, "Request Terminated", cause, CauseCancelled, wire.EndedBy_ENDED_BY_CALLER)
	case talking:
		return m.crossed(now, ending{
			code: 487, text: "Request Terminated", q850: cause, cause: CauseCancelled, by: wire.EndedBy_ENDED_BY_CALLER,
		})
	}
	return nil
}

// Unheard ends a call whose answer could not be given to the caller, who hears a
// refusal instead: he did not acknowledge what comes before it, or the vendor hung
// up meanwhile.
func (m *Machine) Unheard(now Now, code uint32, text, cause string) []Effect {
	by := wire.EndedBy_ENDED_BY_SWITCH
	if cause == CauseAnswered {
		cause, by = CauseRejected, wire.EndedBy_ENDED_BY_CALLEE
	}
	switch m.phase {
	case hunting:
		return m.abandon(now, code, text, q850(cause), cause, by)
	case talking:
		return append([]Effect{RejectCaller{code, text, q850(cause)}},
			m.crossed(now, ending{code: code, text: text, q850: q850(cause), cause: cause, by: by})...)
	}
	return nil
}

// Bye tells that a side hung up, leg 0 being the caller's, and with which cause of
// Q.850, 0 for none: the other side is told the same.
func (m *Machine) Bye(now Now, legNumber, cause uint32) []Effect {
	if m.phase == hunting && legNumber == 0 {
		return m.Cancel(now, cause)
	}
	if cause == 0 {
		cause = q850(CauseAnswered)
	}
	if m.phase != talking || legNumber != 0 && legNumber != m.current.number {
		return nil
	}
	by := wire.EndedBy_ENDED_BY_CALLER
	if legNumber != 0 {
		by = wire.EndedBy_ENDED_BY_CALLEE
	}
	return m.hangUp(now, CauseAnswered, by, legNumber, cause)
}

// HangUp ends the call by our own will, for a cause.
func (m *Machine) HangUp(now Now, cause string) []Effect {
	switch m.phase {
	case hunting:
		return m.abandon(now, 503, "Service Unavailable", 41, cause, wire.EndedBy_ENDED_BY_SWITCH)
	case talking:
		return m.hangUp(now, cause, wire.EndedBy_ENDED_BY_SWITCH, 0, q850(cause))
	}
	return nil
}
