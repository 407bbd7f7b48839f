package server_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/gen"
	"github.com/tollbook/tollbook/graphql/model"
)

// tenantCase asks one field with the ids of somebody else and with unknown ones.
type tenantCase struct {
	field string
	query string
	// foreign and unknown take the place of $ID in turn.
	foreign, unknown string
}

// tenantCases has every query that takes an id, for bert of initech.
func tenantCases(f *fixture) []tenantCase {
	const none = "01000000-0000-7000-8000-000000000000"
	call, position := f.answered.String(), itoa64(f.credit)
	filter := func(name string) string {
		return `{ cdrs(first: 5, filter: {` + name + `: "$ID"}) { nodes { id } } }`
	}
	node := `{ node(id: "$ID") { id } }`
	report := func(name string) string {
		return `{ report(filter: {from: "2026-01-01T00:00:00Z", ` + name + `: "$ID"}) { rows { attempts } } }`
	}
	cases := []tenantCase{
		{"account", `{ account(id: "$ID") { id balance { posted { amount } } entries(first: 5) { nodes { id } } } }`, "acme-usd", "none"},
		{"statement", `{ statement(account: "$ID", from: "2026-01-01", to: "2027-01-01") { closing { amount } entries(first: 5) { nodes { id } } } }`, "acme-usd", "none"},
		{"accounts", `{ accounts(first: 5, company: "$ID") { nodes { id } } }`, "acme", "none"},
		{"company", `{ company(id: "$ID") { id name accounts { id } } }`, "acme", "none"},
		{"deck", `{ deck(id: "$ID") { id versions { id rows(first: 5) { nodes { priceFirst } } } } }`, "acme-sell", "none"},
		{"subscriber", `{ subscriber(id: "$ID") { id name contacts { contact } } }`, "subscriber:acme-anna", "subscriber:none"},
		{"call", `{ call(id: "$ID") { id legs { id } events { text } priceLines { exact } candidates { rank } entries { id } } }`, call, none},
		{"liveCall", `{ liveCall(call: "$ID") { id media { a { packets } } } }`, f.running.String(), none},
		{"cdr", `{ cdr(call: "$ID", leg: 0) { id caller } }`, call, none},
		{"cdr", `{ cdr(call: "$ID", leg: 1) { id caller } }`, f.other.String(), none},
		{"cdrs", filter("account"), "acme-usd", "none"},
		{"cdrs", filter("company"), "acme", "none"},
		{"cdrs", filter("originator"), "acme-1", "none"},
		{"cdrs", filter("callId"), call, none},
		{"report", report("account"), "acme-usd", "none"},
		{"report", report("company"), "acme", "none"},
		{"report", report("originator"), "acme-1", "none"},
		{"entry", `{ entry(position: "$ID") { id } }`, itoa64(f.credit - 1), "999999"},
		{"node", `{ node(id: "call:$ID") { id } }`, call, none},
		{"node", `{ node(id: "cdr:$ID/0") { id } }`, call, none},
		{"node", `{ node(id: "entry:$ID/0") { id } }`, itoa64(f.credit - 1), "999999"},
	}
	for _, id := range []string{
		"account:acme-usd", "account:globex-usd", "company:acme", "deck:acme-sell", "deck-version:acme-sell/1", "originator:acme-1",
		"terminator:globex-ams", "route-plan:standard", "route:standard/44/globex-ams", "user:root", "user:adam", "subscriber:acme-anna", "did:33100", "settings:settings",
	} {
		prefix, _, _ := strings.Cut(id, ":")
		cases = append(cases, tenantCase{"node", node, id, prefix + ":none"})
	}
	// His own are there, so that the others are not missing by mistake.
	return append(cases, tenantCase{"", `{ account(id: "$ID") { id } }`, "initech-eur", ""}, tenantCase{"", `{ call(id: "$ID") { id } }`, f.other.String(), ""},
		tenantCase{"", `{ entry(position: "$ID") { id } }`, position, ""})
}

func itoa64(n uint64) string {
	b, _ := json.Marshal(n)
	return string(b)
}

