package b2bua

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/wire"
)

// calls are the flows and races of a call by name, over a network without faults.
var calls = []struct {
	name  string
	plan  plan
	codes []int // of the legs' ends
	cause string
	// answered tells whether the call is paid.
	answered bool
	look     func(t *testing.T, r *rig)
}{
	{name: "a call", plan: plan{talk: 3 * time.Second, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) {
			if raw := r.diary.ends()[0][0].RawMs; raw < 2900 || raw > 3200 {
				t.Errorf("%d ms of talk", raw)
			}
			r.passes(t, vendorAddrs[0].String(), "Reason: Q.850;cause=27", 1)
			if q := r.diary.ends()[0][0].Q850; q != 27 {
				t.Errorf("Q.850 cause %d on record", q)
			}
		}},
	{name: "183, 180, 183", plan: plan{talk: time.Second, vendors: vendors(vendorPlan{code: 200, after: 2 * time.Second, rings: []ring{{183, true, false}, {180, false, false}, {183, true, false}}})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, callerAddr.String(), "SIP/2.0 183", 1) // twice the same
			r.passes(t, callerAddr.String(), "SIP/2.0 180", 1)
		}},
	{name: "100rel on both legs", plan: plan{reliable: true, talk: time.Second, vendors: vendors(vendorPlan{code: 200, after: 2 * time.Second, rings: []ring{{183, true, true}, {180, false, true}}})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "PRACK ", 2)
			r.passes(t, callerAddr.String(), "RSeq: 2", 1)
		}},
	{name: "an offer in the 200", plan: plan{offerless: true, talk: time.Second, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) {
			if !r.vendors[0].calls[r.vendorCall()].lastAckWithSDP {
				t.Error("the vendor's ACK bears no answer")
			}
		}},
	{name: "hold by the caller", plan: plan{talk: 5 * time.Second, changes: []change{{time.Second, "hold"}, {3 * time.Second, "resume"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "a=sendonly", 1)
			r.passes(t, callerAddr.String(), "a=recvonly", 1)
		}},
	{name: "hold by the vendor", plan: plan{talk: 5 * time.Second, vendors: vendors(vendorPlan{code: 200, after: time.Second, changes: []change{{time.Second, "hold"}}})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "a=sendonly", 1) }},
	{name: "an offer asked for in the call", plan: plan{talk: 5 * time.Second, changes: []change{{time.Second, "ask"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			if !r.vendors[0].calls[r.vendorCall()].lastAckWithSDP {
				t.Error("the vendor's ACK bears no answer")
			}
		}},
	{name: "UPDATE", plan: plan{talk: 5 * time.Second, changes: []change{{time.Second, "update"}, {2 * time.Second, "refresh"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "UPDATE ", 1) // the one without a description ends here
		}},
	{name: "DTMF in INFO", plan: plan{talk: 5 * time.Second, changes: []change{{time.Second, "tone"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[0].String(), "Signal=5", 1) }},
	{name: "glare", plan: plan{talk: 20 * time.Second, changes: []change{{time.Second, "hold"}}, vendors: vendors(vendorPlan{code: 200, after: time.Second, changes: []change{{1020 * time.Millisecond, "hold"}}})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) { r.passes(t, "", "SIP/2.0 491", -1) }},
	{name: "a change withdrawn", plan: plan{talk: 15 * time.Second, changes: []change{{time.Second, "withdrawn"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true},
	{name: "a change withdrawn in time", plan: plan{slow: true, talk: 15 * time.Second, changes: []change{{time.Second, "withdrawn"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "CANCEL ", 1)
			r.passes(t, vendorAddrs[0].String(), "2 INVITE", 1)
			r.passes(t, vendorAddrs[0].String(), "3 INVITE", 0)
		}},
	{name: "a change withdrawn, and agreed to", plan: plan{slow: true, stubborn: true, talk: 15 * time.Second, changes: []change{{time.Second, "withdrawn"}}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, callerAddr.String(), "SIP/2.0 487", 1)
			r.passes(t, vendorAddrs[0].String(), "3 INVITE", 1) // which takes it back
		}},
	{name: "CANCEL", plan: plan{cancelAfter: time.Second, vendors: vendors(vendorPlan{rings: []ring{{180, false, false}}})}, codes: []int{487, 487}, cause: "cancelled",
		look: func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[0].String(), "Reason: Q.850;cause=31", 1) }},
	{name: "CANCEL before anything is heard", plan: plan{cancelAfter: time.Second, vendors: vendors(vendorPlan{})}, codes: []int{487, 487}, cause: "cancelled"},
	{name: "CANCEL against 200", plan: plan{cancelAfter: time.Second, vendors: vendors(vendorPlan{rings: []ring{{180, false, false}}, crosses: true})}, codes: []int{487, 487}, cause: "cancelled",
		look: func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[0].String(), "BYE ", 1) }},
	{name: "the 487 is lost", plan: plan{cancelAfter: time.Second, vendors: vendors(vendorPlan{rings: []ring{{180, false, false}}, mute: true})}, codes: []int{487, 487}, cause: "cancelled"},
	{name: "no ACK", plan: plan{deaf: true, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "no_ack", answered: true,
		look: func(t *testing.T, r *rig) {
			if raw := r.diary.ends()[0][0].RawMs; raw < 31_000 || raw > 33_000 {
				t.Errorf("ended after %d ms", raw)
			}
		}},
	{name: "BYE before ACK", plan: plan{rushed: true, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "answered", answered: true},
	{name: "BYE from both sides", plan: plan{talk: 5 * time.Second, vendors: vendors(vendorPlan{code: 200, after: time.Second, talk: 5010 * time.Millisecond})}, codes: []int{200, 200}, cause: "answered", answered: true},
	{name: "BYE against re-INVITE", plan: plan{talk: 5 * time.Second, changes: []change{{4990 * time.Millisecond, "hold"}}, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "answered", answered: true},
	{name: "two forks answer", plan: plan{talk: 5 * time.Second, vendors: vendors(vendorPlan{code: 200, after: time.Second, forks: true})}, codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[0].String(), "BYE ", 2) }},
	{name: "the same INVITE by another way", plan: plan{merged: true, talk: time.Second, vendors: vendors(answers())}, codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "SIP/2.0 482", 1) }},
	{name: "the caller lets the session expire", plan: plan{headers: "Session-Expires: 90;refresher=uac\r\n", vendors: vendors(answers())}, codes: []int{200, 200}, cause: "session_expired", answered: true},
	{name: "the vendor lets the session expire", plan: plan{vendors: vendors(vendorPlan{code: 200, after: time.Second, headers: "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n"})},
		codes: []int{200, 200}, cause: "session_expired", answered: true},
	{name: "we refresh both legs", plan: plan{talk: 200 * time.Second, headers: "Session-Expires: 90;refresher=uas\r\n", vendors: vendors(vendorPlan{code: 200, after: time.Second, headers: "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n"})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, callerAddr.String(), "UPDATE ", 4)
			r.passes(t, vendorAddrs[0].String(), "UPDATE ", 4)
		}},
	{name: "a refresh meets a change", plan: refreshed(491), codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[0].String(), "UPDATE ", 2) }},
	{name: "a refresh needs longer", plan: refreshed(422), codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "Session-Expires: 200;refresher=uac", 1)
		}},
	{name: "a refresh by another method", plan: refreshed(405), codes: []int{200, 200}, cause: "answered", answered: true,
		look: func(t *testing.T, r *rig) {
			r.passes(t, vendorAddrs[0].String(), "2 INVITE", 0)
			r.passes(t, vendorAddrs[0].String(), "3 INVITE", 1)
		}},
	{name: "a refresh is refused for good", plan: refreshed(500), codes: []int{200, 200}, cause: "session_expired", answered: true},
	{name: "a refresh of a call that is gone", plan: refreshed(481), codes: []int{200, 200}, cause: "far_end_gone", answered: true},
	{name: "a change of a call that is gone", plan: plan{talk: 30 * time.Second, changes: []change{{time.Second, "hold"}}, refusals: []int{-481}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "far_end_gone", answered: true},
	{name: "a change is refused", plan: plan{talk: 30 * time.Second, changes: []change{{time.Second, "hold"}, {3 * time.Second, "ask"}}, refusals: []int{-488}, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true},
	{name: "a refresh after a refused change", plan: func() plan {
		p := refreshed(405)
		p.refusals, p.changes = []int{-488, 405}, []change{{time.Second, "hold"}}
		return p
	}(), codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
		r.passes(t, vendorAddrs[0].String(), "a=sendonly", 1)
		r.passes(t, vendorAddrs[0].String(), "4 INVITE", 1)
	}},
	{name: "a caller who knows of timers is refreshed by us", plan: plan{talk: 100 * time.Second, edit: func(o *wire.Originator, _ []*wire.Terminator) { o.Sip = &wire.SipPolicy{SessionS: 90} }, vendors: vendors(answers())},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			r.passes(t, callerAddr.String(), "Session-Expires: 90;refresher=uas", -1)
			r.passes(t, callerAddr.String(), "UPDATE ", 2)
		}},
	{name: "a late PRACK holds the answer back", plan: plan{reliable: true, prackAfter: 3 * time.Second, talk: 5 * time.Second, vendors: vendors(vendorPlan{code: 200, after: time.Second, rings: []ring{{183, true, false}}})},
		codes: []int{200, 200}, cause: "answered", answered: true, look: func(t *testing.T, r *rig) {
			if r.call.began.Before(r.call.pracked) || r.call.pracked.IsZero() {
				t.Error("the 200 came before the PRACK")
			}
		}},
	{name: "no PRACK", plan: plan{reliable: true, prackAfter: -1, vendors: vendors(vendorPlan{code: 200, after: time.Second, rings: []ring{{183, true, false}}})},
		codes: []int{504, 200}, cause: "no_ack"},
	{name: "the vendor hangs up before a late PRACK", plan: plan{reliable: true, prackAfter: 3 * time.Second, vendors: vendors(vendorPlan{code: 200, after: time.Second, talk: time.Second, rings: []ring{{183, true, false}}})},
		codes: []int{480, 200}, cause: "rejected"},
	{name: "too short a session", plan: plan{headers: "Session-Expires: 60\r\n"}, codes: []int{422}, cause: "session_interval",
		look: func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "Min-SE: 90", 1) }},
	{name: "hunting", plan: plan{talk: time.Second, vendors: [2]vendorPlan{{code: 503, after: time.Second}, answers()}}, codes: []int{200, 503, 200}, cause: "answered", answered: true},
	{name: "nobody", plan: plan{vendors: [2]vendorPlan{{code: 486, after: time.Second}, {code: 480, after: time.Second}}}, codes: []int{480, 486, 480}, cause: "no_vendor_took_it"},
}

