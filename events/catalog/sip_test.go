package catalog

import (
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

func TestSipPolicies(t *testing.T) {
	many := make([]string, maxPeerCodecs+1)
	for i := range many {
		many[i] = "c" + strings.Repeat("x", i%20)
	}
	for _, c := range []struct {
		policy *wire.SipPolicy
		want   string
	}{
		{nil, ""},
		{&wire.SipPolicy{}, ""},
		{&wire.SipPolicy{Codecs: []string{"PCMA", "G729"}, Headers: []string{"Privacy", "Identity"}, Without: []string{"100rel", "update"}, SessionS: 90}, ""},
		{&wire.SipPolicy{Headers: []string{"none"}}, ""},
		{&wire.SipPolicy{Codecs: []string{"PCMA", "pcma"}}, "sip.codecs.1"},
		{&wire.SipPolicy{Codecs: []string{"a b"}}, "sip.codecs.0"},
		{&wire.SipPolicy{Codecs: many}, "at most 32"},
		{&wire.SipPolicy{Headers: []string{"none", "Privacy"}}, "sip.headers.0"},
		{&wire.SipPolicy{Headers: []string{"Privacy", "Privacy"}}, "twice"},
		{&wire.SipPolicy{Headers: []string{"Via"}}, "P-Asserted-Identity"},
		{&wire.SipPolicy{Without: []string{"gruu"}}, "sip.without.0"},
		{&wire.SipPolicy{SessionS: 60}, "90 s"},
		{&wire.SipPolicy{Srtp: wire.Srtp_SRTP_REQUIRE, SrtpOnPlain: true, SrtpSuites: []string{"AEAD_AES_128_GCM"}}, ""},
		{&wire.SipPolicy{Srtp: 9}, "sip.srtp: 9"},
		{&wire.SipPolicy{Srtp: wire.Srtp_SRTP_NEVER, SrtpOnPlain: true}, "choose offer or require"},
		{&wire.SipPolicy{Srtp: wire.Srtp_SRTP_OFFER, SrtpSuites: []string{"AEAD_AES_128_GCM", "F8"}}, "sip.srtp_suites.1"},
	} {
		err := validateSip(c.policy)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.policy, err, c.want)
		}
	}
}
