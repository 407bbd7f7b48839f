package server_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

const noCall = "01000000-0000-7000-8000-000000000000"

// tenants is what everything is called, for bert of initech. It puts at least one
// thing of every kind into the world, so that "not there" is never true by accident.
func tenants(f *fixture) map[string]identity {
	call := f.answered.String()
	f.put(noon(), "one of each",
		&wire.NumberList{Id: "numbers", Numbers: []string{"4420"}},
		&wire.OriginSet{Id: "origins", CallerPrefixes: []string{"44"}},
		&wire.DeckMapping{Id: "mapping", Company: "acme", Columns: map[string]string{"code": "prefix", "rate": "price"}},
		&wire.Registration{Id: "home", Originator: "acme-1", Registrar: "sip.example.net", User: "u", Secret: []byte("wrapped")},
		&wire.ExchangeRate{Id: "EUR-USD-1", Base: "EUR", Quote: "USD", RateE12: 1_100_000_000_000, EffectiveFromUs: 1},
		&wire.Token{Id: "token", Hash: make([]byte, 32), Role: wire.Role_ROLE_PARTNER, Company: "acme"},
		&wire.GuardRule{Id: "guard", Accounts: []string{"acme-usd"}, Measure: wire.GuardMeasure_GUARD_MEASURE_EVERY_CALL, WindowS: 3600, Action: wire.GuardAction_GUARD_ACTION_ALERT},
		&wire.EvidenceRule{Id: "evidence", Recording: wire.RecordingPolicy_RECORDING_POLICY_ON},
		alerting(account("acme-usd", "acme", "USD", wire.AccountKind_ACCOUNT_KIND_CUSTOMER, 500)),
		alerting(account("initech-eur", "initech", "EUR", wire.AccountKind_ACCOUNT_KIND_CUSTOMER, 0)),
		&wire.CdrProfile{Id: "profile", FromUs: 1_800_000_000_000_000, IntervalS: 3600, Format: wire.CdrFormat_CDR_FORMAT_CSV, Columns: []string{"call"}, Directory: "x"},
		&wire.Webhook{Id: "erp", Company: "acme", Url: "https://erp.example.net/in", Secret: []byte("wrapped")},
		&wire.Job{Id: openJob, Actor: "user:adam", Company: "acme", CreatedUs: 1, List: "cdrs", State: wire.JobState_JOB_STATE_QUEUED},
	)
	ids := map[string]identity{
		"account":        {"initech-eur", []string{"acme-usd", "globex-usd", "account:acme-usd", "own/revenue/USD"}, "none"},
		"company":        {"initech", []string{"acme", "company:globex"}, "none"},
		"deck":           {"initech-sell", []string{"acme-sell", "deck:globex-buy"}, "none"},
		"originator":     {"initech-pbx", []string{"acme-1"}, "none"},
		"terminator":     {"none", []string{"globex-ams", "terminator:umbrella-fra"}, "none"},
		"subscriber":     {"none", []string{"acme-anna", "subscriber:acme-anna"}, "none"},
		"user":           {"bert", []string{"adam", "user:root"}, "none"},
		"subject":        {"account:initech-eur", []string{"account:acme-usd", "company:globex", model.CallID(f.answered)}, "account:none"},
		"call":           {f.other.String(), []string{call, model.CallID(f.failed)}, noCall},
		"running":        {f.live[5].Call.String(), []string{f.running.String()}, noCall},
		"entry position": {itoa64(f.credit), []string{itoa64(f.credit - 1)}, "999999"},
		"job":            {noCall, []string{openJob}, noCall},
		"position":       {itoa64(f.credit), nil, ""}, // the account is looked at before
	}
	node := identity{own: "account:initech-eur", unknown: "account:none"}
	for _, kind := range nodes(f) {
		node.foreign = append(node.foreign, kind)
	}
	ids["node"] = node
	return ids
}

// alerting has an account's balance below its threshold.
func alerting(a *wire.Account) *wire.Account {
	low := int64(1_000_000_000_000)
	a.Alerts = &wire.AccountAlerts{LowMicro: &low}
	return a
}

// nodes has somebody else's things by the type that they are of.
func nodes(f *fixture) map[string]string {
	call := f.answered.String()
	return map[string]string{
		"Account": "account:acme-usd", "Company": "company:acme", "Deck": "deck:acme-sell", "DeckVersion": "deck-version:acme-sell/1",
		"Originator": "originator:acme-1", "Terminator": "terminator:globex-ams", "RoutePlan": "route-plan:standard",
		"Route": "route:standard/44/globex-ams", "User": "user:adam", "Token": "token:token", "Subscriber": "subscriber:acme-anna",
		"Did": "did:33100", "NumberList": "number-list:numbers", "OriginSet": "origin-set:origins", "DeckMapping": "deck-mapping:mapping",
		"Registration": "registration:home", "ExchangeRate": "exchange-rate:EUR-USD-1", "GuardRule": "guard-rule:guard",
		"EvidenceRule": "evidence-rule:evidence", "CdrProfile": "cdr-profile:profile", "Webhook": "webhook:erp", "Job": "job:" + openJob, "Call": "call:" + call, "Cdr": "cdr:" + call + "/0",
		"Entry": "entry:" + itoa64(f.credit-1) + "/0",
	}
}

