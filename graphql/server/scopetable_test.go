package server

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/gen"
)

// TestEveryFieldHasAScope makes sure that the tables of scopes know every type and
// every way in, and nothing that there is not.
func TestEveryFieldHasAScope(t *testing.T) {
	schema := gen.NewExecutableSchema(gen.Config{}).Schema()
	types, fields := scopesOfTypes(), scopesOfFields()
	used := map[string]bool{}
	for name, d := range schema.Types {
		root := d == schema.Query || d == schema.Mutation || d == schema.Subscription
		if d.BuiltIn || strings.HasPrefix(name, "__") || !d.IsCompositeType() || root || strings.HasSuffix(name, "Payload") {
			continue
		}
		base := baseOf(name)
		used[base] = true
		if _, ok := types[base]; !ok && !writtenOnly()[base] {
			t.Errorf("type %s has no scope in scope.go", base)
		}
	}
	for name := range types {
		if !used[name] {
			t.Errorf("there is no type %s", name)
		}
	}
	var s scopes
	if err := s.Validate(nil); err != nil {
		t.Fatal(err)
	}
	for _, root := range []*ast.Definition{schema.Query, schema.Subscription} {
		if root == nil {
			continue
		}
		for _, f := range root.Fields {
			if _, ok := s.of(&ast.Field{Name: f.Name, Definition: f, ObjectDefinition: root}); !ok && !onlyUnlimited(root.Name+"."+f.Name) {
				t.Errorf("%s.%s has no scope in scope.go", root.Name, f.Name)
			}
		}
	}
	for at := range fields {
		of, name, _ := strings.Cut(at, ".")
		if d := schema.Types[of]; !strings.HasPrefix(name, "__") && (d == nil || d.Fields.ForName(name) == nil) {
			t.Errorf("there is no %s", at)
		}
	}
}

// onlyUnlimited are questions that no scope opens.
func onlyUnlimited(at string) bool { return at == "Query.users" }

// writtenOnly are types that only answers to mutations have, which tokens with scopes
// may not do, and people, who are no scope's.
func writtenOnly() map[string]bool {
	out := map[string]bool{}
	for name := range strings.FieldsSeq("User Difference ImportError ImportedVersion RateChange RateChangeCount RepricedTraffic") {
		out[name] = true
	}
	return out
}
