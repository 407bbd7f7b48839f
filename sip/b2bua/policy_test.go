package b2bua

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
)

// identified are the headers of a caller who names himself by an address of his own
// network, and wants it hidden.
const identified = "P-Asserted-Identity: <sip:+15550100@198.51.100.1:5060>\r\nDiversion: <sip:+15550199@198.51.100.1>;reason=unconditional\r\n"

func towards(p *wire.SipPolicy) func(*wire.Originator, []*wire.Terminator) {
	return func(_ *wire.Originator, vendors []*wire.Terminator) { vendors[0].Sip = p }
}

func from(p *wire.SipPolicy) func(*wire.Originator, []*wire.Terminator) {
	return func(o *wire.Originator, _ []*wire.Terminator) { o.Sip = p }
}

// TestPolicies plays calls of peers that are treated otherwise than others.
func TestPolicies(t *testing.T) {
	engine := media(t)
	first := vendorAddrs[0].String()
	for _, c := range []struct {
		name  string
		plan  plan
		codes []int
		look  func(t *testing.T, r *rig)
	}{
		{"a vendor's codecs", plan{edit: towards(&wire.SipPolicy{Codecs: []string{"PCMA"}}), vendors: vendors(answers()), talk: time.Second}, []int{200, 200},
			func(t *testing.T, r *rig) {
				r.passes(t, first, "RTP/AVP 8 101\r\n", 1)
				r.passes(t, first, "G729", 0)
			}},
		{"the order of a vendor's codecs", plan{edit: towards(&wire.SipPolicy{Codecs: []string{"PCMA", "G729"}}), vendors: vendors(answers()), talk: time.Second}, []int{200, 200},
			func(t *testing.T, r *rig) { r.passes(t, first, "RTP/AVP 8 18 101\r\n", 1) }},
		{"a customer's codecs", plan{edit: from(&wire.SipPolicy{Codecs: []string{"G729"}}), vendors: vendors(answers()), talk: time.Second}, []int{200, 200},
			func(t *testing.T, r *rig) { r.passes(t, first, "RTP/AVP 18 101\r\n", 1) }},
		{"no codec in common", plan{edit: towards(&wire.SipPolicy{Codecs: []string{"opus"}}), vendors: [2]vendorPlan{{}, answers()}, talk: time.Second}, []int{200, 488, 200},
			func(t *testing.T, r *rig) { r.passes(t, first, "INVITE", 0) }},
		{"identity passes, its address does not", plan{headers: identified, vendors: vendors(answers()), talk: time.Second}, []int{200, 200},
			func(t *testing.T, r *rig) {
				r.passes(t, first, "P-Asserted-Identity: <sip:+15550100@203.0.113.9:5060>", 1)
				r.passes(t, first, "Diversion: <sip:+15550199@203.0.113.9:5060>;reason=unconditional", 1)
			}},
		{"privacy", plan{headers: identified + "Privacy: id\r\n", vendors: vendors(answers()), talk: time.Second}, []int{200, 200},
			func(t *testing.T, r *rig) {
				r.passes(t, first, "15550100", 0)
				r.passes(t, first, "INVITE", -1)
				r.passes(t, first, "sip:anonymous@anonymous.invalid", -1)
			}},
		{"privacy towards whom we trust", plan{headers: identified + "Privacy: id\r\n", edit: towards(&wire.SipPolicy{Trusted: true}), vendors: vendors(answers()), talk: time.Second},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, first, "P-Asserted-Identity", 1) }},
		{"no headers", plan{headers: identified, edit: towards(&wire.SipPolicy{Headers: []string{"none"}}), vendors: vendors(answers()), talk: time.Second},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, first, "Asserted", 0); r.passes(t, first, "Diversion", 0) }},
		{"one header", plan{headers: identified, edit: from(&wire.SipPolicy{Headers: []string{"Diversion"}}), vendors: vendors(answers()), talk: time.Second},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, first, "Asserted", 0); r.passes(t, first, "Diversion", 1) }},
		{"a redirection is a refusal", plan{vendors: [2]vendorPlan{redirects("4420@192.0.2.52:5060"), {code: 486, after: time.Second}}}, []int{486, 302, 486}, nil},
		{"a redirection to the vendor's other address", plan{edit: towards(&wire.SipPolicy{FollowRedirects: true}), vendors: [2]vendorPlan{redirects("4420@192.0.2.52:5060"), answers()}, talk: time.Second},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, vendorAddrs[1].String(), "INVITE", -1) }},
		{"a redirection to another number", plan{edit: towards(&wire.SipPolicy{FollowRedirects: true}), vendors: [2]vendorPlan{redirects("999@192.0.2.52:5060"), {code: 302}}}, []int{480, 302, 302}, nil},
		{"a redirection to a stranger", plan{edit: towards(&wire.SipPolicy{FollowRedirects: true}), vendors: [2]vendorPlan{redirects("4420@198.51.100.77"), {code: 404}}}, []int{404, 302, 404}, nil},
		{"a redirection in a circle", plan{edit: towards(&wire.SipPolicy{FollowRedirects: true}), vendors: [2]vendorPlan{redirects("4420@192.0.2.51"), {code: 404}}}, []int{404, 302, 404},
			func(t *testing.T, r *rig) { r.passes(t, first, "INVITE sip", 1+maxRedirects) }},
		{"a challenge is no business of the caller's", plan{vendors: [2]vendorPlan{{code: 401}, {code: 407}}}, []int{480, 401, 407}, nil},
		{"no 100rel for who is without", plan{reliable: true, edit: from(&wire.SipPolicy{Without: []string{"100rel"}})}, []int{420},
			func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "Unsupported: 100rel", 1) }},
		{"no session timer for who is without", plan{headers: "Session-Expires: 90;refresher=uac\r\n", edit: from(&wire.SipPolicy{Without: []string{"timer"}}), vendors: vendors(answers()), talk: 2 * time.Minute},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, callerAddr.String(), "Session-Expires", 0) }},
		{"a session interval of its own", plan{edit: towards(&wire.SipPolicy{SessionS: 600}), vendors: vendors(answers()), talk: time.Second},
			[]int{200, 200}, func(t *testing.T, r *rig) { r.passes(t, first, "Session-Expires: 600", 1) }},
		{"a vendor that wants longer sessions", plan{edit: towards(&wire.SipPolicy{SessionS: 90}), vendors: [2]vendorPlan{{code: 422, headers: "Min-SE: 240\r\n"}, {code: 404}}}, []int{404, 422, 404},
			func(t *testing.T, r *rig) { r.passes(t, first, "Session-Expires: 240", 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, engine, 7, faults{}, &c.plan, func(r *rig) {
				ends := r.diary.ends()
				var codes []int
				for leg := range uint32(len(ends)) {
					codes = append(codes, int(ends[leg][0].SipCode))
				}
				if !slices.Equal(codes, c.codes) {
					t.Errorf("the legs end with %v, want %v", codes, c.codes)
				}
				if c.look != nil {
					c.look(t, r)
				}
			})
		})
	}
}

