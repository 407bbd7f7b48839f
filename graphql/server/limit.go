package server

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/graphql/auth"
)

// What one operation may be.
const (
	maxDepth   = 16
	maxAliases = 30
	// maxFields counts fields after all fragments are spread, so that fragments
	// that spread each other cannot grow without bound.
	maxFields = 3000
	maxTokens = 4000
	maxCost   = 100_000
)

// limits refuses operations by their shape, before anything is computed from
// them, and shows the schema to signed-in viewers only.
type limits struct{}

// ExtensionName names the extension in gqlgen's list.
func (limits) ExtensionName() string { return "Limits" }

// Validate has nothing to check.
func (limits) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext refuses what is too deep or too wide.
func (limits) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = auth.FromContext(ctx) == nil
	var w walker
	w.walk(op.Operation.SelectionSet, 1)
	switch {
	case w.depth > maxDepth:
		return refuse("the query is deeper than %d levels", maxDepth)
	case w.aliases > maxAliases:
		return refuse("the query has more than %d aliases", maxAliases)
	case w.fields > maxFields:
		return refuse("the query has more than %d fields", maxFields)
	}
	return nil
}

func refuse(format string, n int) *gqlerror.Error {
	err := gqlerror.Errorf(format, n)
	errcode.Set(err, "LIMIT_EXCEEDED")
	return err
}

// walker measures an operation and stops as soon as it is too large.
type walker struct{ depth, aliases, fields int }

func (w *walker) walk(set ast.SelectionSet, depth int) {
	if depth > maxDepth {
		w.depth = depth
		return
	}
	for _, selection := range set {
		if w.fields > maxFields || w.depth > maxDepth {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			w.fields++
			if s.Alias != s.Name {
				w.aliases++
			}
			w.depth = max(w.depth, depth)
			w.walk(s.SelectionSet, depth+1)
		case *ast.InlineFragment:
			w.fields++
			w.walk(s.SelectionSet, depth)
		case *ast.FragmentSpread:
			w.fields++
			if s.Definition != nil {
				w.walk(s.Definition.SelectionSet, depth)
			}
		}
	}
}
