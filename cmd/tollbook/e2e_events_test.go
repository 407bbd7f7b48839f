package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// hear listens to the events behind a cursor until the stream ends, and gives the
// positions and cursors that came, and at the end the code that it ended with.
func hear(t *testing.T, n *node, after string) (heard <-chan [2]string, ended <-chan string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"query": `subscription($after: Cursor) { events(after: $after) { position cursor } }`, "variables": map[string]any{"after": after}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + adminSecret}}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	out, code := make(chan [2]string, 1000), make(chan string, 1)
	go func() {
		defer w.Body.Close()
		last := "broken off"
		for lines := bufio.NewScanner(w.Body); lines.Scan(); {
			var next struct {
				Data struct {
					Events *struct{ Position, Cursor string }
				}
				Errors []struct{ Extensions struct{ Code string } }
			}
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok || json.Unmarshal([]byte(data), &next) != nil {
				continue
			}
			if len(next.Errors) > 0 {
				last = next.Errors[0].Extensions.Code
			} else {
				out <- [2]string{next.Data.Events.Position, next.Data.Events.Cursor}
			}
		}
		code <- last
	}()
	return out, code
}

// said is a message of the graphql-transport-ws protocol.
type said struct {
	ID, Type string
	Payload  json.RawMessage
}

// subscribed listens over one websocket, to operations by name, as an admin. Each is a query
// with its variables, as JSON. The messages end with one of the connection's end.
func subscribed(t *testing.T, n *node, operations map[string]string) <-chan said {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), n.url+"/graphql", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{fmt.Sprintf(`{"type": "connection_init", "payload": {"Authorization": "Bearer %s"}}`, adminSecret)}
	for name, operation := range operations {
		texts = append(texts, fmt.Sprintf(`{"id": %q, "type": "subscribe", "payload": %s}`, name, operation))
	}
	for _, text := range texts {
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	out := make(chan said, 1000)
	go func() {
		defer close(out)
		for {
			_, data, err := conn.Read(t.Context())
			if err != nil {
				out <- said{Type: fmt.Sprint("closed ", int(websocket.CloseStatus(err)))}
				return
			}
			var m said
			if json.Unmarshal(data, &m) == nil {
				out <- m
			}
		}
	}()
	return out
}

// hearSocket is hear over a websocket.
func hearSocket(t *testing.T, n *node, after string) (heard <-chan [2]string, ended <-chan string) {
	t.Helper()
	all := subscribed(t, n, map[string]string{"1": fmt.Sprintf(
		`{"query": "subscription($after: Cursor) { events(after: $after) { position cursor } }", "variables": {"after": %q}}`, after)})
	out, code := make(chan [2]string, 1000), make(chan string, 1)
	go func() {
		last := "broken off"
		for m := range all {
			var next struct {
				Data struct {
					Events struct{ Position, Cursor string }
				}
			}
			var errs []struct{ Extensions struct{ Code string } }
			switch {
			case m.Type == "next" && json.Unmarshal(m.Payload, &next) == nil:
				out <- [2]string{next.Data.Events.Position, next.Data.Events.Cursor}
			case m.Type == "error" && json.Unmarshal(m.Payload, &errs) == nil && len(errs) > 0:
				last = errs[0].Extensions.Code
			default:
				if end, is := strings.CutPrefix(m.Type, "closed"); is {
					code <- last + end
				}
			}
		}
	}()
	return out, code
}

// Who listens to a node is told when it stops, and goes on where he was when it runs
// again: each event once, in order.
func TestEventsAcrossRestart(t *testing.T) {
	t.Parallel()
	data, net := t.TempDir(), newNetwork()
	s := &stage{name: "events", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n := serve(t, net, data)
	n.apply(t, world(n, []*stage{s}))
	cursor, last := "Ym9vay8w", 0 // book/0
	for run := range 2 {
		listen, want, end := hear, "UNAVAILABLE", ""
		if run == 1 {
			listen, want = hearSocket, "UNAVAILABLE 1001"
		}
		heard, ended := listen(t, n, cursor)
		for i := range 20 {
			end = n.credit(t, s.account(), "1", fmt.Sprint("payment ", run, " ", i))
		}
		for limit := time.After(patience); fmt.Sprint(last) != end; {
			select {
			case e := <-heard:
				if last++; e[0] != fmt.Sprint(last) {
					t.Fatalf("position %s comes where %d is next", e[0], last)
				}
				cursor = e[1]
			case <-limit:
				t.Fatalf("position %s does not come, the last was %d", end, last)
			}
		}
		began := time.Now()
		n.interrupt(t)
		if code := <-ended; code != want {
			t.Errorf("the stream ends with %q, %v after the interrupt", code, time.Since(began))
		}
		if run == 0 {
			n = serve(t, net, data)
			n.credit(t, s.account(), "1", "while nobody listens")
		}
	}
}
