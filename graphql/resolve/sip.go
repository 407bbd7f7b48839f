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
		Session: time.Duration(p.GetSessionS()) * time.Second,
	}
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
	p := &wire.SipPolicy{
		Codecs: codecs, Headers: headers, Without: without, Trusted: or(in.Trusted, false), FollowRedirects: or(in.FollowRedirects, false),
	}
	f.duration("sip.session", &p.SessionS, in.Session, time.Second)
	*to = p
}
