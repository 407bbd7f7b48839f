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
	maxTokens = 2000
	// maxQuery bounds an operation's text, in bytes: texts are kept to be found again.
	maxQuery = 64 << 10
	maxCost  = 100_000
	// maxIntrospected bounds what of the schema one answer shows, in fields: three times
	// what the usual tools ask for.
	maxIntrospected = 150_000
	// maxErrors are said of one operation, the others are not.
	maxErrors = 20
)

// limits refuses operations by their shape, before anything is computed from
// them, and shows the schema to signed-in viewers only.
type limits struct{ schema *schemaSizes }

// ExtensionName names the extension in gqlgen's list.
func (*limits) ExtensionName() string { return "Limits" }

// Validate measures the schema.
func (l *limits) Validate(es graphql.ExecutableSchema) error {
	l.schema = sizesOf(es.Schema())
	return nil
}

// MutateOperationParameters refuses a text that is too long before it is parsed.
func (*limits) MutateOperationParameters(_ context.Context, params *graphql.RawParams) *gqlerror.Error {
	if len(params.Query) > maxQuery {
		return refuse("the query has more than %d bytes: pass values as variables", maxQuery)
	}
	return nil
}

// MutateOperationContext refuses what is too deep or too wide.
func (l *limits) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	op.DisableIntrospection = auth.FromContext(ctx) == nil
	w := walker{schema: l.schema}
	w.walk(op.Operation.SelectionSet, 1, 0)
	switch {
	case w.depth > maxDepth:
		return refuse("the query is deeper than %d levels", maxDepth)
	case w.aliases > maxAliases:
		return refuse("the query has more than %d aliases", maxAliases)
	case w.fields > maxFields:
		return refuse("the query has more than %d fields", maxFields)
	case w.introspected > maxIntrospected:
		return refuse("the query asks for more than %d fields of the schema", maxIntrospected)
	}
	return nil
}

func refuse(format string, n int) *gqlerror.Error {
	err := gqlerror.Errorf(format, n)
	errcode.Set(err, "LIMIT_EXCEEDED")
	return err
}

// fewErrors keeps an answer from being much longer than its question.
func fewErrors(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response != nil && len(response.Errors) > maxErrors {
		response.Errors = response.Errors[:maxErrors]
	}
	return response
}

// walker measures an operation and stops as soon as it is too large.
type walker struct {
	schema                 *schemaSizes
	depth, aliases, fields int
	// introspected is how many fields of the schema's own types the answer has.
	introspected float64
}

// walk measures a selection; shown is how often the schema's part of the answer has
// it, 0 outside.
func (w *walker) walk(set ast.SelectionSet, depth int, shown float64) {
	if depth > maxDepth {
		w.depth = depth
		return
	}
	for _, selection := range set {
		if w.fields > maxFields || w.depth > maxDepth || w.introspected > maxIntrospected {
			return
		}
		w.fields++
		switch s := selection.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				w.aliases++
			}
			w.depth = max(w.depth, depth)
			times := w.schema.times(s, shown)
			w.introspected += times
			w.walk(s.SelectionSet, depth+1, times)
		case *ast.InlineFragment:
			w.walk(s.SelectionSet, depth, shown)
		case *ast.FragmentSpread:
			if s.Definition != nil {
				w.walk(s.Definition.SelectionSet, depth, shown)
			}
		}
	}
}

// schemaSizes are how long the lists are that introspection shows, on average, by
// "__Type.fields".
type schemaSizes struct{ mean map[string]float64 }

func sizesOf(schema *ast.Schema) *schemaSizes {
	var types, fields, args, inputs, values, members float64
	for _, t := range schema.Types {
		types++
		members += float64(len(schema.GetPossibleTypes(t)))
		values += float64(len(t.EnumValues))
		if t.Kind == ast.InputObject {
			inputs += float64(len(t.Fields))
			continue
		}
		fields += float64(len(t.Fields))
		for _, f := range t.Fields {
			args += float64(len(f.Arguments))
		}
	}
	return &schemaSizes{mean: map[string]float64{
		"__Schema.types": types, "__Schema.directives": float64(len(schema.Directives)), "__Type.fields": fields / types,
		"__Field.args": args / fields, "__Type.inputFields": inputs / types, "__Type.enumValues": values / types, "__Type.possibleTypes": members / types,
	}}
}

// times is how often an answer has a field of the schema's own types, where it has
// the field above it so often; 0 for all others.
func (s *schemaSizes) times(f *ast.Field, above float64) float64 {
	if f.Name == "__schema" || f.Name == "__type" {
		return 1
	}
	if above == 0 || f.ObjectDefinition == nil {
		return 0
	}
	if n, ok := s.mean[f.ObjectDefinition.Name+"."+f.Name]; ok {
		return above * n
	}
	return above
}
