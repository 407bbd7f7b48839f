package catalog

import (
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// A subscriber is a peer on both sides of calls. In holds, logs and CDRs he stands
// as an originator or a terminator of these names, which no other peer can have.
const (
	// DevicePeer and the subscriber's id name him who calls, or whose devices ring.
	DevicePeer = "subscriber/"
	// ForwardPeer and the subscriber's id name the attempt that he forwards.
	ForwardPeer = "forward/"
)

const (
	maxContacts   = 20
	maxNoAnswerS  = 180
	usualContacts = 5
	usualNoAnswer = 30
	maxCaller     = 64
	maxSecret     = 512
)

// Contacts is how many devices of a subscriber may be registered at once.
func Contacts(s *wire.Subscriber) int {
	if s.MaxContacts == 0 {
		return usualContacts
	}
	return int(s.MaxContacts)
}

// NoAnswerS is how many seconds a subscriber's devices ring.
func NoAnswerS(s *wire.Subscriber) uint32 {
	if s.NoAnswerS == 0 {
		return usualNoAnswer
	}
	return s.NoAnswerS
}

// Subscriber finds a subscriber by his id; nil if there is none.
func (s *State) Subscriber(id string) *wire.Subscriber {
	return s.items[KindSubscriber][id].Entity.GetSubscriber()
}

// Did finds a number by its digits; nil if it is none of ours.
func (s *State) Did(number string) *wire.Did { return s.items[KindDid][number].Entity.GetDid() }

// SubscriberOf finds the subscriber behind a peer's name; nil for any other peer.
func (s *State) SubscriberOf(peer string) *wire.Subscriber {
	return s.subscriberOf(peer, DevicePeer, ForwardPeer)
}

func (s *State) subscriberOf(peer string, prefixes ...string) *wire.Subscriber {
	for _, p := range prefixes {
		if id, ok := strings.CutPrefix(peer, p); ok {
			return s.Subscriber(id)
		}
	}
	return nil
}

// PeerRef names the entity behind a peer's name: the subscriber's, or the one of
// the kind itself.
func PeerRef(k Kind, id string) Ref {
	if k == KindOriginator || k == KindTerminator {
		for _, p := range []string{DevicePeer, ForwardPeer} {
			if sub, ok := strings.CutPrefix(id, p); ok {
				return Ref{KindSubscriber, sub}
			}
		}
	}
	return Ref{k, id}
}

// called is the terminator that a subscriber is when he is called, or forwards.
func called(peer string, s *wire.Subscriber) *wire.Terminator {
	t := &wire.Terminator{Id: peer, Company: s.Company, Sip: treated(s, strings.HasPrefix(peer, ForwardPeer))}
	if strings.HasPrefix(peer, DevicePeer) { // what he forwards is limited as a call of his own
		t.Channels = s.Channels
	}
	return t
}

// treated is how a subscriber's signalling is treated; what he forwards comes back to
// us, who are told who calls.
func treated(s *wire.Subscriber, ours bool) *wire.SipPolicy {
	if ours {
		return &wire.SipPolicy{Trusted: true}
	}
	return &wire.SipPolicy{Codecs: s.Codecs, Srtp: s.Srtp, SrtpOnPlain: s.SrtpOnPlain, Transfers: s.Transfers}
}

// callingAs is the originator that a subscriber is when he calls.
func callingAs(s *wire.Subscriber) *wire.Originator {
	return &wire.Originator{
		Id: DevicePeer + s.Id, Company: s.Company, Account: s.Account, SellDeck: s.SellDeck, RoutePlan: s.RoutePlan,
		Channels: s.Channels, CallsPerSecond: s.CallsPerSecond, MaxDurationS: s.MaxDurationS, Disabled: s.Disabled,
		Sip: treated(s, false),
	}
}

// forwards are the subscribers that one forwards to by id.
func forwards(s *wire.Subscriber) []string {
	var out []string
	for _, to := range []string{s.ForwardAlways, s.ForwardBusy, s.ForwardNoAnswer} {
		if _, isNumber := number.Normalise(to); to != "" && !isNumber && !slices.Contains(out, to) {
			out = append(out, to)
		}
	}
	return out
}

func validateSubscriber(s *wire.Subscriber) error {
	switch {
	case s.Company == "" || s.Account == "" || s.SellDeck == "":
		return events.Invalid("company, account and sell deck are needed")
	case len(s.Secret) > maxSecret:
		return events.Invalid("the wrapped secret is too long")
	case s.MaxContacts > maxContacts:
		return events.Invalid("max_contacts is %d; at most %d are allowed", s.MaxContacts, maxContacts)
	case s.NoAnswerS > maxNoAnswerS:
		return events.Invalid("no_answer_s is %d; devices may ring for %d s at most", s.NoAnswerS, maxNoAnswerS)
	case len(s.CallerNumber) > maxCaller || strings.Trim(s.CallerNumber, "+0123456789") != "":
		return events.Invalid("caller_number %.70q is not made of digits", s.CallerNumber)
	}
	if err := validateSip(treated(s, false)); err != nil {
		return err
	}
	for path, to := range map[string]string{
		"forward_always": s.ForwardAlways, "forward_busy": s.ForwardBusy, "forward_no_answer": s.ForwardNoAnswer,
	} {
		if err := checkForward(s.Id, to); err != nil {
			return events.Invalid("%s: %v", path, err)
		}
	}
	if err := checkSeconds("max_duration_s", s.MaxDurationS); err != nil {
		return err
	}
	return checkName(s.Name)
}

// checkForward refuses what is neither a number nor another subscriber's id.
func checkForward(id, to string) error {
	if to == "" {
		return nil
	}
	if to == id {
		return events.Invalid("a subscriber cannot forward to himself")
	}
	if _, ok := number.Normalise(to); ok {
		return nil
	}
	return CheckID(to)
}

func validateDid(d *wire.Did) error {
	digits, ok := number.Normalise(d.Number)
	switch {
	case !ok || digits != d.Number:
		return events.Invalid("the number %.40q is not made of 1 to %d digits", d.Number, number.MaxDigits)
	case d.Company == "":
		return events.Invalid("the company is missing")
	case (d.Subscriber == "") == (d.Terminator == ""):
		return events.Invalid("a number leads to a subscriber or to a terminator: one of the two")
	case (d.Account == "") != (d.SellDeck == ""):
		return events.Invalid("whoever pays for a number's calls has an account and a sell deck, or neither")
	}
	return nil
}

// checkDigest refuses a user without a secret, and the other way round.
func checkDigest(user string, secret []byte) error {
	switch {
	case len(user) > maxName || strings.ContainsAny(user, "\":\r\n\\"):
		return events.Invalid("auth_user %.40q is too long or has a quote, colon or backslash in it", user)
	case len(secret) > maxSecret:
		return events.Invalid("the wrapped secret is too long")
	case (user == "") != (len(secret) == 0):
		return events.Invalid("digest credentials need a user and a password")
	}
	return nil
}

func (s *State) checkSubscriber(ref Ref, sub *wire.Subscriber) *events.Error {
	for _, it := range s.items[KindOriginator] {
		if o := it.Entity.GetOriginator(); o.AuthUser == sub.Id {
			return taken(ref, sub.Id, Ref{KindOriginator, o.Id})
		}
	}
	return s.checkPeer(ref, sub.Company, sub.Account, sub.SellDeck, wire.AccountKind_ACCOUNT_KIND_CUSTOMER)
}

func (s *State) checkDid(ref Ref, d *wire.Did) *events.Error {
	if d.Account == "" {
		return nil
	}
	return s.checkPeer(ref, d.Company, d.Account, d.SellDeck, wire.AccountKind_ACCOUNT_KIND_CUSTOMER)
}

// checkAuthUser refuses a user name of digest that somebody else has.
func (s *State) checkAuthUser(ref Ref, o *wire.Originator) *events.Error {
	if o.AuthUser == "" {
		return nil
	}
	if s.Subscriber(o.AuthUser) != nil {
		return taken(ref, o.AuthUser, Ref{KindSubscriber, o.AuthUser})
	}
	for _, it := range s.items[KindOriginator] {
		if other := it.Entity.GetOriginator(); other.Id != o.Id && other.AuthUser == o.AuthUser {
			return taken(ref, o.AuthUser, Ref{KindOriginator, other.Id})
		}
	}
	return nil
}

func taken(ref Ref, user string, by Ref) *events.Error {
	return events.Refuse(events.CodeConflict, "%s: the user name %q is that of %s; choose another", ref, user, by)
}
