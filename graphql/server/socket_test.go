package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/console"
	"github.com/tollbook/tollbook/graphql/server"
)

const anyEvents = `subscription { events(after: "Ym9vay8w") { id cursor } }` // from book/0

// TestSocketAnswersMany has many operations on one connection, ends some, and begins
// others under their names.
func TestSocketAnswersMany(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	streams := &server.Streams{}
	srv := f.serving(func(c *server.Config) { c.Streams = streams })
	s := dial(t, srv.URL, nil)
	s.say(`{"type": "ping", "payload": {"n": 1}}`)
	if m := s.must(); m.Type != "pong" || string(m.Payload) != `{"n":1}` {
		t.Errorf("a ping is answered with %+v", m)
	}
	token := f.bearerOf("many", wire.Role_ROLE_ADMIN, "")
	s.greet(bearer(token))
	for i := range 20 {
		s.subscribe(fmt.Sprint(i), `subscription { events(after: "Ym9vay8w") { position } }`)
	}
	end, _ := f.AsOf()
	heard := map[string]int{}
	for range 20 * int(end) {
		m := s.must()
		var next struct {
			Data struct{ Events struct{ Position string } }
		}
		if err := json.Unmarshal(m.Payload, &next); err != nil || m.Type != "next" {
			t.Fatalf("%+v %v", m, err)
		}
		if heard[m.ID]++; next.Data.Events.Position != fmt.Sprint(heard[m.ID]) {
			t.Fatalf("%s heard %s as number %d", m.ID, next.Data.Events.Position, heard[m.ID])
		}
	}
	if operations, sockets := streams.Count(); operations != 20 || sockets != 1 {
		t.Errorf("%d operations over %d sockets", operations, sockets)
	}
	s.subscribe("more", anyEvents)
	if m := s.must(); m.ID != "more" || m.codes() != "RATE_LIMITED" {
		t.Errorf("one more is answered with %+v", m)
	}
	sse := &listener{t: t, url: srv.URL, token: token}
	if status := sse.status(s.ctx); status != http.StatusTooManyRequests {
		t.Errorf("one more by server-sent events is answered %d", status)
	}
	s.say(`{"id": "7", "type": "complete"}`)
	for operations := 20; operations == 20; operations, _ = streams.Count() {
		time.Sleep(5 * time.Millisecond)
	}
	s.subscribe("7", `{ viewer { actor } }`)
	if m := s.must(); m.ID != "7" || m.codes() != "LIMIT_EXCEEDED" || !strings.Contains(string(m.Payload), "only subscriptions") {
		t.Errorf("a query is answered with %+v", m)
	}
	s.subscribe("7", `subscription { events(first: 1) { id } }`)
	if m := s.must(); m.ID != "7" || m.codes() != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("a mistake is answered with %+v", m)
	}
	s.subscribe("7", anyEvents)
	if m := s.must(); m.ID != "7" || m.Type != "next" {
		t.Errorf("a name is used again, and hears %+v", m)
	}
	s.subscribe("7", anyEvents)
	if code := s.ended(); code != 4409 {
		t.Errorf("a name that is taken ends with %d", code)
	}
	for operations, sockets := 1, 1; operations+sockets > 0; operations, sockets = streams.Count() {
		time.Sleep(5 * time.Millisecond)
	}
}

