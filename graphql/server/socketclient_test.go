package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/server"
)

// socketMessage is one of the graphql-transport-ws protocol's, as a client reads it.
type socketMessage struct {
	ID, Type string
	Payload  json.RawMessage
}

// codes are those of an error message.
func (m socketMessage) codes() string {
	var errs []struct{ Extensions struct{ Code string } }
	if m.Type != "error" || json.Unmarshal(m.Payload, &errs) != nil {
		return m.Type
	}
	var out []string
	for _, e := range errs {
		out = append(out, e.Extensions.Code)
	}
	return strings.Join(out, " ")
}

// socket is a client's side of a websocket.
type socket struct {
	t    testing.TB
	conn *websocket.Conn
	ctx  context.Context
}

// dial opens a websocket, and closes it after the test.
func dial(t testing.TB, url string, header http.Header) *socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	conn, _, err := websocket.Dial(ctx, url+"/graphql", &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	t.Cleanup(func() {
		cancel()
		_ = conn.CloseNow()
	})
	return &socket{t, conn, ctx}
}

func (s *socket) say(text string) {
	s.t.Helper()
	if err := s.conn.Write(s.ctx, websocket.MessageText, []byte(text)); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
}

// next is the next message that is no ping; it fails with how the connection ended.
func (s *socket) next() (socketMessage, error) {
	for {
		_, data, err := s.conn.Read(s.ctx)
		if err != nil {
			return socketMessage{}, err
		}
		var m socketMessage
		if err := json.Unmarshal(data, &m); err != nil {
			s.t.Fatalf("%s: %v", data, err)
		}
		if m.Type != "ping" {
			return m, nil
		}
		s.say(`{"type": "pong"}`)
	}
}

func (s *socket) must() socketMessage {
	s.t.Helper()
	m, err := s.next()
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// ended is the code that the connection ends with, whatever comes before it.
func (s *socket) ended() websocket.StatusCode {
	for {
		if _, err := s.next(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func (s *socket) greet(payload string) {
	s.t.Helper()
	s.say(`{"type": "connection_init", "payload": ` + payload + `}`)
	if m := s.must(); m.Type != "connection_ack" {
		s.t.Fatalf("the welcome is %+v", m)
	}
}

func (s *socket) subscribe(id, query string) {
	s.t.Helper()
	s.say(fmt.Sprintf(`{"id": %q, "type": "subscribe", "payload": {"query": %q}}`, id, query))
}

// cookieText is the client's cookies as a header.
func (c *client) cookieText() (out []string) {
	for _, cookie := range c.cookies {
		out = append(out, cookie.Name+"="+cookie.Value)
	}
	return out
}

// bearer is the payload of connection_init with a token.
func bearer(token string) string { return fmt.Sprintf(`{"Authorization": "Bearer %s"}`, token) }

// serving has a server of its own for the fixture.
func (f *fixture) serving(change func(*server.Config)) *httptest.Server {
	cfg := server.Config{Resolver: f.resolver, Door: f.resolver.Door}
	if change != nil {
		change(&cfg)
	}
	s := httptest.NewServer(server.New(cfg))
	f.t.Cleanup(s.Close)
	return s
}

// narrow is a client with hardly any room for what it does not read.
func narrow() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4096)
		}
		return c, err
	}}}
}

// stalled asks over a websocket for much more than the buffers on the way hold, and reads none of it.
func (f *fixture) stalled(url, token string) {
	f.t.Helper()
	for i := range 6000 {
		f.book = append(f.book, f.book[i%len(f.book)])
	}
	f.state.Position += 6000
	conn, _, err := websocket.Dial(f.t.Context(), url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}, HTTPClient: narrow()})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.CloseNow() })
	s := &socket{f.t, conn, f.t.Context()}
	s.greet(bearer(f.bearerOf(token, wire.Role_ROLE_ADMIN, "")))
	for i := range 20 {
		s.subscribe(fmt.Sprint(i), `subscription { events(after: "Ym9vay8w") { id cursor position kind subjects text actor at } }`)
	}
}
