package catalog_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// A subscriber is a peer on both sides, under names that no other peer can have.
func TestSubscribersArePeers(t *testing.T) {
	s := world(t, small()...)
	o, device, forward := s.Originator("subscriber/s"), s.Terminator("subscriber/s"), s.Terminator("forward/s")
	if o == nil || o.Account != "cust" || o.SellDeck != "d" || o.Id != "subscriber/s" {
		t.Errorf("calling: %v", o)
	}
	if device == nil || forward == nil || device.Id != "subscriber/s" || forward.Id != "forward/s" || device.Account != "" {
		t.Errorf("called: %v, %v", device, forward)
	}
	for _, none := range []string{"subscriber/who", "forward/s", "s"} {
		if s.Originator(none) != nil {
			t.Errorf("%s calls", none)
		}
	}
	if s.SubscriberOf("forward/s").GetId() != "s" || s.SubscriberOf("t") != nil {
		t.Error("the subscriber behind a peer's name")
	}
	want := catalog.Ref{Kind: catalog.KindSubscriber, ID: "s"}
	if catalog.PeerRef(catalog.KindTerminator, "forward/s") != want || catalog.PeerRef(catalog.KindOriginator, "o").ID != "o" {
		t.Error("the entity behind a peer's name")
	}
}

func TestSubscribersAndNumbersAreChecked(t *testing.T) {
	base := world(t, small()...)
	sub := func(edit func(*wire.Subscriber)) any {
		s := &wire.Subscriber{Id: "x", Company: "co", Account: "cust", SellDeck: "d"}
		edit(s)
		return s
	}
	did := func(edit func(*wire.Did)) any {
		d := &wire.Did{Number: "4930", Company: "co", Subscriber: "s"}
		edit(d)
		return d
	}
	auth := func(user string, secret []byte) any {
		o := proto.CloneOf(base.Originator("o"))
		o.AuthUser, o.AuthSecret = user, secret
		return o
	}
	long := strings.Repeat("x", 600)
	for name, c := range map[string]struct {
		put  any
		want events.Code
		says string
	}{
		"no account":        {sub(func(s *wire.Subscriber) { s.Account = "" }), events.CodeInvalid, "account"},
		"a vendor's money":  {sub(func(s *wire.Subscriber) { s.Account = "vend" }), events.CodeInvalid, "account"},
		"contacts":          {sub(func(s *wire.Subscriber) { s.MaxContacts = 21 }), events.CodeInvalid, "max_contacts"},
		"rings for ever":    {sub(func(s *wire.Subscriber) { s.NoAnswerS = 999 }), events.CodeInvalid, "no_answer_s"},
		"codec twice":       {sub(func(s *wire.Subscriber) { s.Codecs = []string{"pcma", "pcma"} }), events.CodeInvalid, "codecs.1"},
		"caller number":     {sub(func(s *wire.Subscriber) { s.CallerNumber = "a\r\nb" }), events.CodeInvalid, "caller_number"},
		"forwards to self":  {sub(func(s *wire.Subscriber) { s.ForwardBusy = "x" }), events.CodeInvalid, "forward_busy"},
		"forwards to none":  {sub(func(s *wire.Subscriber) { s.ForwardAlways = "who" }), events.CodeNotFound, "subscriber who"},
		"forwards nowhere":  {sub(func(s *wire.Subscriber) { s.ForwardNoAnswer = "sip:x@y" }), events.CodeInvalid, "forward_no_answer"},
		"long secret":       {sub(func(s *wire.Subscriber) { s.Secret = []byte(long) }), events.CodeInvalid, "secret"},
		"name of digest":    {sub(func(s *wire.Subscriber) { s.Id = "pbx" }), events.CodeConflict, "pbx"},
		"number":            {did(func(d *wire.Did) { d.Number = "+4930" }), events.CodeInvalid, "number"},
		"leads nowhere":     {did(func(d *wire.Did) { d.Subscriber = "" }), events.CodeInvalid, "one of the two"},
		"leads twice":       {did(func(d *wire.Did) { d.Terminator = "t" }), events.CodeInvalid, "one of the two"},
		"nobody there":      {did(func(d *wire.Did) { d.Subscriber = "who" }), events.CodeNotFound, "subscriber who"},
		"pays by nothing":   {did(func(d *wire.Did) { d.Account = "cust" }), events.CodeInvalid, "sell deck"},
		"no secret":         {auth("a", nil), events.CodeInvalid, "password"},
		"a quote":           {auth(`a"b`, []byte("x")), events.CodeInvalid, "quote"},
		"subscriber's name": {auth("s", []byte("x")), events.CodeConflict, "subscriber s"},
	} {
		s := apply(t, base, 2, put(auth("pbx", []byte("secret"))))
		_, err := s.Decide(now, changes([]any{c.put}))
		if events.CodeOf(err) != c.want || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fine := changes([]any{
		sub(func(s *wire.Subscriber) { s.ForwardAlways, s.ForwardBusy, s.CallerNumber = "s", "+4930", "+4940" }),
		did(func(d *wire.Did) { d.Subscriber, d.Terminator = "", "t" }),
	})
	s := apply(t, base, 2, fine...)
	if _, err := s.Decide(now, []*wire.ExpectedChange{remove(&wire.Subscriber{Id: "s"})}); events.CodeOf(err) != events.CodeConflict {
		t.Errorf("a subscriber that calls are forwarded to is removed: %v", err)
	}
	if s.Did("4930").GetTerminator() != "t" || catalog.Contacts(s.Subscriber("x")) != 5 || catalog.NoAnswerS(s.Subscriber("x")) != 30 {
		t.Error("what is not said")
	}
}
