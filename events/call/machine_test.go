package call_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
)

var id = events.CallID{1, 2, 3}

// at is an instant some seconds into the test.
func at(seconds float64) call.Now {
	d := time.Duration(seconds * float64(time.Second))
	return call.Now{US: 1_783_000_800_000_000 + d.Microseconds(), Mono: 7*time.Hour + d}
}

func machine(plans int, paid time.Duration, limited ...int) *call.Machine {
	p := make([]call.Plan, plans)
	for i := range p {
		p[i] = call.Plan{Candidate: &wire.Candidate{}, PDD: 8 * time.Second, Ring: 60 * time.Second, Limited: slices.Contains(limited, i)}
	}
	return call.New(id, p, paid, call.DefaultStop())
}

// fail tells a machine of a vendor's final answer.
func fail(when float64, leg, code uint32) func(*call.Machine) []call.Effect {
	return func(m *call.Machine) []call.Effect { return m.Failed(at(when), leg, code, "Reason", 0) }
}

// words writes effects as people would tell them.
func words(effects []call.Effect) string {
	var out []string
	for _, e := range effects {
		out = append(out, word(e))
	}
	return strings.Join(out, "; ")
}

func word(e call.Effect) string {
	switch e := e.(type) {
	case call.SendInvite:
		return fmt.Sprintf("invite %d", e.Leg)
	case call.Advance:
		return fmt.Sprintf("ask for candidate %d", e.Index)
	case call.SendCancel:
		return fmt.Sprintf("cancel %d", e.Leg)
	case call.SendBye:
		return fmt.Sprintf("bye %d", e.Leg)
	case call.Provisional:
		return fmt.Sprintf("pass %d", e.Code)
	case call.AnswerCaller:
		return fmt.Sprintf("answer with %d", e.Leg)
	case call.RejectCaller:
		return fmt.Sprintf("reject %d", e.Code)
	case call.Set:
		return fmt.Sprintf("set %s %v", e.Timer, e.After)
	case call.Clear:
		return fmt.Sprintf("clear %s", e.Timer)
	case call.Extend:
		return fmt.Sprintf("extend %v", e.Paid)
	case call.Charge:
		return fmt.Sprintf("charge candidate %d for %d ms", e.Call.Candidate, e.Call.RawMs)
	case call.Release:
		return "release " + e.Reason
	case call.Record:
		return "record " + recorded(e.Event)
	}
	return "?"
}

func recorded(e *wire.Event) string {
	switch b := e.Body.(type) {
	case *wire.Event_LegRinging:
		return fmt.Sprintf("ringing %d", b.LegRinging.Leg)
	case *wire.Event_LegAnswered:
		return fmt.Sprintf("answered %d", b.LegAnswered.Leg)
	case *wire.Event_LegEnded:
		l := b.LegEnded
		s := fmt.Sprintf("end %d %d %s", l.Leg, l.SipCode, l.Cause)
		if l.Priced {
			s += fmt.Sprintf(" %d ms", l.RawMs)
		}
		if l.Last {
			s += " last"
		}
		return s
	}
	return "?"
}

type step struct {
	do   func(*call.Machine) []call.Effect
	want string
}

