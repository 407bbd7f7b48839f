package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/server"
)

// told is what the tests look at of an event.
type told struct {
	ID, Cursor, Position, Kind string
	Subjects                   []string
}

const toldFields = ` { id cursor position kind subjects } `

// bearerOf makes a token in the book.
func (f *fixture) bearerOf(id string, role wire.Role, company string) string {
	f.t.Helper()
	secret, hash, err := auth.NewToken()
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(noon(), "a token", &wire.Token{Id: id, Hash: hash, Role: role, Company: company})
	return secret
}

// credits posts so many small credits to an account.
func (f *fixture) credits(account, currency string, n int) {
	f.t.Helper()
	for i := range n {
		f.must(noon(), &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
			Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: account, Currency: currency, AmountMicro: int64(i + 1), Reason: "test",
		}}})
	}
}

// page reads a page of the feed.
func (c *client) page(arguments string) (rows []told, info struct {
	HasNextPage, HasPreviousPage bool
	StartCursor, EndCursor       string
}) {
	c.t.Helper()
	data := c.must(`{ events(`+arguments+`) { nodes`+toldFields+`pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`, nil)
	for path, to := range map[string]any{"events.nodes": &rows, "events.pageInfo": &info} {
		text, err := json.Marshal(data.at(path))
		if err == nil {
			err = json.Unmarshal(text, to)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return rows, info
}

// all reads the feed to its end, page by page.
func (c *client) all(arguments string) []told {
	var out []told
	for after := ""; ; {
		rows, info := c.page("first: 100" + after + arguments)
		out = append(out, rows...)
		if !info.HasNextPage {
			return out
		}
		after = fmt.Sprintf(", after: %q", info.EndCursor)
	}
}

func TestEventsPages(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	end, _ := f.AsOf()
	on := c.all("")
	if len(on) != int(end) {
		t.Errorf("%d of %d events", len(on), end)
	}
	for i, e := range on {
		if e.Position != fmt.Sprint(i+1) || i > 0 && e.ID == on[i-1].ID {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	var back []told
	for before := ""; ; {
		rows, info := c.page("last: 7" + before)
		back = append(slices.Clone(rows), back...)
		if !info.HasPreviousPage {
			break
		}
		before = fmt.Sprintf(", before: %q", info.StartCursor)
	}
	if fmt.Sprint(back) != fmt.Sprint(on) {
		t.Errorf("backwards there are %d events, forwards %d", len(back), len(on))
	}
	for _, e := range c.all(`, subject: "account:acme-usd", kinds: [MONEY_POSTED, CALL_CHARGED]`) {
		if !slices.Contains(e.Subjects, "account:acme-usd") || e.Kind != "MONEY_POSTED" && e.Kind != "CALL_CHARGED" {
			t.Errorf("not asked for: %+v", e)
		}
	}
	c.refused("INVALID", `{ events(first: 1, after: "bm9uc2Vuc2U") { nodes { id } } }`, nil)
	data := c.must(`{ events(last: 500, kinds: [CALL_CHARGED]) { nodes { text entries { amount { amount } balance { amount } } } } }`, nil)
	if data.len("events.nodes.0.entries") < 2 || !strings.Contains(data.text("events.nodes.0.text"), "charged") {
		t.Errorf("a charge is told as %v", data.at("events.nodes.0"))
	}
}

// TestEventsLookAtFewOfMany pages through more events than one page looks at.
func TestEventsLookAtFewOfMany(t *testing.T) {
	f := newFixture(t, noon)
	first := f.as("bert").all("")
	for i := range 6000 { // unlike credits, these cost no time
		f.book = append(f.book, f.book[i%len(f.book)])
	}
	f.state.Position += 6000
	rows, info := f.as("root").page(`first: 5, subject: "account:none"`)
	if len(rows) != 0 || !info.HasNextPage || info.EndCursor == "" {
		t.Errorf("%d rows, %+v", len(rows), info)
	}
	if n := len(f.as("root").all(`, subject: "account:none"`)); n != 0 {
		t.Errorf("%d events of nobody", n)
	}
	if all := f.as("bert").all(""); len(first) == 0 || len(all) <= len(first) {
		t.Errorf("the partner has %d events, had %d", len(all), len(first))
	}
}

// listener is a consumer of the feed that loses its connection again and again.
type listener struct {
	t       *testing.T
	url     string
	token   string
	filter  string
	socket  bool // listens over a websocket
	seen    []told
	endings []string
}

// hear listens until ctx ends or enough says so, and notes how it ended.
func (l *listener) hear(ctx context.Context, enough func() bool) {
	l.t.Helper()
	after := "Ym9vay8w" // book/0
	if len(l.seen) > 0 {
		after = l.seen[len(l.seen)-1].Cursor
	}
	query := `subscription { events(after: "` + after + `"` + l.filter + `)` + toldFields + `}`
	if l.socket {
		l.hearSocket(ctx, query, enough)
		return
	}
	body, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Authorization", "Bearer "+l.token)
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer w.Body.Close()
	lines := bufio.NewReader(w.Body)
	for !enough() {
		line, err := lines.ReadString('\n')
		if err != nil {
			return // a line that broke off counts as not heard
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var next struct {
			Data   struct{ Events *told }
			Errors []struct{ Extensions struct{ Code string } }
		}
		if err := json.Unmarshal([]byte(data), &next); err != nil {
			l.t.Fatalf("%s: %v", data, err)
		}
		if len(next.Errors) > 0 {
			l.endings = append(l.endings, next.Errors[0].Extensions.Code)
		} else {
			l.seen = append(l.seen, *next.Data.Events)
		}
	}
}

// status is what a request for the feed is answered with at once.
func (l *listener) status(ctx context.Context) int {
	l.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url+"/graphql", strings.NewReader(asJSON(`subscription { events { id } }`)))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + l.token}}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = w.Body.Close()
	return w.StatusCode
}

// hearSocket listens over a websocket.
func (l *listener) hearSocket(ctx context.Context, query string, enough func() bool) {
	l.t.Helper()
	s := dial(l.t, l.url, nil)
	defer func() { _ = s.conn.CloseNow() }()
	s.ctx = ctx
	s.greet(bearer(l.token))
	s.subscribe("feed", query)
	for !enough() {
		m, err := s.next()
		if err != nil {
			return
		}
		var next struct{ Data struct{ Events *told } }
		if m.Type != "next" {
			l.endings = append(l.endings, m.codes())
		} else if err := json.Unmarshal(m.Payload, &next); err != nil || next.Data.Events == nil {
			l.t.Fatalf("%s: %v", m.Payload, err)
		} else {
			l.seen = append(l.seen, *next.Data.Events)
		}
	}
}

// TestListenerMissesNothing has a consumer that breaks off at random places, is away
// while thousands of events come, and finds another server when it is back.
func TestListenerMissesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	root, partner := f.bearerOf("all", wire.Role_ROLE_ADMIN, ""), f.bearerOf("one", wire.Role_ROLE_PARTNER, "initech")
	serve := func() *httptest.Server {
		return httptest.NewServer(server.New(server.Config{Resolver: f.resolver, Door: f.resolver.Door}))
	}
	srv := serve()
	defer func() { srv.Close() }()
	everything := &listener{t: t, url: srv.URL, token: root}
	own := &listener{t: t, url: srv.URL, token: partner}
	overSocket := &listener{t: t, url: srv.URL, token: root, socket: true}
	luck := rand.New(rand.NewPCG(1, 2))
	for round := range 8 {
		f.credits("acme-usd", "USD", 100)
		f.credits("initech-eur", "EUR", 50)
		if round == 4 { // a day passes, and the node starts again
			f.credits("acme-usd", "USD", 2000)
			srv.CloseClientConnections()
			srv.Close()
			srv = serve()
			everything.url, own.url, overSocket.url = srv.URL, srv.URL, srv.URL
		}
		for _, l := range []*listener{everything, own, overSocket} {
			for range 4 {
				stop := len(l.seen) + luck.IntN(60)
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				l.hear(ctx, func() bool { return len(l.seen) >= stop })
				cancel()
			}
		}
	}
	for _, l := range []*listener{everything, own, overSocket} {
		c := f.client()
		c.token = l.token
		want := c.all("")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		l.hear(ctx, func() bool { return len(l.seen) >= len(want) })
		cancel()
		if fmt.Sprint(l.seen) != fmt.Sprint(want) {
			t.Errorf("heard %d events, there are %d, or in another order", len(l.seen), len(want))
		}
	}
	if len(own.seen) < 400 || len(own.seen) > len(everything.seen)/2 {
		t.Errorf("the partner heard %d of %d", len(own.seen), len(everything.seen))
	}
	for _, e := range own.seen {
		if !slices.Contains(e.Subjects, "company:initech") || strings.Contains(fmt.Sprint(e), "acme") {
			t.Fatalf("the partner hears of %+v", e)
		}
	}
}

// TestListenerIsSentAway ends streams whose token is revoked, and refuses too many.
func TestListenerIsSentAway(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	secret := f.bearerOf("soon", wire.Role_ROLE_PARTNER, "initech")
	srv := httptest.NewServer(server.New(server.Config{Resolver: f.resolver, Door: f.resolver.Door}))
	defer srv.Close()
	l := &listener{t: t, url: srv.URL, token: secret}
	go func() {
		time.Sleep(100 * time.Millisecond)
		sum := sha256.Sum256([]byte(secret))
		gone := proto.CloneOf(f.Catalog().TokenByHash(sum[:]))
		gone.Revoked = true
		f.put(noon(), "revoked", gone)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	l.hear(ctx, func() bool { return false })
	if ctx.Err() != nil || fmt.Sprint(l.endings) != "[UNAUTHENTICATED]" {
		t.Errorf("the stream of a revoked token ended with %v, %v", l.endings, ctx.Err())
	}

	ask := func(query string) (int, string, func()) {
		body, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL+"/graphql", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"text/event-stream"}, "Authorization": {"Bearer " + l.token}}
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		if w.StatusCode != http.StatusOK || !strings.HasPrefix(query, "subscription") {
			all, _ := io.ReadAll(w.Body)
			text = string(all)
		}
		return w.StatusCode, text, func() { _ = w.Body.Close() }
	}
	l.token = f.bearerOf("many", wire.Role_ROLE_ADMIN, "")
	if _, text, done := ask(`{ viewer { actor } }`); !strings.Contains(text, "only subscriptions") {
		t.Errorf("a query as a stream is answered %q", text)
	} else {
		done()
	}
	for i := range 21 {
		status, _, done := ask(`subscription { events { id } }`)
		defer done()
		if want := map[bool]int{true: 200, false: 429}[i < 20]; status != want {
			t.Errorf("stream %d: %d", i, status)
		}
	}
}
