package catalog

import (
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// maxPeerCodecs bounds a peer's list of codecs.
const maxPeerCodecs = 32

// PassedHeaders are the headers about who calls whom that may go from leg to leg.
var PassedHeaders = []string{"P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Diversion", "History-Info", "Identity"}

// NoHeaders in place of names lets none of them pass.
const NoHeaders = "none"

// SipExtensions are those that a peer may be treated without.
var SipExtensions = []string{"100rel", "timer", "update"}

func validateSip(p *wire.SipPolicy) error {
	if p == nil {
		return nil
	}
	if len(p.Codecs) > maxPeerCodecs {
		return events.Invalid("sip.codecs: at most %d are allowed", maxPeerCodecs)
	}
	for i, c := range p.Codecs {
		if c == "" || len(c) > 32 || strings.Trim(c, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+") != "" {
			return events.Invalid("sip.codecs.%d: %q is no codec's name, such as PCMA or G729", i, c)
		}
		if slices.ContainsFunc(p.Codecs[:i], func(o string) bool { return strings.EqualFold(o, c) }) {
			return events.Invalid("sip.codecs.%d: %s stands there twice", i, c)
		}
	}
	for i, h := range p.Headers {
		if h == NoHeaders && len(p.Headers) == 1 {
			break
		}
		if !slices.Contains(PassedHeaders, h) {
			return events.Invalid("sip.headers.%d: %q is none of %s, nor %s alone", i, h, strings.Join(PassedHeaders, ", "), NoHeaders)
		}
		if slices.Contains(p.Headers[:i], h) {
			return events.Invalid("sip.headers.%d: %s stands there twice", i, h)
		}
	}
	for i, x := range p.Without {
		if !slices.Contains(SipExtensions, x) || slices.Contains(p.Without[:i], x) {
			return events.Invalid("sip.without.%d: %q is not one of %s, each once", i, x, strings.Join(SipExtensions, ", "))
		}
	}
	if err := validateSrtp(p); err != nil {
		return err
	}
	if p.SessionS != 0 && (p.SessionS < 90 || p.SessionS > 86_400) {
		return events.Invalid("sip.session: an interval has 90 s to 24 h, not %d s", p.SessionS)
	}
	return nil
}

// SrtpSuites are the crypto suites that media may be encrypted with.
var SrtpSuites = []string{
	"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM",
	"AES_256_CM_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_32",
}

func validateSrtp(p *wire.SipPolicy) error {
	if _, known := wire.Srtp_name[int32(p.Srtp)]; !known {
		return events.Invalid("sip.srtp: %d is none of never, offer and require", p.Srtp)
	}
	if p.Srtp <= wire.Srtp_SRTP_NEVER && (p.SrtpOnPlain || len(p.SrtpSuites) > 0) {
		return events.Invalid("sip.srtp: is never, so that neither srtp_on_plain nor srtp_suites mean anything; choose offer or require")
	}
	for i, name := range p.SrtpSuites {
		if !slices.Contains(SrtpSuites, name) || slices.Contains(p.SrtpSuites[:i], name) {
			return events.Invalid("sip.srtp_suites.%d: %q is not one of %s, each once", i, name, strings.Join(SrtpSuites, ", "))
		}
	}
	return nil
}
