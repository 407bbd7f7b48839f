package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
)

// question is a small request that asks for much.
type question struct{ name, body string }

// asJSON is the body of a request with a query.
func asJSON(query string) string { return fmt.Sprintf(`{"query": %q}`, query) }

// bombs are requests that must be refused by their shape alone.
func bombs() []question {
	repeat := strings.Repeat
	var aliases, doubling, variables, spreads strings.Builder
	for i := range 300 {
		fmt.Fprintf(&aliases, " a%d: viewer { actor }", i)
	}
	for i := range 40 { // each twice the one before it
		fmt.Fprintf(&doubling, " fragment f%d on Query { ...f%d ... on Query { ...f%d } }", i, i+1, i+1)
	}
	for i := range 60 {
		fmt.Fprintf(&spreads, " fragment f%d on Account { c%d: company { accounts { ...f%d } } }", i, i, i+1)
		fmt.Fprintf(&variables, " $v%d: [ID!]", i)
	}
	deep := "{ node(id: \"x\") { ... on Account " + repeat("{ company { accounts ", 400) + "{ id }" + repeat(" } }", 400) + " } }"
	return []question{
		{"depth", asJSON(deep)},
		{"depth by fragments", asJSON("{ accounts(first: 1) { nodes { ...f0 } } }" + spreads.String() + " fragment f60 on Account { id }")},
		{"braces", asJSON(repeat("{a", 500_000))},
		{"lists in lists", asJSON("{ node(id: " + repeat("[", 3000) + ") { id } }")},
		{"aliases", asJSON("{" + aliases.String() + "}")},
		{"one field often", asJSON("{" + repeat(" viewer { actor }", 1000) + "}")},
		{"fragments that double", asJSON("{ ...f0 }" + doubling.String() + " fragment f40 on Query { viewer { actor } }")},
		{"a fragment of itself", asJSON("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")},
		{"inline fragments", asJSON("fragment a on Query {" + repeat(" viewer { actor }", 20) + "} {" + repeat(" ... on Query { ...a }", 600) + "}")},
		{"directives", asJSON("{ viewer " + repeat("@skip(if: false) ", 300) + "{ actor } }")},
		{"pages of pages", asJSON(`{ accounts(first: 500) { nodes { entries(first: 500) { nodes { account { entries(first: 500) { nodes { id } } } } } } } }`)},
		{"a huge page", asJSON(`{ cdrs(first: 2000000000) { nodes { id } } }`)},
		{"a long list in the query", asJSON("query($i: NumberListPutInput!) { viewer { actor } a: node(id: [" + repeat(`"x",`, 2000) + "]) { id } }")},
		{"a long list of variables", `{"query": "query($v: [ID!]) { viewer { actor } }", "variables": {"v": [` + repeat("0,", 500_000) + `0]}}`},
		{"nested variables", `{"query": "query($v: [ID!]) { viewer { actor } }", "variables": {"v": ` + repeat("[", 100_000) + repeat("]", 100_000) + `}}`},
		{"a batch", "[" + repeat(asJSON("{ viewer { actor } }")+",", 1000) + asJSON("{ viewer { actor } }") + "]"},
		{"introspection", asJSON("{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }")},
		{"introspection often", asJSON("{ __schema { " + repeat("types { ...t } ", 1) + aliased("types { ...t }", 29) + "} } fragment t on __Type { fields { name description args { name description type { name } } } }")},
		{"names that are not there", asJSON("{" + repeat(" acount { id }", 450) + "}")},
		{"a long text", asJSON("{ viewer { actor } } #" + repeat("x", 3<<20))},
		{"a long name", asJSON("{ " + repeat("x", 60_000) + " }")},
		{"no JSON", `{"query": ` + repeat("x", 3<<20)},
		{"a body without end", `{"query": "` + repeat("x", 8<<20) + `"}`},
	}
}

func aliased(field string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " t%d: %s", i, field)
	}
	return b.String()
}

func (c *client) post(body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tollbook-CSRF", "1")
	return c.send(r)
}

// allowed is what a refusal may allocate: what the body takes, and room to parse it.
const allowed = 48 << 20 // the race detector takes its share

// TestBombs makes sure that each is refused, shortly, with memory that is bounded, for
// strangers and for those who have signed in.
func TestBombs(t *testing.T) {
	f := newFixture(t, noon)
	for name, c := range map[string]*client{"bert": f.as("bert"), "a stranger": f.client()} {
		for _, b := range bombs() {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := c.post(b.body)
			runtime.ReadMemStats(&after)
			if got := w.Body.String(); !strings.Contains(got, `"errors"`) || strings.Contains(got, `"actor":"`) {
				t.Errorf("%s: %s is taken: %d %.300s", name, b.name, w.Code, got)
			} else if len(got) > 20_000 {
				t.Errorf("%s: %s is answered with %d bytes", name, b.name, len(got))
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > allowed {
				t.Errorf("%s: %s takes %d MB", name, b.name, taken>>20)
			}
			if got := os.Getenv("TOLLBOOK_BOMBS"); got != "" {
				t.Logf("%s: %s: %.1f MB, %.160s", name, b.name, float64(after.TotalAlloc-before.TotalAlloc)/(1<<20), w.Body)
			}
		}
	}
	root := f.as("root")
	if got := root.ask(introspection, nil); len(got.Errors) > 0 || got.Data.len("__schema.types") < 100 {
		t.Errorf("the question of the usual tools is refused: %v", got.Errors)
	}
	if got := root.ask(`query($v: [ID!]) { viewer { actor } }`, map[string]any{"v": strings.Split(strings.Repeat("x,", 20_000), ",")}); len(got.Errors) != 1 || strings.Contains(got.Errors[0].Message, "too many") {
		t.Errorf("a list as the catalog takes it: %v", got.Errors)
	}
}

// introspection is what graphql-js asks for.
const introspection = `query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind }
	types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
	fragment FullType on __Type { kind name description specifiedByURL
		fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
		inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
		enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
	fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
	fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

// BenchmarkBombs says what each refusal costs.
func BenchmarkBombs(b *testing.B) {
	c := newFixture(b, noon).as("bert")
	for _, one := range bombs() {
		b.Run(one.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.post(one.body)
			}
		})
	}
}