func redirects(to string) vendorPlan {
	return vendorPlan{code: 302, after: 100 * time.Millisecond, headers: "Contact: <sip:" + to + ">\r\n"}
}

// A vendor that asks to be left alone is, for as long as it asks and no longer than
// we let it.
func TestRetryAfterIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Switch{start: time.Now(), resting: map[string]time.Duration{}, config: Config{Logger: slog.Default()}}
		for name, c := range map[string]struct {
			code  int
			value string
			rests time.Duration
		}{
			"plain": {503, "30", 30 * time.Second}, "comment": {503, "30 (maintenance)", 30 * time.Second}, "parameter": {503, "30;duration=9", 30 * time.Second},
			"long": {503, "86400", mostRest}, "nonsense": {503, "soon", 0}, "absent": {503, "", 0}, "busy": {486, "30", 0},
		} {
			res := sip.NewResponse(c.code, "No")
			if c.value != "" {
				res.AppendHeader(sip.NewHeader("Retry-After", c.value))
			}
			s.rest(name, res)
			begun := time.Now()
			for s.Rests(name) {
				time.Sleep(time.Second)
			}
			if got := time.Since(begun); got != c.rests {
				t.Errorf("%s: rests for %v, want %v", name, got, c.rests)
			}
		}
		if len(s.resting) != 0 {
			t.Errorf("left behind: %v", s.resting)
		}
	})
}

func TestHideHosts(t *testing.T) {
	for value, want := range map[string]string{
		"<sip:+1@10.0.0.1:5060;user=phone>":            "<sip:+1@us;user=phone>",
		`"A" <sip:1@[2001:db8::1]:5070>, <tel:+2>`:     `"A" <sip:1@us>, <tel:+2>`,
		"<sip:1@carrier.example>;reason=x":             "<sip:1@carrier.example>;reason=x",
		"<sip:1@10.0.0.1?Reason=a>,<sip:2@10.0.0.2>;i": "<sip:1@us?Reason=a>,<sip:2@us>;i",
		"id;critical": "id;critical",
	} {
		if got := hideHosts(value, "us"); got != want {
			t.Errorf("%s becomes %s, want %s", value, got, want)
		}
	}
}
