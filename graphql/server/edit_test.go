package server_test

import (
	"slices"
	"testing"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func TestEdit(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	put := `mutation($i: OriginatorPutInput!) { originatorPut(input: $i) {
		originator { key channels maxDuration minimumMargin networks version } position userErrors { code message path } } }`
	old := f.Catalog().Originator("acme-1")
	first := c.must(put, map[string]any{"i": map[string]any{"key": "acme-1", "channels": 75, "maxDuration": "90", "minimumMargin": "0.000000001"}})
	now := f.Catalog().Originator("acme-1")
	if now.Channels != 75 || now.MaxDurationS != 90 || now.MinimumMarginNano != 1 || now.Account != old.Account || len(now.Networks) != 1 {
		t.Errorf("edited: %v, %v", now, first)
	}
	stale := c.must(put, map[string]any{"i": map[string]any{"key": "acme-1", "channels": 80, "expectedVersion": "3"}})
	if stale.text("originatorPut.userErrors.0.code") != "CONFLICT" {
		t.Errorf("stale: %v", stale)
	}
	fresh := map[string]any{"key": "acme-1", "channels": 80, "expectedVersion": first.text("originatorPut.originator.version"), "dryRun": true}
	c.must(put, map[string]any{"i": fresh})
	if f.Catalog().Originator("acme-1").Channels != 75 {
		t.Error("a dry run changed something")
	}
	delete(fresh, "dryRun")
	c.must(put, map[string]any{"i": fresh})
	if f.Catalog().Originator("acme-1").Channels != 80 {
		t.Error("an edit of the right version was not done")
	}
	for path, input := range map[string]map[string]any{
		"input.account":     {"key": "acme-1", "account": "deck:acme-sell"},
		"input.channels":    {"key": "acme-1", "channels": -1},
		"input.maxDuration": {"key": "acme-1", "maxDuration": "0.5"},
		"":                  {"key": "acme-1", "account": "nowhere"},
	} {
		got := c.must(put, map[string]any{"i": input})
		if got.text("originatorPut.userErrors.0.path") != path {
			t.Errorf("%v: %v", input, got)
		}
	}
	f.as("fiona").refused("FORBIDDEN", put, map[string]any{"i": fresh})
	f.as("noel").must(put, map[string]any{"i": map[string]any{"key": "acme-1", "channels": 81}})
}

func TestRemove(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	remove := `mutation { companyRemove(input: {id: "company:acme"}) { removedId userErrors { code message } } }`
	if got := c.must(remove, nil); got.text("companyRemove.userErrors.0.code") != "CONFLICT" {
		t.Errorf("a company in use: %v", got)
	}
	got := c.must(`mutation { routeRemove(input: {id: "route:standard/33/globex-ams"}) { removedId position userErrors { code } } }`, nil)
	if got.text("routeRemove.removedId") != "route:standard/33/globex-ams" || got.text("routeRemove.position") == "" {
		t.Errorf("route: %v", got)
	}
	again := c.must(`mutation { routeRemove(input: {id: "route:standard/33/globex-ams"}) { userErrors { code } } }`, nil)
	if again.text("routeRemove.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("again: %v", again)
	}
}

func TestTokens(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	got := c.must(`mutation { tokenCreate(input: {key: "bi", name: "Reports", role: PARTNER, company: "acme"}) { secret token { id } userErrors { message } } }`, nil)
	secret := got.text("tokenCreate.secret")
	program := f.client()
	program.token = secret
	if v := program.must(`{ viewer { actor role company { key } } }`, nil); v.text("viewer.actor") != "token:bi" || v.text("viewer.company.key") != "acme" {
		t.Errorf("viewer: %v", v)
	}
	if again := c.must(`mutation { tokenCreate(input: {key: "bi", role: NOC}) { secret userErrors { code } } }`, nil); again.text("tokenCreate.userErrors.0.code") != "CONFLICT" || again.at("tokenCreate.secret") != nil {
		t.Errorf("the same key: %v", again)
	}
	c.must(`mutation { tokenRevoke(input: {id: "token:bi"}) { token { revoked } userErrors { code } } }`, nil)
	if w := program.send(program.request(`{ viewer { actor } }`, nil)); w.Code != 401 {
		t.Errorf("a revoked token: %d", w.Code)
	}
}

func TestUsers(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	put := `mutation($i: UserPutInput!) { userPut(input: $i) { user { key role } userErrors { code path message } } }`
	if got := root.must(put, map[string]any{"i": map[string]any{"key": "nina", "role": "NOC"}}); got.text("userPut.userErrors.0.path") != "input.password" {
		t.Errorf("no password: %v", got)
	}
	root.must(put, map[string]any{"i": map[string]any{"key": "nina", "role": "NOC", "password": password}})
	nina := f.as("nina")
	set := `mutation($i: UserSetPasswordInput!) { userSetPassword(input: $i) { userErrors { code } } }`
	if got := nina.must(set, map[string]any{"i": map[string]any{"user": "nina", "password": "a new password"}}); got.text("userSetPassword.userErrors.0.code") != "FORBIDDEN" {
		t.Errorf("without the old password: %v", got)
	}
	if got := nina.must(set, map[string]any{"i": map[string]any{"user": "nina", "password": "a new password", "oldPassword": password}}); got.len("userSetPassword.userErrors") != 0 {
		t.Errorf("with it: %v", got)
	}
	nina.refused("UNAUTHENTICATED", `{ overview { callsNow } }`, nil)
	root.must(put, map[string]any{"i": map[string]any{"key": "nina", "role": "FINANCE"}})
	if u := f.Catalog().User("nina"); u.Role != wire.Role_ROLE_FINANCE || u.Password == "" {
		t.Errorf("user: %v", u)
	}
	nina.must(`mutation { signOut { userErrors { code } } }`, nil)
}

func TestMembers(t *testing.T) {
	f := newFixture(t, noon)
	query := `{ members { name address sip up seenAt keepsBook calls position clockAhead differsAt equalTo } }`
	got := f.as("noel").must(query, nil)
	for path, want := range map[string]string{
		"members.0.sip": "192.0.2.1:5060", "members.0.position": "12", "members.1.address": "192.0.2.2:7422",
		"members.1.clockAhead": "-0.020", "members.1.differsAt": "9", "members.1.equalTo": "7", "members.2.seenAt": "", "members.2.position": "",
	} {
		if got.text(path) != want {
			t.Errorf("%s is %q, want %q", path, got.text(path), want)
		}
	}
	f.as("adam").refused("FORBIDDEN", query, nil)
}

// TestRescues shows what was lost, also in statements of days that end later.
func TestRescues(t *testing.T) {
	f := newFixture(t, noon)
	f.mu.Lock()
	f.state.Rescues = []*wire.RescueRecorded{{Position: 12, TimeUs: noon().UnixMicro(), Rescued: &wire.StoreRescued{
		Node: "n1", Reason: "fire", Journals: []*wire.RescuedJournal{{Journal: "book", Number: 1, Position: 9, TimeUs: noon().UnixMicro(), HeardNumber: 2, HeardPosition: 11}, {Journal: "log.calls.n1"}},
	}}}
	f.mu.Unlock()
	query := `{ rescues { position recordedAt node reason journals { journal keptPosition keptAt heardPosition } }
		before: statement(account: "acme-usd", from: "2020-01-01", to: "2020-02-01") { rescues { node } }
		after: statement(account: "acme-usd", from: "2020-01-01", to: "2036-01-01") { rescues { node } } }`
	got := f.as("fiona").must(query, nil)
	for path, want := range map[string]string{
		"rescues.0.position": "12", "rescues.0.node": "n1", "rescues.0.reason": "fire", "rescues.0.journals.0.keptPosition": "9",
		"rescues.0.journals.0.heardPosition": "11", "rescues.0.journals.1.keptAt": "", "after.rescues.0.node": "n1",
	} {
		if got.text(path) != want {
			t.Errorf("%s is %q, want %q", path, got.text(path), want)
		}
	}
	if list, ok := got.at("before.rescues").([]any); !ok || len(list) != 0 {
		t.Errorf("a statement of before is marked: %v", got.at("before.rescues"))
	}
	f.as("adam").refused("FORBIDDEN", `{ rescues { node } }`, nil)
}

func TestNodeRemove(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	remove := `mutation ($i: NodeRemoveInput!) { nodeRemove(input: $i) { node position userErrors { code } } }`
	f.as("noel").refused("FORBIDDEN", remove, map[string]any{"i": map[string]any{"node": "n3"}})
	for _, c := range []struct {
		in   map[string]any
		path string
		want string
	}{
		{map[string]any{"node": "n1"}, "userErrors.0.code", "CONFLICT"},
		{map[string]any{"node": "n9"}, "userErrors.0.code", "NOT_FOUND"},
		{map[string]any{"node": "n2"}, "userErrors.0.code", "UNAVAILABLE"},
		{map[string]any{"node": "n3"}, "node", "n3"},
		{map[string]any{"node": "n1", "force": true}, "node", "n1"},
		{map[string]any{"node": "n3"}, "node", "n3"}, // again
	} {
		if got := root.must(remove, map[string]any{"i": c.in}); got.text("nodeRemove."+c.path) != c.want {
			t.Errorf("%v: %v", c.in, got)
		}
	}
	if got := f.Catalog().Settings().RemovedNodes; !slices.Equal(got, []string{"n2", "n3", "n1"}) {
		t.Error(got)
	}
}

func TestWorldAndHangUp(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	got := root.must(`mutation { worldApply(input: {yaml: "good", dryRun: true}) { differences { id kind fields } userErrors { code } } }`, nil)
	if got.text("worldApply.differences.0.kind") != "UPDATE" || got.text("worldApply.differences.1.id") != "route-plan:new" {
		t.Errorf("apply: %v", got)
	}
	if got := root.must(`mutation { worldApply(input: {yaml: "bad"}) { userErrors { path } } }`, nil); got.text("worldApply.userErrors.0.path") != "input.yaml" {
		t.Errorf("bad: %v", got)
	}
	noel := f.as("noel")
	hang := `mutation($c: ID!) { callHangUp(input: {call: $c}) { callId userErrors { code } } }`
	id := map[string]any{"c": model.CallID(f.running)}
	if got := noel.must(hang, id); got.text("callHangUp.callId") != model.CallID(f.running) || len(f.hungUp) != 1 {
		t.Errorf("hang up: %v", got)
	}
	if got := noel.must(hang, id); got.text("callHangUp.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("again: %v", got)
	}
	f.as("fiona").refused("FORBIDDEN", hang, id)
}
