package world

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/wire"
)

// subscriber is a line that registers. Its password is kept as hashes only.
type subscriber struct {
	ID             string   `yaml:"id"`
	Name           string   `yaml:"name"`
	Company        string   `yaml:"company"`
	Account        string   `yaml:"account"`
	SellDeck       string   `yaml:"sell_deck"`
	RoutePlan      string   `yaml:"route_plan"`
	Password       string   `yaml:"password"`
	CallerNumber   string   `yaml:"caller_number"`
	Channels       uint32   `yaml:"channels"`
	CallsPerSecond uint32   `yaml:"calls_per_second"`
	MaxContacts    uint32   `yaml:"max_contacts"`
	MaxDuration    string   `yaml:"max_duration"`
	Codecs         []string `yaml:"codecs"`
	Forward        forward  `yaml:"forward"`
	// TrustRegistration lets calls from a registered address in unchallenged.
	TrustRegistration bool `yaml:"trust_registration"`
	// Srtp and SrtpOnPlain are those of a peer's sip policy.
	Srtp        string `yaml:"srtp"`
	SrtpOnPlain bool   `yaml:"srtp_on_plain"`
	// Transfers lets it send calls on by REFER.
	Transfers bool `yaml:"transfers"`
	Disabled  bool `yaml:"disabled"`
}

// forward names numbers or other subscribers.
type forward struct {
	Always   string `yaml:"always"`
	Busy     string `yaml:"busy"`
	NoAnswer string `yaml:"no_answer"`
	// After is how long the devices ring.
	After string `yaml:"after"`
}

// did is a number that leads to a subscriber or a terminator.
type did struct {
	Number     string `yaml:"number"`
	Company    string `yaml:"company"`
	Subscriber string `yaml:"subscriber"`
	Terminator string `yaml:"terminator"`
	Account    string `yaml:"account"`
	SellDeck   string `yaml:"sell_deck"`
	Disabled   bool   `yaml:"disabled"`
}

func (e *edit) subscriber(s subscriber) error {
	longest, err := seconds("max_duration", s.MaxDuration)
	if err != nil {
		return err
	}
	rings, err := seconds("forward.after", s.Forward.After)
	if err != nil {
		return err
	}
	srtp, err := srtpOf(s.Srtp)
	if err != nil {
		return err
	}
	secret, err := e.ha1("subscriber "+s.ID, s.ID, s.Password, e.cat.Subscriber(s.ID).GetSecret(), true)
	if err != nil {
		return fmt.Errorf("password: %w", err)
	}
	e.put(&wire.Subscriber{
		Id: s.ID, Name: s.Name, Company: s.Company, Account: s.Account, SellDeck: s.SellDeck, RoutePlan: s.RoutePlan,
		Secret: secret, CallerNumber: s.CallerNumber, Channels: s.Channels, CallsPerSecond: s.CallsPerSecond,
		MaxContacts: s.MaxContacts, Codecs: s.Codecs, MaxDurationS: longest, NoAnswerS: rings,
		ForwardAlways: s.Forward.Always, ForwardBusy: s.Forward.Busy, ForwardNoAnswer: s.Forward.NoAnswer,
		TrustRegistration: s.TrustRegistration, Disabled: s.Disabled, Srtp: srtp, SrtpOnPlain: s.SrtpOnPlain, Transfers: s.Transfers,
	})
	return nil
}

func (e *edit) did(d did) error {
	e.put(&wire.Did{
		Number: d.Number, Company: d.Company, Subscriber: d.Subscriber, Terminator: d.Terminator,
		Account: d.Account, SellDeck: d.SellDeck, Disabled: d.Disabled,
	})
	return nil
}

func (e *edit) originatorSecret(o originator) ([]byte, error) {
	if o.AuthUser == "" {
		return nil, nil
	}
	old := e.cat.Originator(o.ID)
	return e.ha1("originator "+o.ID, o.AuthUser, o.AuthPassword, old.GetAuthSecret(), old.GetAuthUser() == o.AuthUser)
}

// ha1 is the wrapped secret that a peer has or shall have, nil without a password.
// One that has not changed stays as it is wrapped, so that applying twice changes
// nothing; without a password in the document the old one is kept for the same user.
func (e *edit) ha1(name, user, password string, old []byte, sameUser bool) ([]byte, error) {
	if password == "" {
		if !sameUser || len(old) == 0 {
			return nil, nil
		}
		if was := digest.RealmOf(e.cat.Settings()); was != e.realm {
			return nil, events.Invalid("the realm becomes %q: give the password again, which was set for %q", e.realm, was)
		}
		return old, nil
	}
	secret, err := digest.SecretOf(user, password, e.realm)
	if err != nil {
		return nil, err
	}
	if plain, err := e.sec.Unwrap(name, old); err == nil && bytes.Equal(plain, secret.Bytes()) {
		return old, nil
	}
	return e.sec.Wrap(name, secret.Bytes())
}

// realmed refuses another realm while somebody's password, which was set for the one
// before, is not in the document.
func (e *edit) realmed() error {
	was := digest.RealmOf(e.cat.Settings())
	if was == e.realm {
		return nil
	}
	for _, kind := range []catalog.Kind{catalog.KindSubscriber, catalog.KindOriginator} {
		for _, it := range e.cat.List(kind) {
			ref := catalog.RefOf(it.Entity)
			had := len(it.Entity.GetSubscriber().GetSecret()) + len(it.Entity.GetOriginator().GetAuthSecret())
			if had > 0 && !slices.ContainsFunc(e.Differences, func(d Difference) bool { return d.Ref == ref }) {
				return events.Invalid("settings.realm: it becomes %q, but %s has a password that was set for %q: give it again in the same document", e.realm, ref, was)
			}
		}
	}
	return nil
}
