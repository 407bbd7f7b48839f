package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// noon is when the tests take place.
func noon() time.Time { return time.Date(2026, 11, 22, 23, 30, 0, 0, time.UTC) }

// client is a browser, or a program with a token.
type client struct {
	t       testing.TB
	handler http.Handler
	cookies []*http.Cookie
	token   string
	moment  time.Duration // how long it listens, the usual if 0
}

func (f *fixture) client() *client { return &client{t: f.t, handler: f.handler} }

// as signs a user in.
func (f *fixture) as(user string) *client {
	f.t.Helper()
	c := f.client()
	data := c.must(`mutation($i: SignInInput!) { signIn(input: $i) { viewer { actor } userErrors { code message } } }`,
		map[string]any{"i": map[string]any{"user": user, "password": password}})
	if got := data.text("signIn.viewer.actor"); got != "user:"+user {
		f.t.Fatalf("signIn %s: %v", user, data)
	}
	return c
}

// answer is the body of a response.
type answer struct {
	Data   tree `json:"data"`
	Errors []struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Extensions map[string]any `json:"extensions"`
	} `json:"errors"`
	Extensions map[string]any `json:"extensions"`
}

// tree is decoded JSON.
type tree map[string]any

// at finds a value by a path such as "cdrs.nodes.0.caller".
func (d tree) at(path string) any {
	var v any = map[string]any(d)
	for _, part := range strings.Split(path, ".") {
		switch node := v.(type) {
		case map[string]any:
			v = node[part]
		case []any:
			i := 0
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(node) {
				return nil
			}
			v = node[i]
		default:
			return nil
		}
	}
	return v
}

func (d tree) text(path string) string {
	s, _ := d.at(path).(string)
	return s
}

func (d tree) len(path string) int {
	list, _ := d.at(path).([]any)
	return len(list)
}

func (c *client) send(r *http.Request) *httptest.ResponseRecorder {
	for _, cookie := range c.cookies {
		r.AddCookie(cookie)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.RemoteAddr = "192.0.2.200:4711"
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	if set := w.Result().Cookies(); len(set) > 0 {
		c.cookies = set
	}
	return w
}

func (c *client) request(query string, variables map[string]any) *http.Request {
	c.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		c.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tollbook-CSRF", "1")
	return r
}

// ask sends a query.
func (c *client) ask(query string, variables map[string]any) answer {
	c.t.Helper()
	w := c.send(c.request(query, variables))
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		c.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return a
}

// must sends a query that has no errors.
func (c *client) must(query string, variables map[string]any) tree {
	c.t.Helper()
	a := c.ask(query, variables)
	if len(a.Errors) > 0 {
		c.t.Fatalf("%s\nerrors: %v", query, a.Errors)
	}
	return a.Data
}

// refused sends a query that is refused with a code.
func (c *client) refused(code, query string, variables map[string]any) {
	c.t.Helper()
	a := c.ask(query, variables)
	if len(a.Errors) == 0 || a.Errors[0].Extensions["code"] != code {
		c.t.Errorf("%s\nwant code %s, got %v %v", query, code, a.Errors, a.Data)
	}
}
