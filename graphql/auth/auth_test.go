package auth

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

const right = "correct horse"

// stage is a door with a clock that a test turns.
type stage struct {
	t     *testing.T
	door  *Door
	cat   *catalog.State
	now   time.Time
	heard []*wire.Event
	token string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	hash, err := HashPassword(right)
	if err != nil {
		t.Fatal(err)
	}
	secret, sum, err := NewToken()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, cat: catalog.New(), now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), token: secret}
	s.put(&wire.User{Id: "anna", Password: hash, Role: wire.Role_ROLE_ADMIN})
	s.put(&wire.User{Id: "gone", Password: hash, Role: wire.Role_ROLE_NOC, Disabled: true})
	s.put(&wire.Token{Id: "billing", Hash: sum, Role: wire.Role_ROLE_PARTNER, Company: "acme", ExpiresAtUs: s.now.Add(time.Hour).UnixMicro()})
	s.door = New(Config{
		Catalog: func() *catalog.State { return s.cat }, Now: func() time.Time { return s.now },
		Record: func(_ context.Context, e *wire.Event) error { s.heard = append(s.heard, e); return nil },
	})
	return s
}

func (s *stage) put(m any) {
	s.cat = s.cat.Evolve(s.cat.Position()+1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{
		ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: []*wire.Change{{Entity: catalog.EntityOf(m)}}},
	}})
}

func (s *stage) signIn(user, password, address string) (string, events.Code) {
	_, secret, err := s.door.SignIn(context.Background(), Attempt{User: user, Password: password, Address: address})
	return secret, events.CodeOf(err)
}

func TestSignIn(t *testing.T) {
	s := newStage(t)
	for _, test := range []struct {
		user, password string
		code           events.Code
		reason         string
	}{
		{"anna", right, "", ""},
		{"anna", "wrong horse", events.CodeForbidden, "wrong password"},
		{"anna", "", events.CodeForbidden, "wrong password"},
		{"gone", right, events.CodeForbidden, "disabled"},
		{"nobody", right, events.CodeForbidden, "unknown user"},
		{strings.Repeat("x", 1000), right, events.CodeForbidden, "unknown user"},
	} {
		secret, code := s.signIn(test.user, test.password, "192.0.2.1")
		if code != test.code || (secret != "") != (test.code == "") {
			t.Errorf("%.20s/%s: %q %q", test.user, test.password, secret, code)
		}
		last := s.heard[len(s.heard)-1]
		if got := last.GetSignInFailed().GetReason(); got != test.reason || len(last.Actor) > 80 {
			t.Errorf("%.20s is recorded as %q", test.user, got)
		}
		s.now = s.now.Add(time.Hour)
	}
}