func TestLives(t *testing.T) {
	begin := step{func(m *call.Machine) []call.Effect { return m.Start(at(0), 0) }, "invite 1; set pdd 8s; set ring 1m0s"}
	ring := step{func(m *call.Machine) []call.Effect { return m.Ringing(at(1), 1, 180, false) }, "clear pdd; pass 180; record ringing 1; record ringing 0"}
	answer := step{func(m *call.Machine) []call.Effect { return m.Answer(at(2), 1) },
		"clear pdd; clear ring; answer with 1; record answered 1; record answered 0; set cut 59.7s; set extend 40s"}
	second := "clear pdd; clear ring; record end 1 %d %s; invite 2; set pdd 8s; set ring 1m0s"
	for _, c := range []struct {
		name  string
		plans int
		steps []step
	}{
		{"the caller hangs up", 1, []step{begin, ring, answer,
			{func(m *call.Machine) []call.Effect { return m.Bye(at(12.5), 0, 0) },
				"clear extend; clear cut; bye 1; charge candidate 0 for 10500 ms; record end 1 200 answered 10500 ms last; record end 0 200 answered 10500 ms last"},
			{func(m *call.Machine) []call.Effect { return m.Bye(at(12.5), 1, 0) }, ""},
		}},
		{"the callee hangs up", 1, []step{begin, answer,
			{func(m *call.Machine) []call.Effect { return m.Bye(at(3), 1, 0) },
				"clear extend; clear cut; bye 0; charge candidate 0 for 1000 ms; record end 1 200 answered 1000 ms last; record end 0 200 answered 1000 ms last"},
		}},
		{"an operator hangs up", 1, []step{begin, answer,
			{func(m *call.Machine) []call.Effect { return m.HangUp(at(3), call.CauseOperator) },
				"clear extend; clear cut; bye 0; bye 1; charge candidate 0 for 1000 ms; record end 1 200 operator 1000 ms last; record end 0 200 operator 1000 ms last"},
		}},
		{"the first vendor is down", 2, []step{begin,
			{fail(1, 1, 503), fmt.Sprintf(second, 503, "rejected")},
			{func(m *call.Machine) []call.Effect { return m.Ringing(at(2), 2, 183, true) }, "clear pdd; pass 183; record ringing 2; record ringing 0"},
			{func(m *call.Machine) []call.Effect { return m.Ringing(at(3), 2, 180, false) }, "clear pdd; pass 180"},
			{func(m *call.Machine) []call.Effect { return m.Answer(at(4), 2) },
				"clear pdd; clear ring; answer with 2; record answered 2; record answered 0; set cut 59.7s; set extend 40s"},
			{func(m *call.Machine) []call.Effect { return m.Bye(at(5), 0, 0) },
				"clear extend; clear cut; bye 2; charge candidate 1 for 1000 ms; record end 2 200 answered 1000 ms last; record end 0 200 answered 1000 ms last"},
		}},
		{"the first trunk is busy", 2, []step{begin, {fail(1, 1, 486), fmt.Sprintf(second, 486, "busy")}}},
		{"the number does not exist", 2, []step{begin, {fail(1, 1, 404),
			"clear pdd; clear ring; record end 1 404 rejected last; reject 404; release rejected; record end 0 404 rejected last"}}},
		{"the human declines", 2, []step{begin, ring, {fail(1, 1, 603),
			"clear pdd; clear ring; record end 1 603 rejected last; reject 603; release rejected; record end 0 603 rejected last"}}},
		{"nobody takes it", 2, []step{begin, {fail(1, 1, 503), fmt.Sprintf(second, 503, "rejected")}, {fail(2, 2, 500),
			"clear pdd; clear ring; record end 2 500 rejected last; reject 500; release no_vendor_took_it; record end 0 500 no_vendor_took_it last"},
			{fail(3, 2, 500), ""}, {fail(3, 1, 503), ""}}},
		{"no ringing, and then a late answer", 1, []step{begin,
			{func(m *call.Machine) []call.Effect { return m.Expired(at(8), call.TimerPDD) },
				"cancel 1; clear pdd; clear ring; record end 1 408 timeout last; reject 480; release no_vendor_took_it; record end 0 480 no_vendor_took_it last"},
			{func(m *call.Machine) []call.Effect { return m.Answer(at(8), 1) }, "bye 1"},
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(9), 0) }, ""},
			{func(m *call.Machine) []call.Effect { return m.HangUp(at(9), call.CauseOperator) }, ""},
		}},
		{"the late answer of the first vendor", 2, []step{begin,
			{func(m *call.Machine) []call.Effect { return m.Expired(at(8), call.TimerRing) },
				"cancel 1; clear pdd; clear ring; record end 1 408 timeout; invite 2; set pdd 8s; set ring 1m0s"},
			{func(m *call.Machine) []call.Effect { return m.Ringing(at(8), 1, 180, false) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Answer(at(8), 1) }, "bye 1"},
			{fail(9, 1, 487), ""},
		}},
		{"the caller gives up", 2, []step{begin, ring,
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(3), 0) },
				"clear pdd; clear ring; cancel 1; record end 1 487 cancelled last; reject 487; release cancelled; record end 0 487 cancelled last"},
			{fail(4, 1, 487), ""},
			{func(m *call.Machine) []call.Effect { return m.Answer(at(4), 1) }, "bye 1"},
		}},
		{"the caller's BYE comes before the answer", 1, []step{begin,
			{func(m *call.Machine) []call.Effect { return m.Bye(at(3), 1, 0) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Bye(at(3), 0, 0) },
				"clear pdd; clear ring; cancel 1; record end 1 487 cancelled last; reject 487; release cancelled; record end 0 487 cancelled last"},
		}},
		{"answer and CANCEL cross", 1, []step{begin, answer,
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(2), 0) },
				"clear extend; clear cut; bye 1; release cancelled; record end 1 200 cancelled last; record end 0 487 cancelled last"},
		}},
		{"the node is shut down while hunting", 1, []step{begin,
			{func(m *call.Machine) []call.Effect { return m.HangUp(at(2), call.CauseDrained) },
				"clear pdd; clear ring; cancel 1; record end 1 487 shutdown last; reject 503; release shutdown; record end 0 503 shutdown last"},
		}},
		{"the 200 comes twice", 1, []step{begin, answer,
			{func(m *call.Machine) []call.Effect { return m.Answer(at(2.5), 1) }, ""},
		}},
		{"a failure after the answer", 2, []step{begin, answer, {fail(3, 1, 503), ""}}},
		{"extended and cut", 1, []step{begin, answer,
			{func(m *call.Machine) []call.Effect { return m.Expired(at(42), call.TimerExtend) }, "extend 1m0s"},
			{func(m *call.Machine) []call.Effect { return m.Extended(at(42), 70*time.Second) }, "set cut 29.7s; set extend 10s"},
			{func(m *call.Machine) []call.Effect { return m.Extended(at(42), 70*time.Second) }, ""},
			// The old timer was on its way when the answer of the book came.
			{func(m *call.Machine) []call.Effect { return m.Expired(at(61.7), call.TimerCut) }, "set cut 10s; set extend 0s"},
			{func(m *call.Machine) []call.Effect { return m.NotExtended(at(62)) }, "set extend 4.85s"},
			{func(m *call.Machine) []call.Effect { return m.NotExtended(at(70.8)) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Expired(at(71.7), call.TimerCut) },
				"clear extend; clear cut; bye 0; bye 1; charge candidate 0 for 69700 ms; record end 1 200 paid_time_over 69700 ms last; record end 0 200 paid_time_over 69700 ms last"},
			{func(m *call.Machine) []call.Effect { return m.Expired(at(71.7), call.TimerExtend) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Expired(at(71.7), call.TimerCut) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Extended(at(71.7), time.Hour) }, ""},
			{func(m *call.Machine) []call.Effect { return m.NotExtended(at(71.7)) }, ""},
		}},
		{"no candidates", 0, []step{
			{func(m *call.Machine) []call.Effect { return m.Start(at(0), 0) }, "reject 480; release no_vendor_took_it; record end 0 480 no_vendor_took_it last"},
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(0), 0) }, ""},
		}},
		{"refused before any vendor", 1, []step{
			{func(m *call.Machine) []call.Effect { return m.Refuse(at(0), 402, "Payment Required", "no_money") }, "reject 402; record end 0 402 no_money last"},
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(0), 0) }, ""},
		}},
		{"given up before the first INVITE", 1, []step{
			{func(m *call.Machine) []call.Effect { return m.Ringing(at(0), 1, 180, false) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Expired(at(0), call.TimerPDD) }, ""},
			{func(m *call.Machine) []call.Effect { return m.Cancel(at(0), 0) },
				"clear pdd; clear ring; reject 487; release cancelled; record end 0 487 cancelled last"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machine(c.plans, time.Minute)
			for i, s := range c.steps {
				if diff := cmp.Diff(s.want, words(s.do(m))); diff != "" {
					t.Errorf("step %d: %s", i+1, diff)
				}
			}
		})
	}
}

