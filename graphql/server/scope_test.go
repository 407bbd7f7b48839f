package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// token makes a token and gives a client that has it.
func (f *fixture) token(by *client, key string, more map[string]any) *client {
	f.t.Helper()
	in := map[string]any{"key": key, "role": "PARTNER", "company": "acme"}
	for k, v := range more {
		in[k] = v
	}
	got := by.must(`mutation($i: TokenCreateInput!) { tokenCreate(input: $i) { secret token { scopes networks pointsPerMinute } userErrors { code message path } } }`, map[string]any{"i": in})
	c := f.client()
	if c.token = got.text("tokenCreate.secret"); c.token == "" {
		f.t.Fatalf("%s: %v", key, got)
	}
	return c
}

// TestScopes asks with tokens that may read a part, by every way to a field: at the
// root, below another type, in fragments and by node.
func TestScopes(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	balances := f.token(root, "balances", map[string]any{"scopes": []string{"BALANCES"}})
	cdrs := f.token(root, "cdrs", map[string]any{"scopes": []string{"CDRS"}})
	all := f.token(root, "all", nil)
	for query, who := range map[string][]*client{
		`{ accounts(first: 1) { nodes { id balance { posted { amount } } } } }`:                               {balances, all},
		`{ cdrs(first: 1) { nodes { id caller } pageInfo { hasNextPage } asOf { position } } }`:               {cdrs, all},
		`{ accounts(first: 1) { nodes { company { name } } } }`:                                               {all},
		`{ accounts(first: 1) { nodes { ...a } } } fragment a on Account { company { name } }`:                {all},
		`{ node(id: "account:acme-usd") { id ... on Account { key } } }`:                                      {balances, all},
		`{ node(id: "account:acme-usd") { id ... on Account { key company { key } } } }`:                      {all},
		`{ call(id: "` + f.answered.String() + `") { legs { leg } } }`:                                        {cdrs, all},
		`{ call(id: "` + f.answered.String() + `") { legs { leg } entries { id } } }`:                         {all},
		`{ call(id: "` + f.answered.String() + `") { files { name } } }`:                                      {all},
		`{ decks(first: 1) { nodes { key } } }`:                                                               {all},
		`{ viewer { actor role scopes } }`:                                                                    {balances, cdrs, all},
		`{ viewer { company { key } } }`:                                                                      {all},
		`mutation { userSetPassword(input: {user: "adam", password: "a new one!"}) { userErrors { code } } }`: {all},
		`mutation { signOut { userErrors { code } } }`:                                                        {all},
		`{ __schema { queryType { name } } }`:                                                                 {balances, cdrs, all},
	} {
		for name, c := range map[string]*client{"balances": balances, "cdrs": cdrs, "all": all} {
			may, a := false, c.ask(query, nil)
			for _, w := range who {
				may = may || w == c
			}
			if refused := len(a.Errors) > 0 && a.Errors[0].Extensions["code"] == "FORBIDDEN"; refused == may || !may && a.Data != nil {
				t.Errorf("%s asks %s: %v %v", name, query, a.Errors, a.Data)
			}
		}
	}
	for path, who := range map[string]*client{"/export/cdrs.csv": cdrs, "/export/deck.csv?deck=acme-sell": nil} {
		for name, c := range map[string]*client{"balances": balances, "cdrs": cdrs, "all": all} {
			if code := c.send(httptest.NewRequest(http.MethodGet, path, nil)).Code; (code == http.StatusOK) != (c == who || c == all) {
				t.Errorf("%s gets %d for %s", name, code, path)
			}
		}
	}
}

