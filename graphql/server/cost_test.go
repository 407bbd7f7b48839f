package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/complexity"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/resolve"
)

// A page costs what it may have in it, whatever list it is of.
func TestPagesCostTheirSize(t *testing.T) {
	es := newCosted(&resolve.Resolver{})
	lists := 0
	for _, f := range es.Schema().Query.Fields {
		if !strings.HasSuffix(f.Type.Name(), "Connection") {
			continue
		}
		lists++
		arguments := "first: 400"
		for _, a := range f.Arguments {
			if a.Type.NonNull && a.DefaultValue == nil && a.Name != "first" {
				arguments += fmt.Sprintf(", %s: %s", a.Name, sample(es.Schema(), a.Type))
			}
		}
		query, errs := gqlparser.LoadQueryWithRules(es.Schema(), fmt.Sprintf("{ %s(%s) { edges { cursor } } }", f.Name, arguments), nil)
		if errs != nil {
			t.Fatalf("%s: %v", f.Name, errs)
		}
		if cost := complexity.Calculate(t.Context(), es, query.Operations[0], nil); cost < 400 {
			t.Errorf("%s with 400 rows costs %d", f.Name, cost)
		}
	}
	if lists < 20 {
		t.Errorf("there are %d lists", lists)
	}
}

// sample is a value of a type.
func sample(s *ast.Schema, of *ast.Type) string {
	switch d := s.Types[of.Name()]; {
	case d.Kind == ast.Enum:
		return d.EnumValues[0].Name
	case d.Kind == ast.InputObject:
		return "{}"
	case of.Name() == "Int":
		return "1"
	default:
		return `"x"`
	}
}
