package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/server"
	"github.com/tollbook/tollbook/media/archive"
)

// TestPartnerMutations asks for every mutation that is not a partner's, with ids of
// others and of nobody: he may not, and hears nothing else.
func TestPartnerMutations(t *testing.T) {
	f := newFixture(t, noon)
	m := newMatrix(tenants(f))
	c := f.as("bert")
	before, _ := f.AsOf()
	for _, field := range m.schema.Mutation.Fields {
		if field.Directives.ForName("open") != nil {
			continue
		}
		if partnerMay(field) {
			if !slices.Contains([]string{"userSetPassword", "jobStart", "jobCancel"}, field.Name) {
				t.Errorf("Mutation.%s is open to partners", field.Name)
			}
			continue
		}
		input := m.schema.Types[field.Arguments[0].Type.Name()]
		query := "mutation($input: " + input.Name + "!) { " + field.Name + "(input: $input) { userErrors { code } } }"
		for _, id := range []string{"acme", "none"} {
			value := map[string]any{}
			upload := ""
			for _, in := range input.Fields {
				switch {
				case in.Type.Name() == "ID" && in.Type.Elem == nil:
					value[in.Name] = id
				case in.Type.Name() == "Upload":
					upload = in.Name
				case in.Type.NonNull && in.DefaultValue == nil:
					value[in.Name] = m.json(in.Name, in.Type)
				}
			}
			r := c.request(query, map[string]any{"input": value})
			if upload != "" {
				r = multipartRequest(t, query, value, "prefix,price\n1,1\n")
			}
			if got := c.send(r).Body.String(); !strings.Contains(got, `"code":"FORBIDDEN"`) || strings.Contains(got, "acme") {
				t.Errorf("%s: %s", field.Name, got)
			}
		}
	}
	if after, _ := f.AsOf(); after != before {
		t.Errorf("the book went on from %d to %d", before, after)
	}
}

// json is some good value of an input's field, as a variable.
func (m *matrix) json(name string, typ *ast.Type) any {
	if typ.Elem != nil {
		return []any{m.json(name, typ.Elem)}
	}
	t := m.schema.Types[typ.NamedType]
	if t.Kind == ast.InputObject {
		out := map[string]any{}
		for _, f := range t.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				out[f.Name] = m.json(f.Name, f.Type)
			}
		}
		return out
	}
	text := m.value("", name, typ)
	if t.Kind == ast.Enum {
		return text
	}
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	return v
}

// TestTenantRoutes asks for every path of the server as another tenant.
func TestTenantRoutes(t *testing.T) {
	f := newFixture(t, noon)
	wav := f.file(f.answered, archive.Recording, 1, "RIFF0123456789", true)
	f.file(f.other, archive.Recording, 1, "RIFF", true)
	f.put(noon(), "a job is done", done())
	c := f.as("bert")
	// A path has what foreign ids and unknown ones stand in; none where there is none.
	paths := map[string][][2]string{
		"POST /graphql": nil, "GET /graphql": {{"", ""}}, "GET /-/healthy": nil, "GET /-/ready": nil, "GET /": nil,
		"GET /export/cdrs.csv": {
			{"?account=acme-usd", "?account=none"}, {"?company=acme", "?company=none"}, {"?originator=acme-1", "?originator=none"},
			{"?terminator=globex-ams", "?terminator=none"}, {"?callId=" + f.answered.String(), "?callId=" + noCall},
		},
		"GET /export/list/{file}": {
			{"accounts.csv?company=acme", "accounts.csv?company=none"}, {"account.entries.csv?id=acme-usd", "account.entries.csv?id=none"},
			{"cdrs.csv?account=acme-usd", "cdrs.csv?account=none"}, {"report.csv?from=2026-01-01T00:00:00Z&company=acme", "report.csv?from=2026-01-01T00:00:00Z&company=none"},
			{"audit.csv", "audit.csv"}, {"statement.entries.csv?account=acme-usd&from=2026-01-01&to=2027-01-01", "statement.entries.csv?account=none&from=2026-01-01&to=2027-01-01"},
		},
		"GET /export/deck.csv":     {{"?deck=acme-sell", "?deck=none"}, {"?deck=acme-sell&version=1", "?deck=none&version=1"}},
		"GET /export/deck.xlsx":    {{"?deck=acme-sell", "?deck=none"}},
		"GET /export/interconnect": {{"?peer=acme-1", "?peer=none"}, {"?peer=originator:acme-1", "?peer=originator:none"}},
		"GET /files/":              {{wav.String(), strings.Replace(wav.String(), "-1.wav", "-7.wav", 1)}},
		"GET /export/job/{job}":    {{doneJob, noCall}},
		"GET /backup":              {{"", ""}}, "GET /metrics": {{"", ""}},
	}
	for _, pattern := range server.Patterns() {
		pairs, ok := paths[pattern]
		if !ok {
			t.Errorf("%s has no rule", pattern)
		}
		path := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(pattern, "GET "), "{job}"), "{file}")
		for _, pair := range pairs {
			ask := func(rest string) string {
				w := c.send(httptest.NewRequest(http.MethodGet, path+rest, nil))
				return itoa64(uint64(w.Code)) + " " + strings.ReplaceAll(strings.ReplaceAll(w.Body.String(), pair[0], "$"), pair[1], "$")
			}
			got, want := ask(pair[0]), ask(pair[1])
			if strings.NewReplacer("acme-sell", "none", "acme-1", "none", "-1.wav", "-7.wav", doneJob, noCall).Replace(got) != want {
				t.Errorf("%s%s: %q, want %q", path, pair[0], got, want)
			}
		}
	}
	for pattern := range paths {
		if !slices.Contains(server.Patterns(), pattern) {
			t.Errorf("there is no %s", pattern)
		}
	}
}

// partnerMay says whether a partner may ask for a field.
func partnerMay(field *ast.FieldDefinition) bool {
	needs := field.Directives.ForName("needs")
	return needs == nil || strings.Contains(needs.Arguments.ForName("roles").Value.String(), "PARTNER")
}