func itoa64(n uint64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// left is how much a viewer may still ask, after what it cost.
var left = regexp.MustCompile(`"cost":\d+,|"left":\d+,`)

// text is the whole answer to a query, in which the id that was asked for is "$ID". Of a
// subscription it is what comes in a moment.
func (c *client) text(query, id string) string {
	r := c.request(query, nil)
	if strings.HasPrefix(query, "subscription") {
		ctx, cancel := context.WithTimeout(c.t.Context(), max(c.moment, time.Second/10))
		defer cancel()
		r = r.WithContext(ctx)
		r.Header.Set("Accept", "text/event-stream")
	}
	body := strings.ReplaceAll(left.ReplaceAllString(c.send(r).Body.String(), ""), ":\n\n", "") // without signs of life
	if id == "" {
		return body
	}
	return strings.ReplaceAll(body, id, "$ID")
}

// wait asks until something is so; where it listens, it listens longer each time.
func (c *client) wait(listens bool, so func() bool) bool {
	defer func() { c.moment = 0 }()
	for c.moment = time.Second / 10; ; c.moment *= 4 {
		if so() {
			return true
		}
		if !listens || c.moment > 5*time.Second {
			return false
		}
	}
}

// TestTenants asks every argument of every field that a partner can reach, in
// questions and in mutations, as another tenant: the answer is that for an unknown
// id, byte for byte.
func TestTenants(t *testing.T) {
	f := newFixture(t, noon)
	m := newMatrix(tenants(f))
	c, root, used := f.as("bert"), f.as("root"), map[string]bool{}
	for _, from := range []*ast.Definition{m.schema.Query, m.schema.Mutation, m.schema.Subscription} {
		if from == nil {
			continue
		}
		for of, way := range m.ways(from) {
			for _, field := range m.schema.Types[of].Fields {
				if !partnerMay(field) || strings.HasPrefix(field.Name, "__") {
					continue
				}
				for at := range m.naming(of, field) {
					rule, ok := rules()[at]
					used[at] = true
					if !ok {
						t.Errorf("%s may name something of somebody else, and has no rule in matrix_test.go", at)
					} else {
						m.compare(t, c, root, from, way, field, of, at, m.ids[rule])
					}
				}
			}
		}
	}
	for at := range rules() {
		if !used[at] {
			t.Errorf("the rule of %s is for nothing that a partner can reach", at)
		}
	}
}

// compare asks one argument with all ids of others, and with an unknown one.
func (m *matrix) compare(t *testing.T, c, root *client, from *ast.Definition, way []step, field *ast.FieldDefinition, of, at string, who identity) {
	t.Helper()
	write := func(id, end string) string {
		q := m.along(way, "{ "+field.Name+m.arguments(of, field, at, id)+" "+end+" }")
		switch from {
		case m.schema.Mutation:
			q = "mutation " + q
		case m.schema.Subscription:
			q = "subscription " + q
		}
		return q
	}
	end := m.selection(m.schema.Types[field.Type.Name()], 2)
	shown := 0
	for _, id := range who.foreign {
		if at == "Query.node(id)" {
			kind, _, _ := strings.Cut(id, ":")
			who.unknown = kind + ":none"
		}
		got, want := "", ""
		c.wait(from == m.schema.Subscription, func() bool {
			got, want = c.text(write(id, end), id), c.text(write(who.unknown, end), who.unknown)
			return got == want
		})
		if got != want || strings.Contains(got, "VALIDATION_FAILED") {
			t.Errorf("%s with %s:\n got %s\nwant %s", at, id, got, want)
		}
		if refused := at == "ReportFilter.terminator"; from == m.schema.Query && strings.Contains(want, `"errors"`) != refused {
			t.Errorf("%s with %s: %s", at, who.unknown, want) // a partner's report has no vendors
		}
		shows := func() bool { return root.text(write(id, end), id) != root.text(write(who.unknown, end), who.unknown) }
		if shown == 0 && (shows() || id == who.foreign[len(who.foreign)-1] && root.wait(from == m.schema.Subscription, shows)) {
			shown++
		}
	}
	if from != m.schema.Mutation && len(who.foreign) > 0 && shown == 0 {
		t.Errorf("%s: nothing of it is there at all: the test shows nothing", at)
	}
	if own := c.text(write(who.own, end), ""); len(who.foreign) > 0 && who.own != who.unknown && from == m.schema.Query && !listed(field) &&
		strings.Contains(own, `"`+field.Name+`":null`) {
		t.Errorf("%s: his own %s is missing: %s", at, who.own, own)
	}
}

// listed fields answer with a list, empty for what is not there.
func listed(f *ast.FieldDefinition) bool {
	return f.Type.Elem != nil || strings.HasSuffix(f.Type.Name(), "Connection")
}

// TestNodes asks for something of every kind that has an id.
func TestNodes(t *testing.T) {
	f := newFixture(t, noon)
	m := newMatrix(tenants(f))
	bert, root := f.as("bert"), f.as("root")
	kinds := nodes(f)
	for _, d := range m.schema.GetPossibleTypes(m.schema.Types["Node"]) {
		id, ok := kinds[d.Name]
		if !ok {
			t.Errorf("%s is a Node, and the tests have none of somebody else's", d.Name)
			continue
		}
		prefix, _, _ := strings.Cut(id, ":")
		ask := func(id string) string {
			return `{ node(id: "` + id + `") { id ... on ` + d.Name + " " + m.selection(d, 1) + " } }"
		}
		if got, want := bert.text(ask(id), id), bert.text(ask(prefix+":none"), ""); got != want || !strings.Contains(got, `"node":null`) {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
		if got := root.text(`{ node(id: "`+id+`") { __typename } }`, ""); !strings.Contains(got, `"`+d.Name+`"`) {
			t.Errorf("there is no %s at all: %s", id, got)
		}
	}
}

// TestPartnerReads reads every field that a partner can reach, from his own things
// on, and looks for anything that belongs to others.
func TestPartnerReads(t *testing.T) {
	f := newFixture(t, noon)
	m := newMatrix(tenants(f))
	c := f.as("bert")
	foreign := []string{"acme", "globex", "umbrella", "standard", f.answered.String(), f.failed.String(), f.running.String()}
	ways := m.ways(m.schema.Query)
	for of, way := range m.ways(m.schema.Subscription) {
		if _, known := ways[of]; !known {
			ways[of] = way
		}
	}
	for of, way := range ways {
		var queries []string
		switch root := m.schema.Types[of]; {
		case root == m.schema.Query || root == m.schema.Subscription:
			for _, field := range root.Fields {
				if next := m.schema.Types[field.Type.Name()]; !strings.HasPrefix(field.Name, "__") && partnerMay(field) {
					queries = append(queries, strings.TrimPrefix(strings.ToLower(of), "query")+m.along([]step{{of, field}}, m.selection(next, 2)))
				}
			}
		case way[0].of == "Subscription":
			queries = append(queries, "subscription"+m.along(way, m.selection(root, 1)))
		default:
			queries = append(queries, m.along(way, m.selection(root, 1)))
		}
		for _, q := range queries {
			got, heard := "", !strings.HasPrefix(q, "subscription")
			if heard {
				got = c.text(q, "")
			}
			heard = heard || c.wait(true, func() bool {
				got = c.text(q, "")
				return strings.Contains(got, `data: {"data":{`)
			})
			got, _, _ = strings.Cut(got, `event: next`+"\n"+`data: {"errors":[{"message":"the stream broke off`)
			if strings.Contains(got, `"errors"`) || !heard {
				t.Errorf("%s\n%s", q, got)
			}
			for _, word := range foreign {
				if strings.Contains(got, word) {
					t.Errorf("bert finds %s by\n%s\n%s", word, q, got)
				}
			}
		}
	}
	for of := range ways {
		for _, field := range m.schema.Types[of].Fields {
			if at := of + "." + field.Name; partnerMay(field) && !strings.HasPrefix(field.Name, "__") && !m.asked[at] && m.schema.Types[of].Kind == ast.Object {
				t.Errorf("%s was never asked", at)
			}
		}
	}
}

// TestPartnerSees makes sure that the tests above do not find an empty house.
func TestPartnerSees(t *testing.T) {
	f := newFixture(t, noon)
	one := f.as("adam").text(`{ accounts(first: 5) { nodes { key entries(first: 5) { nodes { id } } } } originators(first: 5) { nodes { key } }
		call(id: "`+model.CallID(f.answered)+`") { legs { leg cost { amount } margin { amount } } events { text } candidates { rank } priceLines { side exact } entries { accountName } } }`, "")
	for _, want := range []string{
		`"key":"acme-usd"`, `"key":"acme-1"`, `"legs":[{"leg":0,"cost":null,"margin":null}]`, `"events":[]`, `"candidates":[]`,
		`"priceLines":[{"side":"SELL","exact":"0.0403"}]`, `"entries":[{"accountName":"acme-usd"}]`,
	} {
		if !strings.Contains(one, want) {
			t.Errorf("the customer's own lacks %s: %s", want, one)
		}
	}
}
