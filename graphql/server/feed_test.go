package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// feed listens to one operation over a websocket, with a token of the role.
func (f *fixture) feed(token string, query string) *socket {
	f.t.Helper()
	s := dial(f.t, f.serving(nil).URL, nil)
	s.greet(bearer(token))
	s.subscribe("feed", query)
	return s
}

// heard is the next answer.
func (s *socket) heard() tree {
	s.t.Helper()
	m := s.must()
	var next struct{ Data tree }
	if err := json.Unmarshal(m.Payload, &next); err != nil || m.Type != "next" {
		s.t.Fatalf("%s %s: %v", m.Type, m.Payload, err)
	}
	return next.Data
}

const liveFeed = `subscription { liveCalls(first: %d) { whole more gone calls { id state accountId terminatorId } asOf { position } } }`

// change changes the running calls.
func (s *fakeSwitch) change(to func([]resolve.LiveCall) []resolve.LiveCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = to(slices.Clone(s.live))
}

func TestLiveCallsFeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	all := f.feed(f.bearerOf("all", wire.Role_ROLE_NOC, ""), fmt.Sprintf(liveFeed, 500))
	few := f.feed(f.bearerOf("few", wire.Role_ROLE_NOC, ""), fmt.Sprintf(liveFeed, 3))
	own := f.feed(f.bearerOf("own", wire.Role_ROLE_PARTNER, "initech"), fmt.Sprintf(liveFeed, 500))
	first, newest, his := all.heard(), few.heard(), own.heard()
	if first.at("liveCalls.whole") != true || first.len("liveCalls.calls") != 24 || first.at("liveCalls.more") != false || first.text("liveCalls.calls.0.terminatorId") == "" {
		t.Errorf("the first answer is %v", first)
	}
	if newest.len("liveCalls.calls") != 3 || newest.at("liveCalls.more") != true || newest.text("liveCalls.calls.0.id") != first.text("liveCalls.calls.0.id") {
		t.Errorf("the newest are %v", newest)
	}
	if n := his.len("liveCalls.calls"); n == 0 || n > 5 || his.text("liveCalls.calls.0.accountId") != "account:initech-eur" || his.at("liveCalls.calls.0.terminatorId") != nil {
		t.Errorf("the partner hears %v", his)
	}
	var ended, begun events.CallID
	f.change(func(live []resolve.LiveCall) []resolve.LiveCall {
		i := slices.IndexFunc(live, func(c resolve.LiveCall) bool { return c.Company == "initech" })
		ended = live[i].Call
		live = slices.Delete(live, i, i+1)
		i = slices.IndexFunc(live, func(c resolve.LiveCall) bool { return c.Company == "initech" })
		live[i].Terminator = "umbrella-fra" // which its customer is not told
		begun = f.newCall(noon())
		return append(live, resolve.LiveCall{Call: begun, State: "setup", Company: "acme", Account: "acme-usd", SetupAt: noon().Add(time.Hour)})
	})
	// However the changes fall between two looks, together they are these.
	calls, gone := []string{}, []string{}
	for len(calls) < 2 || len(gone) < 1 {
		next := all.heard()
		if next.at("liveCalls.whole") != false {
			t.Errorf("a later answer is %v", next)
		}
		for i := range next.len("liveCalls.calls") {
			calls = append(calls, next.text(fmt.Sprintf("liveCalls.calls.%d.id", i)))
		}
		for i := range next.len("liveCalls.gone") {
			gone = append(gone, next.text(fmt.Sprintf("liveCalls.gone.%d", i)))
		}
	}
	if calls[0] != model.CallID(begun) || len(calls) != 2 || fmt.Sprint(gone) != fmt.Sprint([]string{model.CallID(ended)}) {
		t.Errorf("changed %v, gone %v", calls, gone)
	}
	if next := own.heard(); next.len("liveCalls.calls") != 0 || next.text("liveCalls.gone.0") != model.CallID(ended) {
		t.Errorf("the partner hears %v", next)
	}
	if next := few.heard(); next.text("liveCalls.calls.0.id") != model.CallID(begun) || next.text("liveCalls.gone.0") != newest.text("liveCalls.calls.2.id") {
		t.Errorf("the newest are now %v", next)
	}
	for _, bad := range []string{"0", "501"} {
		if m := f.feed(f.bearerOf("bad"+bad, wire.Role_ROLE_NOC, ""), `subscription { liveCalls(first: `+bad+`) { whole } }`).must(); m.codes() != "INVALID" {
			t.Errorf("first: %s is answered with %s", bad, m.Payload)
		}
	}
}

func TestBalancesFeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	const query = `subscription { balances(accounts: ["acme-usd", "account:initech-eur", "none", "acme-usd"]) { key creditLimit { amount } balance { posted { amount } asOf { position } } } }`
	all, own := f.feed(f.bearerOf("all", wire.Role_ROLE_FINANCE, ""), query), f.feed(f.bearerOf("own", wire.Role_ROLE_PARTNER, "initech"), query)
	if first := all.heard(); first.len("balances") != 2 || first.text("balances.0.key") != "acme-usd" || first.text("balances.1.key") != "initech-eur" {
		t.Errorf("the first answer is %v", first)
	}
	if first := own.heard(); first.len("balances") != 1 || first.text("balances.0.key") != "initech-eur" {
		t.Errorf("the partner hears %v", first)
	}
	began, answers := time.Now(), 0
	f.credits("acme-usd", "USD", 300)
	want := f.Ledger("acme-usd").Posted.String()
	for last := ""; last != want; answers++ {
		next := all.heard()
		if next.len("balances") != 1 || next.text("balances.0.key") != "acme-usd" {
			t.Fatalf("a later answer is %v", next)
		}
		last = next.text("balances.0.balance.posted.amount")
	}
	if answers > 2+int(time.Since(began)/time.Second) {
		t.Errorf("%d answers within %v", answers, time.Since(began))
	}
	changed := proto.CloneOf(f.Catalog().Account("initech-eur"))
	changed.CreditLimitMicro = 7_000_000
	f.put(noon(), "a limit", changed)
	for name, s := range map[string]*socket{"finance": all, "the partner": own} {
		if next := s.heard(); next.len("balances") != 1 || next.text("balances.0.creditLimit.amount") != "7.000000" {
			t.Errorf("%s hears %v", name, next)
		}
	}
	many := `"x"` + strings.Repeat(`, "x"`, 500)
	if m := f.feed(f.bearerOf("bad", wire.Role_ROLE_FINANCE, ""), `subscription { balances(accounts: [`+many+`]) { key } }`).must(); m.codes() != "INVALID" {
		t.Errorf("501 accounts are answered with %s", m.Payload)
	}
}

// threshold moves the low threshold of an account, which raises or clears its alert.
func (f *fixture) threshold(account string, low int64) {
	f.t.Helper()
	a := proto.CloneOf(f.Catalog().Account(account))
	a.Alerts = &wire.AccountAlerts{LowMicro: &low}
	f.put(noon(), "a threshold", a)
}

func TestAlertsFeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	const high, fields = 1_000_000_000_000, `{ cursor at whole more raised { account { key } kind threshold { amount } } cleared { account { key } kind balance { amount } } }`
	finance, partner := f.bearerOf("all", wire.Role_ROLE_FINANCE, ""), f.bearerOf("own", wire.Role_ROLE_PARTNER, "initech")
	f.threshold("acme-usd", high)
	all, own := f.feed(finance, `subscription { alerts `+fields+` }`), f.feed(partner, `subscription { alerts `+fields+` }`)
	first, his := all.heard(), own.heard()
	if first.at("alerts.whole") != true || first.len("alerts.raised") != 1 || first.text("alerts.raised.0.account.key") != "acme-usd" || first.at("alerts.at") != nil {
		t.Errorf("the first answer is %v", first)
	}
	if his.at("alerts.whole") != true || his.len("alerts.raised") != 0 {
		t.Errorf("the partner hears %v", his)
	}
	f.threshold("initech-eur", high)
	f.threshold("acme-usd", -high)
	f.threshold("initech-eur", -high)
	story := func(s *socket) (out []string, cursors []string) {
		for {
			a := s.heard()
			for _, what := range []string{"raised", "cleared"} {
				for i := range a.len("alerts." + what) {
					out = append(out, what+" "+a.text(fmt.Sprintf("alerts.%s.%d.account.key", what, i)))
				}
			}
			if cursors = append(cursors, a.text("alerts.cursor")); a.at("alerts.whole") != false || a.text("alerts.at") == "" {
				t.Errorf("a later answer is %v", a)
			}
			if out[len(out)-1] == "cleared initech-eur" {
				return out, cursors
			}
		}
	}
	want := "[raised initech-eur cleared acme-usd cleared initech-eur]"
	got, cursors := story(all)
	if fmt.Sprint(got) != want {
		t.Errorf("heard %v, want %s", got, want)
	}
	if got, _ := story(own); fmt.Sprint(got) != "[raised initech-eur cleared initech-eur]" {
		t.Errorf("the partner heard %v", got)
	}
	// Another server goes on after any of the cursors, as after that of the first answer.
	for i, after := range append([]string{first.text("alerts.cursor")}, cursors[:2]...) {
		got, _ := story(f.feed(finance, fmt.Sprintf(`subscription { alerts(after: %q) `+fields+` }`, after)))
		if i > 0 && fmt.Sprint(got) != fmt.Sprint([]string{"raised initech-eur", "cleared acme-usd", "cleared initech-eur"}[i:]) || i == 0 && fmt.Sprint(got) != want {
			t.Errorf("after cursor %d: %v", i, got)
		}
	}
	if m := f.feed(finance, `subscription { alerts(after: "nonsense") { cursor } }`).must(); m.codes() != "INVALID" {
		t.Errorf("a bad cursor is answered with %s", m.Payload)
	}
}

// TestFeedCosts has a listener with few points hear less in a minute, and nothing lost.
func TestFeedCosts(t *testing.T) {
	t.Parallel()
	began := time.Now()
	f := newFixture(t, func() time.Time { return noon().Add(time.Since(began)) })
	f.credits("acme-usd", "USD", 100)
	token := f.token(f.as("root"), "slow", map[string]any{"role": "ADMIN", "company": nil, "pointsPerMinute": 240}).token
	s := f.feed(token, `subscription { events(after: "Ym9vay8w") { position cursor } }`) // 3 points each: 80 at once, then 4 in 3 s
	start := time.Now()
	for i := range 82 {
		if got := s.heard().text("events.position"); got != fmt.Sprint(i+1) {
			t.Fatalf("number %d is %s", i+1, got)
		}
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("82 answers for 246 points within %v", took)
	}
}

// TestFeedsAreRefused: who may not listen, or asks what there is not, hears so and nothing
// of coming again.
func TestFeedsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, noon)
	c := f.as("bert")
	f.put(noon(), "factor", &wire.Settings{Id: "settings", SecondFactorRoles: []wire.Role{wire.Role_ROLE_PARTNER}})
	srv := f.serving(nil)
	s := dial(t, srv.URL, http.Header{"Origin": {srv.URL}, "Cookie": c.cookieText()})
	s.greet(`{}`)
	for _, query := range []string{anyEvents, `subscription { liveCalls { more } }`, `subscription { balances(accounts: ["initech-eur"]) { id } }`, `subscription { alerts { cursor } }`} {
		s.subscribe("x", query)
		if m := s.must(); m.codes() != "FORBIDDEN" {
			t.Errorf("%s: a person without the second factor that he must have hears %s %s", query, m.Type, m.Payload)
		}
	}
	r := c.request(`subscription { balances(accounts: []) { id } }`, nil)
	r.Header.Set("Accept", "text/event-stream")
	f.put(noon(), "no factor", &wire.Settings{Id: "settings"})
	if got := c.send(r).Body.String(); !strings.Contains(got, `"INVALID"`) || strings.Contains(got, "UNAVAILABLE") || !strings.Contains(got, "event: complete") {
		t.Errorf("by server-sent events: %s", got)
	}
}
