package registrar

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

func TestWhoSends(t *testing.T) {
	d := newDoor(t, peers(t))
	challenge := d.Challenge(request(t, "REGISTER", "anna"), false)
	count := uint32(0)
	judge := func(user, password string) (string, Verdict) {
		count++
		peer, v := d.Judge(request(t, "REGISTER", user, answer(t, challenge, "REGISTER", user, password, count)), home.Addr())
		return peer.GetId(), v
	}
	for _, c := range []struct {
		user, password, peer string
		want                 Verdict
	}{
		{"anna", "wonderland", "subscriber/anna", Passed},
		{"pbx-1", "secret", "pbx", Passed},
		{"anna", "wrong", "", Wrong},
		{"bert", "wonderland", "", Wrong}, // switched off
		{"carl", "wonderland", "", Wrong}, // has no password
		{"nobody", "wonderland", "", Wrong},
	} {
		if peer, v := judge(c.user, c.password); peer != c.peer || v != c.want {
			t.Errorf("%s with %s: %q, %v; want %q, %v", c.user, c.password, peer, v, c.peer, c.want)
		}
	}
	if _, v := d.Judge(request(t, "REGISTER", "anna"), home.Addr()); v != Asked {
		t.Errorf("without credentials: %v", v)
	}
}

func TestReplayIsStale(t *testing.T) {
	d := newDoor(t, peers(t))
	req := request(t, "REGISTER", "anna", answer(t, d.Challenge(request(t, "REGISTER", "anna"), false), "REGISTER", "anna", "wonderland", 1))
	for i, want := range []Verdict{Passed, Stale, Stale} {
		if i == 0 && d.Look(req, home.Addr()) != Passed {
			t.Error("a look takes the nonce")
		}
		if _, v := d.Judge(req, home.Addr()); v != want {
			t.Errorf("time %d: %v, want %v", i+1, v, want)
		}
	}
	// A nonce of another door, with the right password: not somebody who guesses.
	other := newDoor(t, peers(t)).Challenge(request(t, "REGISTER", "anna"), false)
	if _, v := d.Judge(request(t, "REGISTER", "anna", answer(t, other, "REGISTER", "anna", "wonderland", 1)), home.Addr()); v != Stale {
		t.Errorf("a nonce from before a restart: %v", v)
	}
	if res := d.Challenge(req, true); !strings.Contains(res.GetHeader("WWW-Authenticate").Value(), "stale=true") {
		t.Error(res)
	}
}

func TestAnswerIsForOneCall(t *testing.T) {
	d := newDoor(t, peers(t))
	for uri, want := range map[string]Verdict{"sip:4930@tollbook": Wrong, "sip:900123@elsewhere": Passed, "sip:tollbook": Passed} {
		line := answerFor(t, uri, d.Challenge(request(t, "INVITE", "anna"), false), "INVITE", "anna", "wonderland", 1)
		req := request(t, "INVITE", "anna", line)
		req.Recipient.User = "900123"
		if _, v := d.Judge(req, home.Addr()); v != want {
			t.Errorf("an answer for a call to %s: %v", uri, v)
		}
	}
}

var changing = regexp.MustCompile(`nonce="[^"]*"|tag=[^\s;]+`)

// What a user that does not exist hears is what one hears that does.
func TestUnknownUsersLookTheSame(t *testing.T) {
	d := newDoor(t, peers(t))
	hears := func(user string, lines ...string) string {
		res, in := d.Greet(request(t, "REGISTER", user, lines...), home)
		if in || res == nil {
			t.Fatalf("%s: %v, %v", user, res, in)
		}
		return strings.ReplaceAll(changing.ReplaceAllString(res.String(), "…"), user, "…")
	}
	first := hears("anna")
	for _, user := range []string{"bert", "carl", "nobody", "pbx-1"} {
		if got := hears(user); got != first {
			t.Errorf("%s hears\n%s\nanna hears\n%s", user, got, first)
		}
	}
	challenge := d.Challenge(request(t, "REGISTER", "anna"), false)
	wrong := hears("anna", answer(t, challenge, "REGISTER", "anna", "guess", 1))
	if got := hears("nobody", answer(t, challenge, "REGISTER", "nobody", "guess", 1)); got != wrong {
		t.Errorf("after a guess nobody hears\n%s\nanna hears\n%s", got, wrong)
	}
}