// TestTokensOfTokens: a token makes none that may more than itself.
func TestTokensOfTokens(t *testing.T) {
	f := newFixture(t, noon)
	c := f.token(f.as("root"), "maker", map[string]any{"role": "ADMIN", "company": nil, "scopes": []string{"TOKENS", "CDRS"}})
	f.token(c, "part", map[string]any{"scopes": []string{"CDRS"}})
	const create = `mutation($i: TokenCreateInput!) { tokenCreate(input: $i) { secret userErrors { code message } } }`
	for _, scopes := range [][]string{{}, {"CDRS", "BALANCES"}} {
		got := c.must(create, map[string]any{"i": map[string]any{"key": "more", "role": "ADMIN", "scopes": scopes}})
		if got.text("tokenCreate.userErrors.0.code") != "FORBIDDEN" || got.at("tokenCreate.secret") != nil {
			t.Errorf("%v: %v", scopes, got)
		}
	}
	for path, bad := range map[string]map[string]any{
		"scopes.1:": {"scopes": []string{"CDRS", "CDRS"}}, "networks.0:": {"networks": []string{"anywhere"}}, "negative": {"pointsPerMinute": -1},
	} {
		in := map[string]any{"key": "bad", "role": "ADMIN"}
		for k, v := range bad {
			in[k] = v
		}
		if got := f.as("root").must(create, map[string]any{"i": in}); got.text("tokenCreate.userErrors.0.code") != "INVALID" || !strings.Contains(got.text("tokenCreate.userErrors.0.message"), path) {
			t.Errorf("%v: %v", bad, got)
		}
	}
}

func TestTokenNetworks(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	for i, test := range []struct {
		networks []string
		status   int
	}{{[]string{"192.0.2.0/24"}, 200}, {[]string{"192.0.2.200"}, 200}, {[]string{"198.51.100.0/24", "2001:db8::/32"}, 401}} {
		c := f.token(root, fmt.Sprint("net", i), map[string]any{"networks": test.networks})
		if w := c.send(c.request(`{ viewer { actor } }`, nil)); w.Code != test.status {
			t.Errorf("%v: %d", test.networks, w.Code)
		}
	}
	got := root.must(`{ tokens(first: 10) { nodes { key lastUsedAt lastUsedFrom } } }`, nil)
	for i := range got.len("tokens.nodes") {
		at := fmt.Sprintf("tokens.nodes.%d.", i)
		if used := got.text(at+"lastUsedFrom") == "192.0.2.200"; used != (got.text(at+"key") != "net2") {
			t.Errorf("%v", got)
		}
	}
}

// TestRates: points are spent by cost, come back with time, and belong to one viewer.
func TestRates(t *testing.T) {
	now := noon()
	f := newFixture(t, func() time.Time { return now })
	root := f.as("root")
	c := f.token(root, "small", map[string]any{"pointsPerMinute": 60})
	const query = `{ accounts(first: 20) { nodes { id } } }` // 41 points
	cost := func(a answer, name string) float64 {
		n, _ := a.Extensions["cost"].(map[string]any)[name].(float64)
		return n
	}
	if a := c.ask(query, nil); len(a.Errors) > 0 || cost(a, "cost") != 41 || cost(a, "left") != 19 || cost(a, "perMinute") != 60 {
		t.Fatalf("%v %v", a.Errors, a.Extensions)
	}
	w := c.send(c.request(query, nil))
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "22" || !strings.Contains(w.Body.String(), "RATE_LIMITED") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := c.send(httptest.NewRequest(http.MethodGet, "/export/cdrs.csv", nil)); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("an export: %d", w.Code)
	}
	now = now.Add(22 * time.Second)
	if a := c.ask(query, nil); len(a.Errors) > 0 || cost(a, "left") != 0 {
		t.Errorf("%v %v", a.Errors, a.Extensions)
	}
	if a := f.token(root, "other", nil).ask(query, nil); len(a.Errors) > 0 || cost(a, "perMinute") != 10_000_000 {
		t.Errorf("another: %v %v", a.Errors, a.Extensions)
	}
	if got := root.must(`mutation { settingsPut(input: {apiPointsPerMinute: 500}) { settings { apiPointsPerMinute } userErrors { message } } }`, nil); got.at("settingsPut.settings.apiPointsPerMinute") != float64(500) {
		t.Errorf("%v", got)
	}
	if a := f.as("fiona").ask(query, nil); cost(a, "perMinute") != 500 {
		t.Errorf("the settings do not count: %v", a.Extensions)
	}
	var body map[string]any
	stranger := f.client()
	for range 300 {
		w = stranger.send(stranger.request(`{ accounts(first: 20) { nodes { id } } }`, nil))
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusTooManyRequests {
		t.Errorf("a stranger asks for ever: %d %v %v", w.Code, err, body)
	}
}
