package gen

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

// own are the types that the schema declares, without GraphQL's own.
func own() []*ast.Definition {
	var list []*ast.Definition
	for _, d := range NewExecutableSchema(Config{}).Schema().Types {
		if !d.BuiltIn && !strings.HasPrefix(d.Name, "__") {
			list = append(list, d)
		}
	}
	return list
}

func TestDescriptions(t *testing.T) {
	for _, d := range own() {
		if d.Description == "" {
			t.Errorf("%s has no description", d.Name)
		}
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			if f.Description == "" {
				t.Errorf("%s.%s has no description", d.Name, f.Name)
			}
			for _, a := range f.Arguments {
				if a.Description == "" {
					t.Errorf("%s.%s(%s) has no description", d.Name, f.Name, a.Name)
				}
			}
		}
		for _, v := range d.EnumValues {
			if v.Description == "" {
				t.Errorf("%s.%s has no description", d.Name, v.Name)
			}
		}
	}
}

func TestNoFloats(t *testing.T) {
	for _, d := range own() {
		for _, f := range d.Fields {
			if f.Type.Name() == "Float" {
				t.Errorf("%s.%s is a Float", d.Name, f.Name)
			}
			for _, a := range f.Arguments {
				if a.Type.Name() == "Float" {
					t.Errorf("%s.%s(%s) is a Float", d.Name, f.Name, a.Name)
				}
			}
		}
	}
}

func TestConnections(t *testing.T) {
	schema := NewExecutableSchema(Config{}).Schema()
	for _, d := range own() {
		base, is := strings.CutSuffix(d.Name, "Connection")
		if !is {
			continue
		}
		for name, want := range map[string]string{
			"edges": "[" + base + "Edge!]!", "nodes": "[" + base + "!]!", "pageInfo": "PageInfo!", "asOf": "AsOf!",
		} {
			if f := d.Fields.ForName(name); f == nil || f.Type.String() != want {
				t.Errorf("%s.%s is not %s", d.Name, name, want)
			}
		}
		edge := schema.Types[base+"Edge"]
		if edge == nil || edge.Fields.ForName("cursor") == nil || edge.Fields.ForName("node") == nil {
			t.Errorf("%sEdge has no cursor or no node", base)
		}
	}
	for _, d := range own() {
		for _, f := range d.Fields {
			if !strings.HasSuffix(f.Type.Name(), "Connection") {
				continue
			}
			for name, want := range map[string]string{"first": "Int", "after": "Cursor", "last": "Int", "before": "Cursor"} {
				if a := f.Arguments.ForName(name); a == nil || a.Type.String() != want {
					t.Errorf("%s.%s has no argument %s: %s", d.Name, f.Name, name, want)
				}
			}
		}
	}
}

// TestAccess makes sure that every way in says who may take it.
func TestAccess(t *testing.T) {
	schema := NewExecutableSchema(Config{}).Schema()
	for _, d := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range d.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			needs, open := f.Directives.ForName("needs"), f.Directives.ForName("open")
			if (needs == nil) == (open == nil) {
				t.Errorf("%s.%s says not, or twice, who may use it", d.Name, f.Name)
			}
		}
	}
}

func TestMutations(t *testing.T) {
	schema := NewExecutableSchema(Config{}).Schema()
	for _, f := range schema.Mutation.Fields {
		payload := schema.Types[f.Type.Name()]
		if e := payload.Fields.ForName("userErrors"); e == nil || e.Type.String() != "[UserError!]!" {
			t.Errorf("%s has no userErrors: [UserError!]!", payload.Name)
		}
		if f.Name == "signOut" {
			continue
		}
		if len(f.Arguments) != 1 || f.Arguments[0].Name != "input" || !f.Arguments[0].Type.NonNull {
			t.Errorf("%s does not take exactly one input", f.Name)
			continue
		}
		input := schema.Types[f.Arguments[0].Type.Name()]
		if payload.Name == "PostingPayload" {
			if k := input.Fields.ForName("idempotencyKey"); k == nil || k.Type.String() != "String!" {
				t.Errorf("%s moves money without an idempotencyKey: String!", f.Name)
			}
			if input.Fields.ForName("dryRun") == nil {
				t.Errorf("%s has no dryRun", f.Name)
			}
		}
		if strings.HasSuffix(f.Name, "Put") && (input.Fields.ForName("expectedVersion") == nil || input.Fields.ForName("dryRun") == nil) {
			t.Errorf("%s has no expectedVersion or no dryRun", f.Name)
		}
	}
}