func TestAlgorithms(t *testing.T) {
	offered := func(w *wire.Settings, more ...string) string {
		d := newDoor(t, peers(t, w))
		var out []string
		for _, h := range d.Challenge(request(t, "REGISTER", "anna", more...), false).GetHeaders("WWW-Authenticate") {
			_, a, _ := strings.Cut(h.Value(), "algorithm=")
			a, _, _ = strings.Cut(a, ",")
			out = append(out, a)
		}
		return strings.Join(out, " ")
	}
	only := &wire.Settings{Id: "settings", DigestAlgorithms: []string{"SHA-256"}}
	for _, c := range []struct{ got, want string }{
		{offered(&wire.Settings{Id: "settings"}), "MD5 SHA-256"},
		{offered(only), "SHA-256"},
		{offered(&wire.Settings{Id: "settings"}, "User-Agent: baresip v1.0.0 (x86_64/linux)"), "MD5"},
		{offered(only, "User-Agent: baresip v1.0.0 (x86_64/linux)"), "SHA-256"},
	} {
		if c.got != c.want {
			t.Errorf("%s is offered, want %s", c.got, c.want)
		}
	}
	d := newDoor(t, peers(t, only))
	challenge := d.Challenge(request(t, "REGISTER", "anna"), false)
	if _, v := d.Judge(request(t, "REGISTER", "anna", answer(t, challenge, "REGISTER", "anna", "wonderland", 1)), home.Addr()); v != Passed {
		t.Errorf("SHA-256: %v", v)
	}
	weaker := strings.Replace(challenge.GetHeader("WWW-Authenticate").Value(), "SHA-256", "MD5", 1)
	challenge.ReplaceHeader(newHeader("WWW-Authenticate", weaker))
	if _, v := d.Judge(request(t, "REGISTER", "anna", answer(t, challenge, "REGISTER", "anna", "wonderland", 2)), home.Addr()); v != Wrong {
		t.Errorf("an algorithm that was not offered: %v", v)
	}
}

func TestGuessersAreBanned(t *testing.T) {
	w := peers(t)
	d := newDoor(t, w)
	var told []Ban
	d.config.Banned = func(b Ban) { told = append(told, b) }
	guess := func(from netip.AddrPort, user string, n int) Verdict {
		_, v := d.Judge(request(t, "REGISTER", user, answer(t, d.Challenge(request(t, "REGISTER", user), false), "REGISTER", user, fmt.Sprint("guess", n), 1)), from.Addr())
		return v
	}
	bad := netip.MustParseAddrPort("203.0.113.9:5060")
	for n := range wrongs {
		if v := guess(bad, "anna", n); v != Wrong {
			t.Fatalf("guess %d: %v", n, v)
		}
	}
	if v := guess(bad, "anna", 99); v != Banned || len(told) != 1 || len(d.Bans()) != 1 || d.Bans()[0].Addr != bad.Addr() {
		t.Fatalf("%v, told of %v", v, told)
	}
	if res, in := d.Greet(request(t, "REGISTER", "anna"), bad); res != nil || in || d.Welcome(bad.Addr()) {
		t.Errorf("a banned source is answered: %v", res)
	}
	// Anna's own line is slowed down meanwhile, but not at her home.
	right := func(from netip.AddrPort) Verdict {
		_, v := d.Judge(request(t, "REGISTER", "anna", answer(t, d.Challenge(request(t, "REGISTER", "anna"), false), "REGISTER", "anna", "wonderland", 1)), from.Addr())
		return v
	}
	if v := right(home); v != Wrong {
		t.Errorf("after many guesses she is heard at once: %v", v)
	}
	if !d.Lift(bad.Addr()) || d.Lift(bad.Addr()) || d.Banned(bad.Addr()) || len(d.Bans()) != 0 {
		t.Error("the ban cannot be lifted")
	}
}