// TestTenants asks everything that takes an id as another tenant: the answer is
// that for an unknown id, byte for byte.
func TestTenants(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("bert")
	covered := map[string]bool{}
	for _, test := range tenantCases(f) {
		covered[test.field] = true
		ask := func(id string) string {
			return c.send(c.request(strings.ReplaceAll(test.query, "$ID", id), nil)).Body.String()
		}
		got := ask(test.foreign)
		if test.field == "" {
			if !strings.Contains(got, `"id":"`) {
				t.Errorf("%s: his own %s is missing: %s", test.query, test.foreign, got)
			}
			continue
		}
		if want := ask(test.unknown); got != want {
			t.Errorf("%s with %s:\n got %s\nwant %s", test.query, test.foreign, got, want)
		}
	}
	for _, field := range gen.NewExecutableSchema(gen.Config{}).Schema().Query.Fields {
		if takesID(field) && !covered[field.Name] && partnerMay(field) {
			t.Errorf("Query.%s takes an id and is not in the table", field.Name)
		}
	}
}

func takesID(field *ast.FieldDefinition) bool {
	for _, a := range field.Arguments {
		if a.Type.Name() == "ID" || a.Name == "position" || a.Name == "filter" {
			return true
		}
	}
	return false
}

func partnerMay(field *ast.FieldDefinition) bool {
	needs := field.Directives.ForName("needs")
	return needs == nil || strings.Contains(needs.Arguments.ForName("roles").Value.String(), "PARTNER")
}

// TestPartnerLists reads every list as a partner and looks for anything that
// belongs to others.
func TestPartnerLists(t *testing.T) {
	f := newFixture(t, noon)
	body := func(user, query string) string {
		c := f.as(user)
		return c.send(c.request(query, nil)).Body.String()
	}
	everything := `{ viewer { actor company { key } } companies(first: 50) { nodes { key accounts { key } originators { key } terminators { key } } }
		accounts(first: 50) { nodes { key entries(first: 50) { nodes { accountName } } } }
		originators(first: 50) { nodes { key sellDeck { key } routePlan { key } account { key } } } terminators(first: 50) { nodes { key } }
		decks(first: 50) { nodes { key versions { rows(first: 5) { nodes { prefix } } } } }
		liveCalls(first: 50) { nodes { companyId accountId originatorId terminatorId } }
		cdrs(first: 100) { nodes { callId leg customerCompanyId customerAccountId originatorId vendorCompanyId vendorAccountId terminatorId routeId
			cost { amount } margin { amount } overrun { amount } price { deckId accountId } } } }`
	for user, foreign := range map[string][]string{
		"bert": {"acme", "globex", "umbrella", "standard"},
		"adam": {"initech", "globex", "umbrella", "standard"},
	} {
		got := body(user, everything)
		if strings.Contains(got, `"errors"`) {
			t.Fatalf("%s: %s", user, got)
		}
		for _, word := range foreign {
			if strings.Contains(got, word) {
				t.Errorf("%s finds %s", user, word)
			}
		}
		if strings.Contains(got, `"cost":{"amount"`) || strings.Contains(got, `"margin":{"amount"`) {
			t.Errorf("%s sees our cost or margin", user)
		}
	}
	one := body("adam", `{ call(id: "`+model.CallID(f.answered)+`") { legs { leg } events { text } candidates { rank } priceLines { side exact } entries { accountName } } }`)
	for _, want := range []string{`"legs":[{"leg":0}]`, `"events":[]`, `"candidates":[]`, `"priceLines":[{"side":"SELL","exact":"0.0403"}]`, `"entries":[{"accountName":"acme-usd"}]`} {
		if !strings.Contains(one, want) {
			t.Errorf("the customer's own call lacks %s: %s", want, one)
		}
	}
}

// TestPartnerMutations makes sure that a partner can change nothing but his own
// password, whatever the input.
func TestPartnerMutations(t *testing.T) {
	f := newFixture(t, noon)
	for _, field := range gen.NewExecutableSchema(gen.Config{}).Schema().Mutation.Fields {
		if field.Directives.ForName("open") != nil || field.Name == "userSetPassword" {
			continue
		}
		if partnerMay(field) {
			t.Errorf("Mutation.%s is open to partners", field.Name)
		}
	}
	got := f.as("bert").must(`mutation { userSetPassword(input: {user: "adam", password: "another password"}) { userErrors { code } } }`, nil)
	if got.text("userSetPassword.userErrors.0.code") != "NOT_FOUND" {
		t.Errorf("bert sets adam's password: %v", got)
	}
}
