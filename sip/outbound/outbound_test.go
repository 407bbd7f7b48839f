package outbound

import (
	"net/netip"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

func TestUpAndDown(t *testing.T) {
	s := TerminatorState{Up: true}
	at := time.Unix(0, 0)
	p := &wire.Ping{UpAfter: 2}
	for i, c := range []struct{ ok, changed, up bool }{
		{false, false, true}, {false, false, true}, {true, false, true}, // two failures are not three
		{false, false, true}, {false, false, true}, {false, true, false},
		{true, false, false}, {false, false, false}, {true, false, false}, {true, true, true},
	} {
		at = at.Add(time.Second)
		if changed := s.observe(p, c.ok, at); changed != c.changed || s.Up != c.up {
			t.Errorf("ping %d: %v, %+v", i, changed, s)
		}
	}
	if !s.Since.Equal(at) {
		t.Errorf("up since %v", s.Since)
	}
	some := &pinger{terminator: &wire.Terminator{Ping: &wire.Ping{UpCodes: []uint32{404}}}}
	any := &pinger{terminator: &wire.Terminator{Ping: &wire.Ping{}}}
	for code, want := range map[int][2]bool{200: {false, true}, 404: {true, true}, 405: {false, true}, 503: {false, false}, 408: {false, false}} {
		if got := [2]bool{some.there(code), any.there(code)}; got != want {
			t.Errorf("%d counts as %v", code, got)
		}
	}
}

func TestOwner(t *testing.T) {
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: []*wire.Change{
		{Entity: catalog.EntityOf(&wire.Registration{Id: "home", Originator: "o", User: "ours"})},
		{Entity: catalog.EntityOf(&wire.Registration{Id: "away", Originator: "p", User: "ours"})},
	}}}})
	o := New(Config{})
	o.seen = cat
	from := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	o.registrations["home"] = RegistrationState{Registered: true, sources: from}
	o.registrations["away"] = RegistrationState{sources: from}
	marked := sip.Uri{User: "ours", UriParams: sip.HeaderParams{{K: mark, V: "home"}}}
	bare := sip.Uri{User: "ours"}
	for _, c := range []struct {
		name          string
		source        string
		recipient, to sip.Uri
		want, dialled string
	}{
		{"the contact", "192.0.2.1:5060", marked, sip.Uri{User: "+49301234"}, "o", "+49301234"},
		{"its user only", "192.0.2.1:9", bare, sip.Uri{User: "49301234"}, "o", "49301234"},
		{"a number in the contact's place", "192.0.2.1:5060", sip.Uri{User: "49301234", UriParams: marked.UriParams}, sip.Uri{User: "ours"}, "o", "49301234"},
		{"from elsewhere", "192.0.2.2:5060", marked, sip.Uri{User: "49301234"}, "", ""},
		{"another user", "192.0.2.1:5060", sip.Uri{User: "49301234"}, sip.Uri{User: "49301234"}, "", ""},
		{"not registered", "192.0.2.1:5060", sip.Uri{User: "ours", UriParams: sip.HeaderParams{{K: mark, V: "away"}}}, sip.Uri{User: "49"}, "", ""},
	} {
		owner, dialled, ok := o.Owner(c.source, c.recipient, c.to)
		if owner != c.want || dialled != c.dialled || ok != (c.want != "") {
			t.Errorf("%s: %q dials %q, %v", c.name, owner, dialled, ok)
		}
	}
}

func TestHostPort(t *testing.T) {
	for s, want := range map[string]string{
		"a.test": "a.test 0", "a.test:5070": "a.test 5070", "192.0.2.1:1": "192.0.2.1 1", "2001:db8::1": "2001:db8::1 0", "[2001:db8::1]:7": "2001:db8::1 7",
	} {
		host, port := hostPort(s)
		if got := host + " " + itoa(port); got != want {
			t.Errorf("%s is %s", s, got)
		}
	}
}

func itoa(n uint16) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + itoa(n%10)
}