// TestSocketKnowsWho lets nobody listen by a session that another site's page sends along.
func TestSocketKnowsWho(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	srv := f.serving(nil)
	token := f.bearerOf("known", wire.Role_ROLE_PARTNER, "initech")
	cookie := f.as("bert").cookieText()
	host := strings.TrimPrefix(srv.URL, "http://")
	for name, c := range map[string]struct {
		header http.Header
		init   string
		want   websocket.StatusCode // 0 is welcome
	}{
		"nobody":                              {nil, `{}`, 4401},
		"a bad token":                         {nil, bearer("tb_bad"), 4401},
		"a token":                             {nil, bearer(token), 0},
		"a token of a page elsewhere":         {http.Header{"Origin": {"https://erp.example.com"}}, `{"authorization": "Bearer ` + token + `"}`, 0},
		"a token in the request":              {http.Header{"Authorization": {"Bearer " + token}}, `null`, 0},
		"a session on our page":               {http.Header{"Origin": {"http://" + host}, "Cookie": cookie}, `{}`, 0},
		"a session on another page":           {http.Header{"Origin": {"https://evil.example.com"}, "Cookie": cookie}, `{}`, 4401},
		"a session on a page of another port": {http.Header{"Origin": {"http://127.0.0.1:1"}, "Cookie": cookie}, `{}`, 4401},
		"a session on no page":                {http.Header{"Cookie": cookie}, `{}`, 4401},
		"a session on a page of nowhere":      {http.Header{"Origin": {"null"}, "Cookie": cookie}, `{}`, 4401},
	} {
		s := dial(t, srv.URL, c.header)
		s.say(`{"type": "connection_init", "payload": ` + c.init + `}`)
		if c.want != 0 {
			if code := s.ended(); code != c.want {
				t.Errorf("%s: ended with %d, want %d", name, code, c.want)
			}
			continue
		}
		if m := s.must(); m.Type != "connection_ack" {
			t.Errorf("%s: %+v", name, m)
			continue
		}
		s.subscribe("e", `subscription { events(after: "Ym9vay8w") { subjects } }`)
		if m := s.must(); m.Type != "next" || !strings.Contains(string(m.Payload), "company:initech") {
			t.Errorf("%s: hears %+v", name, m)
		}
	}
	for status, header := range map[int]http.Header{401: {"Authorization": {"Bearer tb_bad"}}, 426: {"Connection": {"close"}}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/graphql", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if _ = w.Body.Close(); w.StatusCode != status {
			t.Errorf("%v: %d, want %d", header, w.StatusCode, status)
		}
	}
}

// TestSocketRefuses ends connections that do not keep to the protocol, or say too much.
func TestSocketRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	srv := f.serving(nil)
	token := f.bearerOf("bad", wire.Role_ROLE_ADMIN, "")
	init := `{"type": "connection_init", "payload": ` + bearer(token) + `}`
	for name, c := range map[string]struct {
		say  []string
		want websocket.StatusCode
	}{
		"a question before the greeting": {[]string{`{"id": "1", "type": "subscribe", "payload": {"query": "{ viewer { actor } }"}}`}, 4401},
		"two greetings":                  {[]string{init, init}, 4429},
		"no JSON":                        {[]string{init, `nonsense`}, 4400},
		"no type":                        {[]string{init, `{"id": "1"}`}, 4400},
		"an old protocol's message":      {[]string{init, `{"id": "1", "type": "start", "payload": {}}`}, 4400},
		"no name":                        {[]string{init, `{"type": "subscribe", "payload": {"query": "{ viewer { actor } }"}}`}, 4400},
		"a long name":                    {[]string{init, `{"id": "` + strings.Repeat("x", 200) + `", "type": "subscribe", "payload": {}}`}, 4400},
		"no operation":                   {[]string{init, `{"id": "1", "type": "subscribe", "payload": []}`}, 4400},
		"a payload of no object":         {[]string{`{"type": "connection_init", "payload": "x"}`}, 4400},
		"nested values":                  {[]string{init, `{"id": "1", "type": "subscribe", "payload": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`}, 4400},
		"a giant message":                {[]string{init, `{"id": "` + strings.Repeat("x", 200_000) + `"}`}, websocket.StatusMessageTooBig},
		"a giant greeting":               {[]string{`{"type": "connection_init", "payload": {"x": "` + strings.Repeat("x", 200_000) + `"}}`}, websocket.StatusMessageTooBig},
	} {
		s := dial(t, srv.URL, nil)
		for _, text := range c.say {
			s.say(text)
		}
		if code := s.ended(); code != c.want {
			t.Errorf("%s: ended with %d, want %d", name, code, c.want)
		}
	}
	s := dial(t, srv.URL, nil)
	s.say(init)
	if err := s.conn.Write(s.ctx, websocket.MessageBinary, []byte(init)); err != nil {
		t.Fatal(err)
	}
	if code := s.ended(); code != 4400 {
		t.Errorf("a binary message ends with %d", code)
	}
	conn, _, err := websocket.Dial(t.Context(), srv.URL+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != 4406 {
		t.Errorf("another protocol ends with %v", err)
	}
	s = dial(t, srv.URL, nil)
	s.greet(bearer(token))
	for id, bomb := range map[string]string{"deep": "{ events { entries { account " + strings.Repeat("{ company { accounts ", 10) + "{ id }" + strings.Repeat(" } }", 10) + " } } }",
		"long": "{ events { id } } #" + strings.Repeat("x", 70_000)} {
		s.subscribe(id, "subscription "+bomb)
		if m := s.must(); m.codes() != "LIMIT_EXCEEDED" {
			t.Errorf("%s: %+v", id, m)
		}
	}
}