// A call that was answered at 0 goes on at 10 on another node, which knows that it lived
// at 7: until both sides have agreed it ends there, later where it ends.
func TestResumedCall(t *testing.T) {
	lost := "clear extend; clear cut; %scharge candidate 1 for 7000 ms; record end 2 200 %[2]s 7000 ms last; record end 0 200 %[2]s 7000 ms last"
	for _, c := range []struct {
		name string
		do   func(*call.Machine) []call.Effect
		want string
	}{
		{"a side refuses", func(m *call.Machine) []call.Effect { return m.HangUp(at(11), call.CauseUntaken) },
			fmt.Sprintf(lost, "bye 0; bye 2; ", "not_taken_over")},
		{"a side knows nothing of it", func(m *call.Machine) []call.Effect { return m.HangUp(at(11), call.CauseGone) },
			fmt.Sprintf(lost, "bye 0; bye 2; ", "not_taken_over")},
		{"an operator", func(m *call.Machine) []call.Effect { return m.HangUp(at(11), call.CauseOperator) },
			fmt.Sprintf(lost, "bye 0; bye 2; ", "operator")},
		{"the caller hangs up meanwhile", func(m *call.Machine) []call.Effect { return m.Bye(at(11), 0, 0) }, fmt.Sprintf(lost, "bye 2; ", "answered")},
		{"it goes on", func(m *call.Machine) []call.Effect {
			m.Confirmed()
			return m.Bye(at(12), 2, 0)
		}, "clear extend; clear cut; bye 0; charge candidate 1 for 12000 ms; record end 2 200 answered 12000 ms last; record end 0 200 answered 12000 ms last"},
		{"another node has it", func(m *call.Machine) []call.Effect { return append(m.Drop(at(11)), m.Bye(at(12), 0, 0)...) }, "clear extend; clear cut"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plans := []call.Plan{{Candidate: &wire.Candidate{}}, {Candidate: &wire.Candidate{}}}
			m, effects := call.Resume(id, plans, time.Minute, 2, at(10), at(0).US, at(7).US)
			if diff := cmp.Diff("set cut 49.7s; set extend 30s", words(effects)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.want, words(c.do(m))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChargeCarriesTheFigures(t *testing.T) {
	m := machine(1, time.Minute)
	m.Start(at(0), 0)
	m.Answer(at(2), 1)
	if a, ok := m.Answered(); !ok || a != at(2) || !m.Talking() || m.Over() || m.Paid() != time.Minute {
		t.Error("the machine forgets")
	}
	for _, e := range m.Bye(at(3.5), 1, 0) {
		switch e := e.(type) {
		case call.Charge:
			c := e.Call
			if c.AnsweredAtUs != at(2).US || c.EndedAtUs != at(3.5).US || c.RawMs != 1500 || c.EndedBy != wire.EndedBy_ENDED_BY_CALLEE ||
				string(c.Call) != string(id[:]) || c.EgressLeg != 1 || c.SipCode != 200 {
				t.Errorf("%v", c)
			}
		case call.Record:
			if e.Event.EffectiveAtUs != at(3.5).US || string(e.Event.Correlation) != string(id[:]) {
				t.Errorf("%v", e.Event)
			}
		}
	}
	if m.Talking() || !m.Over() {
		t.Error("the call goes on")
	}
}
