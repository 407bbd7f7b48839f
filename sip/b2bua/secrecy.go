package b2bua

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
	"github.com/tollbook/tollbook/media/srtp"
)

// role is what a description is in its exchange (RFC 3264).
type role uint8

const (
	asOffer role = iota
	asAnswer
)

// errSecrecy is a description that the peer's policy for encrypted media refuses.
var errSecrecy = errors.New("srtp")

// agreement are the keys in force at an end.
type agreement struct {
	tag          int
	ours, theirs srtp.Key
}

// usualSuites are offered to a peer whose policy names none. It may use any we know.
var usualSuites = []srtp.Suite{srtp.AES128CM80, srtp.AES128GCM, srtp.AES128CM32}

// secrecy is whether this end's media is encrypted: never where the far end is another
// call of ours, nor where the keys would be read on their way.
func (e *end) secrecy() wire.Srtp {
	mode := e.policy.GetSrtp()
	if e.ours || mode == wire.Srtp_SRTP_OFFER && !e.discreet() {
		return wire.Srtp_SRTP_NEVER
	}
	return max(mode, wire.Srtp_SRTP_NEVER)
}

// discreet tells whether keys may be written into descriptions for this end.
func (e *end) discreet() bool {
	t := e.dialog.way.transport
	return e.policy.GetSrtpOnPlain() || !e.exposed && (t == "tls" || t == "wss")
}

// admits refuses a description of the far end's that the policy does not allow.
func (e *end) admits(m sdp.Media) error {
	mode, required := e.secrecy(), e.secrecy() == wire.Srtp_SRTP_REQUIRE
	_, usable := e.choose(m)
	switch {
	case m.Handshake():
		return fmt.Errorf("%w: %s agrees on its keys by DTLS, which is not supported", errSecrecy, m.Proto)
	case required && !e.discreet():
		return fmt.Errorf("%w: it is required, and the signalling is not encrypted; allow keys on plain signalling, or use TLS", errSecrecy)
	case m.Secure() && mode == wire.Srtp_SRTP_NEVER:
		return fmt.Errorf("%w: %s is not allowed to this peer, or not over this signalling", errSecrecy, m.Proto)
	case (m.Secure() || required) && !usable:
		return fmt.Errorf("%w: %s without a key that can be used: %s", errSecrecy, m.Proto, strings.Join(append(m.Unusable, "no other"), "; "))
	}
	return nil
}

// choose finds the first of the far end's keys that its policy allows.
func (e *end) choose(m sdp.Media) (sdp.Crypto, bool) {
	if e.secrecy() == wire.Srtp_SRTP_NEVER || m.Type != "audio" {
		return sdp.Crypto{}, false
	}
	allowed := e.policy.GetSrtpSuites()
	i := slices.IndexFunc(m.Crypto, func(c sdp.Crypto) bool {
		return len(allowed) == 0 || slices.Contains(allowed, string(c.Key.Suite))
	})
	if i < 0 {
		return sdp.Crypto{}, false
	}
	return m.Crypto[i], true
}

// keys are those that a description of the far end's leaves in force. An offer with
// keys that are new has none until it is answered: what was in force stays till then.
func (e *end) keys(m sdp.Media, as role, fax bool) (*relay.Crypto, error) {
	if as == asOffer {
		theirs, ok := e.choose(m)
		switch {
		case !ok:
			e.agreed = nil
			return nil, nil
		case e.agreed == nil || !e.agreed.theirs.Equal(theirs.Key):
			e.agreed = nil
			return &relay.Crypto{}, nil
		}
		return e.agreed.crypto(), nil
	}
	for _, mine := range e.mine(fax) {
		for _, theirs := range m.Crypto {
			if mine.Tag == theirs.Tag && mine.Key.Suite == theirs.Key.Suite {
				e.agreed = &agreement{tag: mine.Tag, ours: mine.Key, theirs: theirs.Key}
				return e.agreed.crypto(), nil
			}
		}
	}
	e.agreed = nil
	if m.Secure() || e.secrecy() == wire.Srtp_SRTP_REQUIRE {
		return nil, fmt.Errorf("%w: the answer takes none of the keys that were offered", errSecrecy)
	}
	return nil, nil
}