func TestBackoff(t *testing.T) {
	s := newStage(t)
	for range freeFailures {
		if _, code := s.signIn("anna", "wrong horse", "192.0.2.1"); code != events.CodeForbidden {
			t.Fatalf("early: %s", code)
		}
	}
	if _, code := s.signIn("anna", right, "198.51.100.9"); code != events.CodeLimit {
		t.Errorf("the user does not wait: %q", code)
	}
	if _, code := s.signIn("other", right, "192.0.2.1"); code != events.CodeLimit {
		t.Errorf("the source does not wait: %q", code)
	}
	if _, code := s.signIn("other", right, "2001:db8::1"); code != events.CodeForbidden {
		t.Errorf("others wait as well: %q", code)
	}
	s.now = s.now.Add(longestWait)
	if _, code := s.signIn("anna", right, "198.51.100.9"); code != "" {
		t.Errorf("after a minute: %q", code)
	}
	if a, b := SourceOf("2001:db8::1"), SourceOf("2001:db8::ffff:1"); a != b {
		t.Errorf("one customer is two sources: %s, %s", a, b)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	b := newBackoff()
	now := time.Unix(0, 0)
	for i := range maxTracked + 500 {
		b.begin(now.Add(time.Duration(i)*time.Millisecond), "user "+strconv.Itoa(i))
	}
	if len(b.seen) > maxTracked {
		t.Errorf("%d are remembered", len(b.seen))
	}
}

func TestSessions(t *testing.T) {
	s := newStage(t)
	secret, _ := s.signIn("anna", right, "192.0.2.1")
	if v := s.door.BySession(secret); v == nil || v.Actor != "user:anna" || v.Role != wire.Role_ROLE_ADMIN {
		t.Fatalf("viewer %+v", v)
	}
	if s.door.BySession("") != nil || s.door.BySession(secret+"x") != nil {
		t.Error("another secret opens a session")
	}
	s.now = s.now.Add(sessionIdle + time.Second)
	if s.door.BySession(secret) != nil {
		t.Error("an idle session lives")
	}
	secret, _ = s.signIn("anna", right, "192.0.2.1")
	for range 8 {
		s.now = s.now.Add(sessionIdle - time.Minute)
		s.door.BySession(secret)
	}
	if s.door.BySession(secret) != nil {
		t.Error("a session lives for ever")
	}
	secret, _ = s.signIn("anna", right, "192.0.2.1")
	hash, err := HashPassword("a new password")
	if err != nil {
		t.Fatal(err)
	}
	s.put(&wire.User{Id: "anna", Password: hash, Role: wire.Role_ROLE_ADMIN})
	if s.door.BySession(secret) != nil {
		t.Error("a session outlives the password")
	}
	memory := newSessions()
	for i := range maxPerUser + 5 {
		if _, err := memory.open(s.now.Add(time.Duration(i)*time.Second), "anna", "h"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(memory.byHash); n != maxPerUser {
		t.Errorf("one user has %d sessions", n)
	}
}

func TestToken(t *testing.T) {
	s := newStage(t)
	v := s.door.ByToken(s.token, "192.0.2.1")
	if v == nil || v.Actor != "token:billing" || v.Company != "acme" || v.Staff() || !v.Sees("acme") || v.Sees("initech") || v.Sees("") {
		t.Errorf("viewer %+v", v)
	}
	if s.door.ByToken(s.token+"x", "192.0.2.1") != nil || s.door.ByToken("", "192.0.2.1") != nil {
		t.Error("another token is let in")
	}
	s.now = s.now.Add(time.Hour)
	if s.door.ByToken(s.token, "192.0.2.1") != nil {
		t.Error("an expired token is let in")
	}
	sum := sha256.Sum256([]byte(s.token))
	s.put(&wire.Token{Id: "billing", Hash: sum[:], Role: wire.Role_ROLE_PARTNER, Company: "acme", Revoked: true})
	if s.door.ByToken(s.token, "192.0.2.1") != nil {
		t.Error("a revoked token is let in")
	}
}

// TestByActor: what somebody began is done with the rights that he has now, if any.
func TestByActor(t *testing.T) {
	s := newStage(t)
	if v := s.door.ByActor("token:billing"); v == nil || v.Company != "acme" || v.Role != wire.Role_ROLE_PARTNER {
		t.Errorf("the token: %+v", v)
	}
	if v := s.door.ByActor("user:anna"); v == nil || v.User != "anna" {
		t.Errorf("the user: %+v", v)
	}
	for _, nobody := range []string{"", "anna", "user:", "user:nobody", "token:nobody", "node:n1"} {
		if v := s.door.ByActor(nobody); v != nil {
			t.Errorf("%q is %+v", nobody, v)
		}
	}
	anna := proto.CloneOf(s.door.cfg.Catalog().User("anna"))
	anna.Disabled = true
	s.put(anna)
	s.now = s.now.Add(time.Hour)
	for _, gone := range []string{"user:anna", "token:billing"} {
		if v := s.door.ByActor(gone); v != nil {
			t.Errorf("%s may still: %+v", gone, v)
		}
	}
}

func TestMiddleware(t *testing.T) {
	s := newStage(t)
	secret, _ := s.signIn("anna", right, "192.0.2.1")
	handler := s.door.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := FromContext(r.Context()); v != nil {
			_, _ = w.Write([]byte(v.Actor))
		}
	}))
	for _, test := range []struct {
		method, csrf, token string
		cookie              bool
		code                int
		body                string
	}{
		{"POST", "1", "", true, 200, "user:anna"},
		{"POST", "", "", true, 403, ""},
		{"POST", "", "", false, 403, ""},
		{"GET", "", "", true, 200, "user:anna"},
		{"GET", "", "", false, 200, ""},
		{"POST", "", "Bearer " + s.token, false, 200, "token:billing"},
		{"POST", "", "Bearer nonsense", true, 401, ""},
		{"POST", "1", "Basic YW5uYTp4", true, 401, ""},
	} {
		r := httptest.NewRequest(test.method, "/graphql", nil)
		if test.csrf != "" {
			r.Header.Set(CSRFHeader, test.csrf)
		}
		if test.token != "" {
			r.Header.Set("Authorization", test.token)
		}
		if test.cookie {
			r.AddCookie(&http.Cookie{Name: cookieName, Value: secret})
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != test.code || test.code == 200 && w.Body.String() != test.body {
			t.Errorf("%+v: %d %q", test, w.Code, w.Body)
		}
	}
	c := cookie(httptest.NewRequest(http.MethodPost, "https://switch.example/", nil), "x")
	if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("cookie %v", c)
	}
}
