package b2bua

import (
	"slices"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// promises is a vendor who answers reliably before he answers, and does something
// between the two.
func promises(early ...change) vendorPlan {
	return vendorPlan{code: 200, after: 3 * time.Second, rings: []ring{{183, true, true}}, early: early}
}

// TestEarlySessions plays calls whose session changes before they are answered.
func TestEarlySessions(t *testing.T) {
	engine := media(t)
	first, caller := vendorAddrs[0].String(), callerAddr.String()
	onlyA := "v=0\r\no=- 1 1 IN IP4 192.0.2.51\r\ns=-\r\nc=IN IP4 192.0.2.51\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
	for _, c := range []struct {
		name  string
		plan  plan
		codes []int // of the legs
		early []int // of the changes
		look  func(t *testing.T, r *rig)
	}{
		{"by the caller", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}}, vendors: vendors(promises())},
			[]int{200, 200}, []int{200}, func(t *testing.T, r *rig) {
				r.passes(t, first, "UPDATE ", 1)
				r.passes(t, first, "a=sendonly", 1)
				r.passes(t, caller, "a=recvonly", -1)
			}},
		{"by the vendor", plan{reliable: true, talk: 8 * time.Second, vendors: vendors(promises(change{time.Second, "sendonly"}))},
			[]int{200, 200}, []int{200}, func(t *testing.T, r *rig) {
				r.passes(t, caller, "UPDATE ", 1)
				r.passes(t, first, "a=recvonly", 1)
			}},
		{"by the vendor, for a caller who cannot be asked", plan{talk: 8 * time.Second, vendors: vendors(promises(change{time.Second, "sendrecv"}))},
			[]int{200, 200}, []int{200}, func(t *testing.T, r *rig) { r.passes(t, caller, "UPDATE ", 0) }},
		{"held by the vendor, for a caller who cannot be asked", plan{talk: 8 * time.Second, vendors: vendors(promises(change{time.Second, "inactive"}))},
			[]int{200, 200}, []int{488}, nil},
		{"by a caller whose vendor has promised nothing", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}},
			vendors: vendors(vendorPlan{code: 200, after: 2 * time.Second, rings: []ring{{183, true, false}}})}, []int{200, 200}, []int{500},
			func(t *testing.T, r *rig) { r.passes(t, first, "UPDATE ", 0) }},
		{"by a caller who was told of no description", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}},
			vendors: vendors(vendorPlan{code: 200, after: 2 * time.Second, rings: []ring{{180, false, true}}})}, []int{200, 200}, []int{500}, nil},
		{"by a caller whose vendor knows no UPDATE", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}},
			edit: towards(&wire.SipPolicy{Without: []string{"update"}}), vendors: vendors(promises())}, []int{200, 200}, []int{488}, nil},
		{"without a description", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "refresh"}}, vendors: vendors(promises())},
			[]int{200, 200}, []int{200}, func(t *testing.T, r *rig) { r.passes(t, first, "UPDATE ", 0) }},
		{"an offer in a PRACK", plan{reliable: true, talk: 8 * time.Second, prackOffer: "inactive", vendors: vendors(promises())},
			[]int{200, 200}, nil, func(t *testing.T, r *rig) {
				r.passes(t, first, "UPDATE ", 1)
				r.passes(t, first, "a=inactive", 1)
			}},
		{"at once", plan{reliable: true, talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}}, vendors: vendors(promises(change{1003 * time.Millisecond, "sendonly"}))},
			[]int{200, 200}, []int{491, 200}, nil},
		{"as the vendor fails", plan{reliable: true, talk: 8 * time.Second, early: []change{{2995 * time.Millisecond, "sendonly"}},
			vendors: [2]vendorPlan{{code: 503, after: 3 * time.Second, rings: []ring{{183, true, true}}}, answers()}}, []int{200, 503, 200}, []int{500}, nil},
		{"another vendor answers otherwise", plan{reliable: true, talk: 8 * time.Second, vendorSDP: onlyA,
			vendors: [2]vendorPlan{{code: 503, after: time.Second, rings: []ring{{183, true, true}}}, answers()}}, []int{200, 503, 200}, nil,
			func(t *testing.T, r *rig) { r.passes(t, caller, "INVITE sip", 1) }},
		{"reliably for who merely knows how", plan{headers: "Supported: 100rel\r\n", talk: 8 * time.Second, early: []change{{time.Second, "sendonly"}},
			edit: from(&wire.SipPolicy{ReliableAnswers: true}), vendors: vendors(promises())}, []int{200, 200}, []int{200},
			func(t *testing.T, r *rig) { r.passes(t, caller, "RSeq: 1", 1) }},
		{"not reliably for who does not", plan{talk: 8 * time.Second, edit: from(&wire.SipPolicy{ReliableAnswers: true}), vendors: vendors(promises())},
			[]int{200, 200}, nil, func(t *testing.T, r *rig) { r.passes(t, caller, "RSeq", 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, engine, 7, faults{}, &c.plan, func(r *rig) {
				ends := r.diary.ends()
				var codes []int
				for leg := range uint32(len(ends)) {
					codes = append(codes, int(ends[leg][0].SipCode))
				}
				if !slices.Equal(codes, c.codes) || !slices.Equal(r.earlyCodes, c.early) {
					t.Errorf("the legs end with %v, the changes with %v; want %v and %v", codes, r.earlyCodes, c.codes, c.early)
				}
				if c.look != nil {
					c.look(t, r)
				}
			})
		})
	}
}
