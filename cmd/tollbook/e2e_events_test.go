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
		heard, ended := hear(t, n, cursor)
		end := ""
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
		if code := <-ended; code != "UNAVAILABLE" {
			t.Errorf("the stream ends with %q, %v after the interrupt", code, time.Since(began))
		}
		if run == 0 {
			n = serve(t, net, data)
			n.credit(t, s.account(), "1", "while nobody listens")
		}
	}
}