// TestSocketCrowd has more connections than one may have, known and unknown.
func TestSocketCrowd(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	srv := f.serving(nil)
	token := f.bearerOf("crowd", wire.Role_ROLE_PARTNER, "initech")
	for range 20 {
		dial(t, srv.URL, nil) // says nothing
	}
	_, res, err := websocket.Dial(t.Context(), srv.URL+"/graphql", nil)
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more stranger gets %v %v", res, err)
	}
	header := http.Header{"Authorization": {"Bearer " + token}}
	for range 20 {
		dial(t, srv.URL, header).greet(`{}`)
	}
	_, res, err = websocket.Dial(t.Context(), srv.URL+"/graphql", &websocket.DialOptions{HTTPHeader: header})
	if err == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more of the same gets %v %v", res, err)
	}
}

// TestSocketIsSentAway ends connections whose token is revoked, and all when the server
// stops; each operation hears why.
func TestSocketIsSentAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	stopping, streams := make(chan struct{}), &server.Streams{}
	srv := f.serving(func(c *server.Config) { c.Stopping, c.Streams = stopping, streams })
	secret := f.bearerOf("soon", wire.Role_ROLE_PARTNER, "initech")
	silent, revoked, stays := dial(t, srv.URL, nil), dial(t, srv.URL, nil), dial(t, srv.URL, nil)
	revoked.greet(bearer(secret))
	stays.greet(bearer(f.bearerOf("stays", wire.Role_ROLE_PARTNER, "initech")))
	for _, s := range []*socket{revoked, stays} {
		s.subscribe("a", `subscription { events { id } }`)
		s.subscribe("b", `subscription { events { id } }`)
	}
	for operations := 0; operations < 4; operations, _ = streams.Count() {
		time.Sleep(5 * time.Millisecond)
	}
	away := func(s *socket, code string, status websocket.StatusCode) {
		t.Helper()
		if one, two := s.must(), s.must(); one.codes() != code || two.codes() != code || one.ID == two.ID {
			t.Errorf("the last are %+v and %+v", one, two)
		}
		if got := s.ended(); got != status {
			t.Errorf("ended with %d, want %d", got, status)
		}
	}
	sum := sha256.Sum256([]byte(secret))
	gone := proto.CloneOf(f.Catalog().TokenByHash(sum[:]))
	gone.Revoked = true
	f.put(noon(), "revoked", gone)
	away(revoked, "UNAUTHENTICATED", 4401)
	f.credits("initech-eur", "EUR", 1)
	if one, two := stays.must(), stays.must(); one.Type != "next" || two.Type != "next" {
		t.Errorf("the other one hears %+v and %+v", one, two)
	}
	close(stopping)
	away(stays, "UNAVAILABLE", websocket.StatusGoingAway)
	if code := silent.ended(); code != websocket.StatusGoingAway {
		t.Errorf("who said nothing yet hears %d", code)
	}
	if err := streams.Wait(stays.ctx); err != nil {
		t.Error(err)
	}
}