// mine are the keys of our description in force.
func (e *end) mine(fax bool) []sdp.Crypto {
	if e.said == nil || e.secrecy() == wire.Srtp_SRTP_NEVER {
		return nil
	}
	said, err := sdp.Parse(e.said)
	if err != nil {
		e.call.log.Error("our own session description cannot be read", "leg", e.leg, "err", err)
		return nil
	}
	m, _, _ := said.Stream(fax)
	return m.Crypto
}

// protected is how a stream goes out to an end.
type protected struct {
	profile string // "" as it is
	keys    []sdp.Crypto
}

// protect says how the other end's stream leaves for this one. False means that it
// must not, by this end's policy.
func (e *end) protect(of sdp.Media, as role, fax bool) (protected, bool) {
	mode := e.secrecy()
	switch {
	case mode == wire.Srtp_SRTP_REQUIRE && (of.Type != "audio" || !e.discreet()):
		return protected{}, false
	case of.Type != "audio":
		return protected{}, true
	case as == asAnswer:
		return e.protectAnswer(mode, fax)
	case mode == wire.Srtp_SRTP_NEVER:
		return protected{profile: of.Profile(false)}, true
	}
	secure := mode == wire.Srtp_SRTP_REQUIRE
	if e.theirs != nil {
		m, _, _ := e.theirs.Stream(fax)
		secure = secure || m.Secure()
	}
	keys, err := e.offered(fax)
	if err != nil {
		e.call.log.Error("no keys for a call's media", "leg", e.leg, "err", err)
		return protected{}, false
	}
	return protected{of.Profile(secure), keys}, true
}

// protectAnswer answers in the profile of the offer, with a key of ours to the one that
// was chosen: the same again while the far end's stays.
func (e *end) protectAnswer(mode wire.Srtp, fax bool) (protected, bool) {
	m, _, ok := e.theirs.Stream(fax)
	if !ok || m.Type != "audio" {
		return protected{}, mode != wire.Srtp_SRTP_REQUIRE
	}
	theirs, ok := e.choose(m)
	if !ok {
		return protected{profile: m.Proto}, !m.Secure() && mode != wire.Srtp_SRTP_REQUIRE
	}
	if e.agreed == nil || !e.agreed.theirs.Equal(theirs.Key) {
		ours, err := srtp.NewKey(theirs.Key.Suite, rand.Reader)
		if err != nil {
			e.call.log.Error("no key for a call's media", "leg", e.leg, "err", err)
			return protected{}, false
		}
		e.agreed = &agreement{ours: ours, theirs: theirs.Key}
	}
	e.agreed.tag = theirs.Tag
	e.remote.Crypto = e.agreed.crypto()
	if err := e.call.media.Load().SetRemote(e.side, e.remote); err != nil {
		e.call.log.Warn("a leg's keys cannot be used", "leg", e.leg, "err", err)
		return protected{}, false
	}
	return protected{m.Proto, []sdp.Crypto{{Tag: theirs.Tag, Key: e.agreed.ours}}}, true
}

// offered are the keys of an offer of ours: that in force, since a stream goes on with
// its counters, or else those that were offered before, or new ones.
func (e *end) offered(fax bool) ([]sdp.Crypto, error) {
	if e.agreed != nil {
		return []sdp.Crypto{{Tag: e.agreed.tag, Key: e.agreed.ours}}, nil
	}
	if mine := e.mine(fax); len(mine) > 0 {
		return mine, nil
	}
	suites := usualSuites
	if named := e.policy.GetSrtpSuites(); len(named) > 0 {
		suites = nil
		for _, name := range named {
			suites = append(suites, srtp.Suite(name))
		}
	}
	var all []sdp.Crypto
	for i, suite := range suites {
		key, err := srtp.NewKey(suite, rand.Reader)
		if err != nil {
			return nil, err
		}
		all = append(all, sdp.Crypto{Tag: i + 1, Key: key})
	}
	return all, nil
}

func (a *agreement) crypto() *relay.Crypto { return &relay.Crypto{Send: a.ours, Receive: a.theirs} }