// refreshed is a call whose vendor has us refresh, and refuses it once.
func refreshed(code int) plan {
	return plan{talk: 80 * time.Second, refusals: []int{code}, vendors: vendors(vendorPlan{code: 200, after: time.Second, headers: "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n"})}
}

func answers() vendorPlan                    { return vendorPlan{code: 200, after: time.Second} }
func vendors(first vendorPlan) [2]vendorPlan { return [2]vendorPlan{first} }

// TestFlows plays the named calls.
func TestFlows(t *testing.T) {
	engine := media(t)
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			play(t, engine, 7, faults{}, &c.plan, func(r *rig) {
				ends := r.diary.ends()
				var codes []int
				for leg := range uint32(len(ends)) {
					codes = append(codes, int(ends[leg][0].SipCode))
				}
				if last := ends[0][0]; !slices.Equal(codes, c.codes) || last.Cause != c.cause || last.Priced != c.answered {
					t.Errorf("the legs end with %v, cause %s, priced %v; want %v, %s, %v", codes, last.Cause, last.Priced, c.codes, c.cause, c.answered)
				}
				if c.look != nil {
					c.look(t, r)
				}
			})
		})
	}
}

// passes wants so many different messages with a text to have gone to an address,
// or some if the number is negative; "" is any address.
func (r *rig) passes(t *testing.T, to, text string, want int) {
	t.Helper()
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	seen := map[string]bool{}
	for _, m := range r.air.sent {
		at, message, _ := strings.Cut(m, " ")
		if (to == "" || at == to) && strings.Contains(message, text) {
			seen[message] = true
		}
	}
	if len(seen) != want && (want >= 0 || len(seen) == 0) {
		t.Errorf("%d messages with %q went to %s, want %d", len(seen), text, to, want)
	}
}

// vendorCall is the Call-ID of the first vendor's call.
func (r *rig) vendorCall() string {
	for id := range r.vendors[0].calls {
		return id
	}
	return ""
}

// An ACK that comes late, of an INVITE before, says nothing of the 200 in progress.
func TestAckOfAnotherInvite(t *testing.T) {
	heard := 0
	a := &accepted{
		end: &end{call: &session{inbox: make(chan func(call.Now), 1)}}, seq: 2, pending: true,
		onAck: func(call.Now, *sip.Request) { heard++ },
	}
	for _, step := range []struct {
		seq   uint32
		waits bool
		heard int
	}{{1, true, 0}, {2, false, 1}, {2, false, 1}} {
		ack := sip.NewRequest(sip.ACK, sip.Uri{})
		ack.AppendHeader(&sip.CSeqHeader{SeqNo: step.seq, MethodName: sip.ACK})
		a.acknowledged(call.Now{}, ack)
		if a.waits() != step.waits || heard != step.heard {
			t.Errorf("after the ACK of %d: waits %v, heard %d", step.seq, a.waits(), heard)
		}
	}
}