// TestSocketStopsForNobody: a server that stops does not wait for who does not read.
func TestSocketStopsForNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	stopping, streams := make(chan struct{}), server.Impatient(time.Minute)
	f.stalled(f.serving(func(c *server.Config) { c.Stopping, c.Streams = stopping, streams }).URL, "slow")
	for operations := 0; operations < 20; operations, _ = streams.Count() {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond) // what is on the way is full
	close(stopping)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := streams.Wait(ctx); err != nil {
		t.Error("it waits for a listener who does not read")
	}
}

// TestSocketWaitsForNobody cuts off who does not read, and who does not say who he is.
func TestSocketWaitsForNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	streams := server.Impatient(300 * time.Millisecond)
	srv := f.serving(func(c *server.Config) { c.Streams = streams })
	f.stalled(srv.URL, "slow")
	var often strings.Builder
	for i := range 25 {
		fmt.Fprintf(&often, " a%d: id", i)
	}
	long := `{"query": "subscription { events(after: \"Ym9vay8w\") {` + often.String() + ` } }"}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/graphql", strings.NewReader(long))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + f.bearerOf("sse", wire.Role_ROLE_ADMIN, "")}}
	w, err := narrow().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	silent, mute := dial(t, srv.URL, nil), dial(t, srv.URL, nil)
	mute.greet(bearer(f.bearerOf("mute", wire.Role_ROLE_ADMIN, "")))
	for name, s := range map[string]*socket{"who does not say who he is": silent, "who answers nothing": mute} {
		if code := s.ended(); code != 4408 {
			t.Errorf("%s is sent away with %d", name, code)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := streams.Wait(ctx); err != nil {
		t.Error("who reads nothing goes on and on")
	}
	for limit := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if operations, sockets := streams.Count(); operations == 0 && sockets == 0 {
			break
		} else if time.Now().After(limit) {
			t.Fatalf("%d operations over %d sockets are left", operations, sockets)
		}
	}
}

// TestSocketTakesTheConsolesOnly where the settings want it so.
func TestSocketTakesTheConsolesOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	root := f.as("root")
	root.must(`mutation { settingsPut(input: {apiPersistedOnly: true}) { settings { apiPersistedOnly } } }`, nil)
	srv := httptest.NewServer(f.handler)
	defer srv.Close()
	s := dial(t, srv.URL, http.Header{"Origin": {srv.URL}, "Cookie": root.cookieText()})
	s.greet(`{}`)
	s.subscribe("own", anyEvents)
	if m := s.must(); m.codes() != "FORBIDDEN" {
		t.Errorf("an operation that the console does not have: %+v", m)
	}
	data, err := fs.ReadFile(console.Files(), "documents.json")
	documents := map[string]string{}
	if err == nil {
		err = json.Unmarshal(data, &documents)
	}
	if err != nil {
		t.Fatal(err)
	}
	feeds := 0
	for hash, text := range documents {
		if !strings.HasPrefix(text, "subscription LiveFeed") {
			continue
		}
		feeds++
		s.subscribe("whole", text)
		s.say(`{"id": "hash", "type": "subscribe", "payload": {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "` + hash + `"}}}}`)
		if one, two := s.must(), s.must(); one.Type != "next" || two.Type != "next" || one.ID == two.ID {
			t.Errorf("the console's own: %+v and %+v", one, two)
		}
	}
	if feeds != 1 {
		t.Errorf("the console has %d feeds of running calls", feeds)
	}
	s = dial(t, srv.URL, nil)
	s.greet(bearer(f.bearerOf("free", wire.Role_ROLE_ADMIN, "")))
	s.subscribe("own", anyEvents)
	if m := s.must(); m.Type != "next" {
		t.Errorf("a token's: %+v", m)
	}
}