func TestFriendsAreNotSlowed(t *testing.T) {
	d := newDoor(t, peers(t))
	try := func(from, password string) Verdict {
		_, v := d.Judge(request(t, "REGISTER", "anna", answer(t, d.Challenge(request(t, "REGISTER", "anna"), false), "REGISTER", "anna", password, 1)), netip.MustParseAddr(from))
		return v
	}
	if v := try("192.0.2.7", "wonderland"); v != Passed {
		t.Fatal(v)
	}
	for i := range 3 * freeTries { // from many sources, so that none is banned
		try(fmt.Sprintf("203.0.113.%d", i), "guess")
	}
	if v := try("203.0.113.99", "wonderland"); v != Wrong {
		t.Errorf("from elsewhere: %v", v)
	}
	if v := try("192.0.2.7", "wonderland"); v != Passed {
		t.Errorf("from home: %v", v)
	}
}

func TestLookingForUsersIsBanned(t *testing.T) {
	d := newDoor(t, peers(t))
	from := netip.MustParseAddr("2001:db8::1")
	for n := range asks {
		if _, v := d.Judge(request(t, "REGISTER", fmt.Sprint(n)), from); v != Asked {
			t.Fatal(n, v)
		}
	}
	d.Judge(request(t, "REGISTER", "one more"), from)
	if !d.Banned(netip.MustParseAddr("2001:db8::2")) || d.Banned(netip.MustParseAddr("2001:db8:1::1")) {
		t.Errorf("bans: %v", d.Bans())
	}
}

func TestGuardIsBounded(t *testing.T) {
	g := newGuard()
	now := home.Addr()
	at := noon
	for range maxOffenders + 100 {
		now = now.Next()
		g.failed(now.String(), true, now, at)
	}
	if len(g.sources) != maxOffenders || len(g.users) != maxOffenders {
		t.Errorf("%d sources, %d users", len(g.sources), len(g.users))
	}
}

func TestBansGrow(t *testing.T) {
	g := newGuard()
	now := noon
	length := firstBan
	for range 12 {
		var ban *Ban
		for ban == nil {
			ban = g.failed("anna", true, home.Addr(), now)
		}
		if got := ban.Until.Sub(now); got != length {
			t.Errorf("a ban of %v, want %v", got, length)
		}
		now = ban.Until
		if g.banned(home.Addr(), now) {
			t.Error("a ban goes on")
		}
		length = min(2*length, longestBan)
	}
}

// The realm is a setting, and by itself does not name the program. Passwords for
// another one are no good.
func TestRealm(t *testing.T) {
	for _, c := range []struct {
		settings *wire.Settings
		realm    string
		want     Verdict
	}{
		{&wire.Settings{Id: "settings"}, `realm="sip"`, Passed},
		{&wire.Settings{Id: "settings", Realm: "home.test"}, `realm="home.test"`, Wrong},
	} {
		d := newDoor(t, peers(t, c.settings))
		challenge := d.Challenge(request(t, "REGISTER", "anna"), false)
		if text := challenge.GetHeader("WWW-Authenticate").Value(); !strings.Contains(text, c.realm) || strings.Contains(strings.ToLower(text), "tollbook") {
			t.Errorf("the challenge\n%s", text)
		}
		header := answer(t, challenge, "REGISTER", "anna", "wonderland", 1)
		header = strings.Replace(header, `realm="sip"`, c.realm, 1)
		if _, v := d.Judge(request(t, "REGISTER", "anna", header), home.Addr()); v != c.want {
			t.Errorf("%s: %v, want %v", c.realm, v, c.want)
		}
	}
}
