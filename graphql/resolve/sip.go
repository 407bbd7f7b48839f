package resolve

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func sipPolicy(p *wire.SipPolicy) model.SipPolicy {
	return model.SipPolicy{
		Codecs: append([]string{}, p.GetCodecs()...), Headers: append([]string{}, p.GetHeaders()...), Trusted: p.GetTrusted(),
		Without: append([]string{}, p.GetWithout()...), FollowRedirects: p.GetFollowRedirects(),
		Session: time.Duration(p.GetSessionS()) * time.Second, ReliableAnswers: p.GetReliableAnswers(), Transfers: p.GetTransfers(),
		Srtp: srtp(p.GetSrtp()), SrtpOnPlain: p.GetSrtpOnPlain(), SrtpSuites: append([]string{}, p.GetSrtpSuites()...),
	}
}

func srtp(s wire.Srtp) model.Srtp {
	switch s {
	case wire.Srtp_SRTP_OFFER:
		return model.SrtpOffer
	case wire.Srtp_SRTP_REQUIRE:
		return model.SrtpRequire
	}
	return model.SrtpNever
}

// srtpOf is UNSPECIFIED where it never is, so that saying so changes nothing.
func srtpOf(s model.Srtp) wire.Srtp {
	switch s {
	case model.SrtpOffer:
		return wire.Srtp_SRTP_OFFER
	case model.SrtpRequire:
		return wire.Srtp_SRTP_REQUIRE
	}
	return wire.Srtp_SRTP_UNSPECIFIED
}

// sip replaces a peer's policy as a whole.
func (f *fields) sip(to **wire.SipPolicy, o graphql.Omittable[*model.SipPolicyInput]) {
	in, given := o.ValueOK()
	if !given {
		return
	}
	if in == nil {
		*to = nil
		return
	}
	codecs, _ := in.Codecs.ValueOK()
	headers, _ := in.Headers.ValueOK()
	without, _ := in.Without.ValueOK()
	suites, _ := in.SrtpSuites.ValueOK()
	p := &wire.SipPolicy{
		Srtp: srtpOf(or(in.Srtp, model.SrtpNever)), SrtpOnPlain: or(in.SrtpOnPlain, false), SrtpSuites: suites,
		Codecs: codecs, Headers: headers, Without: without, Trusted: or(in.Trusted, false), FollowRedirects: or(in.FollowRedirects, false),
		ReliableAnswers: or(in.ReliableAnswers, false), Transfers: or(in.Transfers, false),
	}
	f.duration("sip.session", &p.SessionS, in.Session, time.Second)
	*to = p
}
