package world

import (
	"fmt"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// ping asks a terminator whether it is there.
type ping struct {
	Interval  string   `yaml:"interval"`
	Timeout   string   `yaml:"timeout"`
	UpCodes   []uint32 `yaml:"up_codes"`
	DownAfter uint32   `yaml:"down_after"`
	UpAfter   uint32   `yaml:"up_after"`
}

func (p *ping) convert() (*wire.Ping, error) {
	if p == nil {
		return nil, nil
	}
	every, err := seconds("interval", p.Interval)
	if err != nil {
		return nil, err
	}
	if every == 0 {
		return nil, events.Invalid("interval %q is not at least a second, such as 30s", p.Interval)
	}
	timeout, err := millis("timeout", p.Timeout)
	if err != nil {
		return nil, err
	}
	return &wire.Ping{IntervalS: every, TimeoutMs: timeout, UpCodes: p.UpCodes, DownAfter: p.DownAfter, UpAfter: p.UpAfter}, nil
}

// sipPolicy is how a peer's signalling is treated.
type sipPolicy struct {
	Codecs          []string `yaml:"codecs"`
	Headers         []string `yaml:"headers"`
	Trusted         bool     `yaml:"trusted"`
	Without         []string `yaml:"without"`
	FollowRedirects bool     `yaml:"follow_redirects"`
	Session         string   `yaml:"session"`
	Srtp            string   `yaml:"srtp"`
	SrtpOnPlain     bool     `yaml:"srtp_on_plain"`
	SrtpSuites      []string `yaml:"srtp_suites"`
	// ReliableAnswers makes provisional answers reliable for who merely knows how.
	ReliableAnswers bool `yaml:"reliable_answers"`
	// Transfers takes REFER.
	Transfers bool `yaml:"transfers"`
}

func (p *sipPolicy) convert() (*wire.SipPolicy, error) {
	if p == nil {
		return nil, nil
	}
	session, err := seconds("session", p.Session)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	srtp, err := srtpOf(p.Srtp)
	if err != nil {
		return nil, fmt.Errorf("sip: %w", err)
	}
	return &wire.SipPolicy{
		Codecs: p.Codecs, Headers: p.Headers, Trusted: p.Trusted, Without: p.Without,
		FollowRedirects: p.FollowRedirects, SessionS: session, Srtp: srtp, SrtpOnPlain: p.SrtpOnPlain, SrtpSuites: p.SrtpSuites,
		ReliableAnswers: p.ReliableAnswers, Transfers: p.Transfers,
	}, nil
}

// srtpOf reads whether a peer's media is encrypted; "" is never.
func srtpOf(word string) (wire.Srtp, error) {
	switch word {
	case "":
		return wire.Srtp_SRTP_UNSPECIFIED, nil
	case "never":
		return wire.Srtp_SRTP_NEVER, nil
	case "offer":
		return wire.Srtp_SRTP_OFFER, nil
	case "require":
		return wire.Srtp_SRTP_REQUIRE, nil
	}
	return 0, events.Invalid("srtp %q is none of never, offer and require", word)
}

// registration keeps us registered at somebody else's registrar.
type registration struct {
	ID         string `yaml:"id"`
	Originator string `yaml:"originator"`
	Registrar  string `yaml:"registrar"`
	Proxy      string `yaml:"proxy"`
	Transport  string `yaml:"transport"`
	User       string `yaml:"user"`
	AuthUser   string `yaml:"auth_user"`
	Password   string `yaml:"password"`
	Expiry     string `yaml:"expiry"`
	Listener   string `yaml:"listener"`
	Node       string `yaml:"node"`
	Disabled   bool   `yaml:"disabled"`
}

func (e *edit) registration(r registration) error {
	expiry, err := seconds("expiry", r.Expiry)
	if err != nil {
		return err
	}
	old := e.cat.Registration(r.ID)
	secret := old.GetSecret()
	if len(secret) > 0 || r.Password != "" {
		if secret, err = e.secret("registration "+r.ID, secret, r.Password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	e.put(&wire.Registration{
		Id: r.ID, Originator: r.Originator, Registrar: r.Registrar, Proxy: r.Proxy, Transport: r.Transport,
		User: r.User, AuthUser: r.AuthUser, Secret: secret, ExpiryS: expiry, Listener: r.Listener, Node: r.Node, Disabled: r.Disabled,
	})
	return nil
}
