package b2bua

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/srtp"
)

const (
	theirKey = "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
	cm80     = "AES_CM_128_HMAC_SHA1_80 "
)

// encrypted is a policy for encrypted media over the signalling of these tests, which
// is plain.
func encrypted(mode wire.Srtp, suites ...string) *wire.SipPolicy {
	return &wire.SipPolicy{Srtp: mode, SrtpOnPlain: true, SrtpSuites: suites}
}

// TestSecrecy plays calls of peers whose media is encrypted, may be, or must not be.
func TestSecrecy(t *testing.T) {
	engine := media(t)
	first, caller := vendorAddrs[0].String(), callerAddr.String()
	secure := description("m=audio 40000 RTP/SAVP 8", "a=crypto:3 "+cm80+theirKey, "a=crypto:4 AEAD_AES_256_GCM inline:short")
	effort := strings.Replace(secure, "SAVP", "AVP", 1)
	answered := description("m=audio 40000 RTP/SAVP 8", "a=crypto:1 "+cm80+theirKey)
	offer, require := encrypted(wire.Srtp_SRTP_OFFER), encrypted(wire.Srtp_SRTP_REQUIRE)
	exposed := &wire.SipPolicy{Srtp: wire.Srtp_SRTP_REQUIRE}
	for _, c := range []struct {
		name           string
		from, to       *wire.SipPolicy
		caller, vendor string
		codes          []int
		look           func(r *rig, passes func(to, text string, want int))
	}{
		{"nobody asked for it", nil, nil, secure, "", []int{488}, nil},
		{"over plain signalling", &wire.SipPolicy{Srtp: wire.Srtp_SRTP_OFFER}, nil, secure, "", []int{488}, nil},
		{"handshakes pass no switch", offer, nil, strings.Replace(secure, "RTP/SAVP", "UDP/TLS/RTP/SAVPF", 1), "", []int{488}, nil},
		{"to plain media", offer, nil, secure, "", []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(first, "m=audio", -1)
			passes(first, "RTP/AVP 8", -1)
			passes(first, "crypto", 0)
			passes(caller, "RTP/SAVP 18 8 101\r\na=crypto:3 "+cm80+"inline:", -1)
			passes(caller, theirKey, 0)
		}},
		{"without being asked for", offer, nil, effort, "", []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(first, "crypto", 0)
			passes(caller, "RTP/AVP 18 8 101\r\na=crypto:3 ", -1)
		}},
		{"one who may but does not", offer, nil, "", "", []int{200, 200}, func(_ *rig, passes func(string, string, int)) { passes(caller, "crypto", 0) }},
		{"one who never does is not heeded", nil, nil, effort, "", []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(first, "crypto", 0)
			passes(caller, "crypto", 0)
		}},
		{"one who must does not", require, nil, "", "", []int{488}, nil},
		{"one who must, by plain signalling", exposed, nil, secure, "", []int{488}, nil},
		{"only suites of ours", encrypted(wire.Srtp_SRTP_OFFER, "AEAD_AES_128_GCM"), nil, secure, "", []int{488}, nil},
		{"offered to a vendor that does not", nil, offer, "", "", []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(first, "RTP/AVP 18 8 101\r\na=crypto:1 "+cm80+"inline:", -1)
			passes(first, "a=crypto:2 AEAD_AES_128_GCM inline:", -1)
			passes(caller, "crypto", 0)
		}},
		{"offered to a vendor that does", nil, offer, "", strings.Replace(answered, "SAVP", "AVP", 1), []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(caller, "crypto", 0)
			passes(caller, "RTP/AVP 8", -1)
		}},
		{"a vendor that must", nil, require, "", answered, []int{200, 200}, func(_ *rig, passes func(string, string, int)) {
			passes(first, "RTP/SAVP 18 8 101", -1)
			passes(caller, "RTP/AVP 8", -1)
		}},
		{"a vendor that must and does not", nil, require, "", "", []int{200, 488, 200}, nil},
		{"a vendor that must, by plain signalling", nil, exposed, "", answered, []int{200, 488, 200}, func(_ *rig, passes func(string, string, int)) { passes(first, "INVITE", 0) }},
		{"a vendor that takes none of the keys", nil, require, "", strings.Replace(answered, "crypto:1", "crypto:9", 1), []int{200, 488, 200}, nil},
		{"the vendor's own order of suites", nil, encrypted(wire.Srtp_SRTP_REQUIRE, "AEAD_AES_256_GCM", strings.TrimSpace(cm80)), "", "", []int{200, 488, 200},
			func(_ *rig, passes func(string, string, int)) {
				passes(first, "a=crypto:1 AEAD_AES_256_GCM inline:", -1)
				passes(first, "a=crypto:2 "+cm80, -1)
				passes(first, "a=crypto:3", 0)
			}},
		{"both sides, with keys of their own", require, require, secure, answered, []int{200, 200}, func(r *rig, passes func(string, string, int)) {
			passes(first, "RTP/SAVP 8", -1)
			passes(caller, "RTP/SAVP 8", -1)
			passes("", "SAVP 8\r\na=crypto:1", -1)
			if strings.Contains(r.logged.String(), "inline") {
				t.Error("a key was logged")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := plan{sdp: c.caller, vendorSDP: c.vendor, talk: 2 * time.Second, vendors: [2]vendorPlan{answers(), answers()}}
			p.edit = func(o *wire.Originator, vendors []*wire.Terminator) { o.Sip, vendors[0].Sip = c.from, c.to }
			play(t, engine, 7, faults{}, &p, func(r *rig) {
				ends := r.diary.ends()
				var codes []int
				for leg := range uint32(len(ends)) {
					codes = append(codes, int(ends[leg][0].SipCode))
				}
				if !slices.Equal(codes, c.codes) {
					t.Errorf("the legs end with %v, want %v", codes, c.codes)
				}
				if c.look != nil {
					c.look(r, func(to, text string, want int) {
						t.Helper()
						r.passes(t, to, text, want)
					})
				}
			})
		})
	}
}

// A change that keeps the keys keeps ours, whoever asks for it.
func TestKeysStayThroughChanges(t *testing.T) {
	secure := description("m=audio 40000 RTP/SAVP 8", "a=crypto:1 "+cm80+theirKey, "a=DIRECTION")
	p := plan{sdp: secure, vendorSDP: secure, talk: 20 * time.Second, vendors: vendors(answers())}
	p.changes = []change{{2 * time.Second, "hold"}, {4 * time.Second, "update"}}
	p.vendors[0].changes = []change{{6 * time.Second, "hold"}, {8 * time.Second, "refresh"}}
	p.edit = func(o *wire.Originator, vendors []*wire.Terminator) {
		o.Sip, vendors[0].Sip = encrypted(wire.Srtp_SRTP_REQUIRE), encrypted(wire.Srtp_SRTP_REQUIRE)
	}
	play(t, media(t), 7, faults{}, &p, func(r *rig) {
		for _, to := range []netip.AddrPort{callerAddr, vendorAddrs[0]} {
			if keys := r.keysTo(to); len(keys) != 1 {
				t.Errorf("%d keys went to %s", len(keys), to)
			}
			r.passes(t, to.String(), "a=sendonly", -1)
		}
	})
}

func TestSuitesAreThoseOfThePolicy(t *testing.T) {
	var known []string
	for _, s := range srtp.Suites() {
		known = append(known, string(s))
	}
	if !slices.Equal(slices.Sorted(slices.Values(known)), slices.Sorted(slices.Values(catalog.SrtpSuites))) {
		t.Errorf("%v, %v", known, catalog.SrtpSuites)
	}
}
