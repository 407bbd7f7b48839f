package registrar

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/digest"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

// boxes wraps secrets for tests: anybody can read them.
type boxes struct{}

func (boxes) Wrap(name string, secret []byte) ([]byte, error) {
	return append([]byte(name+":"), secret...), nil
}

func (boxes) Unwrap(name string, wrapped []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(wrapped, []byte(name+":"))
	if !ok {
		return nil, fmt.Errorf("not the secret of %s", name)
	}
	return plain, nil
}

// shelf keeps bindings in memory, as a bucket does.
type shelf struct {
	mu       sync.Mutex
	data     map[string][]byte
	revision map[string]uint64
	tell     []func(string, []byte)
	// between runs before each write, as somebody else's write would.
	between func()
}

func newShelf() *shelf { return &shelf{data: map[string][]byte{}, revision: map[string]uint64{}} }

func (s *shelf) Get(_ context.Context, user string) ([]byte, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[user], s.revision[user], nil
}

func (s *shelf) Put(_ context.Context, user string, data []byte, revision uint64) error {
	if f := s.between; f != nil {
		s.between = nil
		f()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revision[user] != revision {
		return ErrConflict
	}
	s.data[user], s.revision[user] = data, revision+1
	for _, tell := range s.tell {
		tell(user, data)
	}
	return nil
}

func (s *shelf) Watch(_ context.Context, tell func(string, []byte)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell = append(s.tell, tell)
	for user, data := range s.data {
		tell(user, data)
	}
	return nil
}

func secret(t testing.TB, name, user, password string) []byte {
	t.Helper()
	s, err := digest.SecretOf(user, password, digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := boxes{}.Wrap(name, s.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return wrapped
}

// peers has the subscribers anna, who may have three devices, bert, who is off, and
// carl, who has no password, and the originator pbx with the user name pbx-1.
func peers(t testing.TB, more ...any) *routing.World {
	t.Helper()
	set := &wire.ChangeSetAccepted{}
	for _, m := range append([]any{
		&wire.Company{Id: "co"},
		&wire.Subscriber{Id: "anna", Company: "co", MaxContacts: 3, Secret: secret(t, "subscriber anna", "anna", "wonderland")},
		&wire.Subscriber{Id: "bert", Company: "co", Disabled: true, Secret: secret(t, "subscriber bert", "bert", "wonderland")},
		&wire.Subscriber{Id: "carl", Company: "co"},
		&wire.Originator{Id: "pbx", Company: "co", AuthUser: "pbx-1", AuthSecret: secret(t, "originator pbx", "pbx-1", "secret")},
	}, more...) {
		set.Changes = append(set.Changes, &wire.Change{Entity: catalog.EntityOf(m)})
	}
	cat := catalog.New().Evolve(1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: set}})
	return routing.Compile(cat, nil)
}

func newDoor(t testing.TB, w *routing.World) *Door {
	t.Helper()
	d, err := NewDoor(DoorConfig{World: func() *routing.World { return w }, Secrets: boxes{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var home = netip.MustParseAddrPort("192.0.2.7:5061")

// request makes a request; more are whole header lines.
func request(t testing.TB, method, user string, more ...string) *sip.Request {
	t.Helper()
	text := strings.Join(append([]string{
		method + " sip:tollbook SIP/2.0", "Via: SIP/2.0/UDP 192.0.2.7:5061;branch=z9hG4bK1", "Max-Forwards: 70",
		"From: <sip:" + user + "@tollbook>;tag=1", "To: <sip:" + user + "@tollbook>", "Content-Length: 0",
	}, more...), "\r\n")
	if !strings.Contains(text, "Call-ID") {
		text += "\r\nCall-ID: a"
	}
	if !strings.Contains(text, "CSeq") {
		text += "\r\nCSeq: 1 " + method
	}
	msg, err := sip.ParseMessage([]byte(text + "\r\n\r\n"))
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	msg.SetSource(home.String())
	return msg.(*sip.Request)
}

// answer is the header that answers a challenge.
func answer(t testing.TB, challenge *sip.Response, method, user, password string, count uint32) string {
	t.Helper()
	return answerFor(t, "sip:tollbook", challenge, method, user, password, count)
}

func answerFor(t testing.TB, uri string, challenge *sip.Response, method, user, password string, count uint32) string {
	t.Helper()
	header := challenge.GetHeader("WWW-Authenticate").Value()
	_, nonce, _ := strings.Cut(header, `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	a := digest.Answer{
		Username: user, Realm: digest.Realm, Nonce: nonce, URI: uri, Algorithm: digest.MD5,
		QOP: "auth", NC: fmt.Sprintf("%08x", count), Count: count, CNonce: "c",
	}
	if strings.Contains(header, "SHA-256") {
		a.Algorithm = digest.SHA256
	}
	s, err := digest.SecretOf(user, password, digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	a.Sign(s, method)
	return "Authorization: " + a.Header()
}
