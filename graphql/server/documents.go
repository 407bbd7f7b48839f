package server

import (
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"slices"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/tollbook/tollbook/graphql/auth"
)

// documentsFile is where the console's build writes its operations, by their SHA-256.
const documentsFile = "documents.json"

// documents knows the console's operations. Anybody may name one by its hash, as
// extensions.persistedQuery.sha256Hash, instead of sending it; where the settings say so,
// people's sessions may ask nothing else.
type documents struct {
	cfg    Config
	byHash map[string]string
	known  map[string]bool // in their canonical form
}

// newDocuments reads the operations of the console that the server has; without a console
// there are none.
func newDocuments(cfg Config) *documents {
	d := &documents{cfg: cfg, byHash: map[string]string{}, known: map[string]bool{}}
	if cfg.Console == nil {
		return d
	}
	data, err := fs.ReadFile(cfg.Console, documentsFile)
	if err == nil {
		err = json.Unmarshal(data, &d.byHash)
	}
	if err != nil {
		cfg.Log.Warn("the console's documents cannot be read", "err", err)
	}
	for _, text := range d.byHash {
		if form, ok := canonical(text); ok {
			d.known[form] = true
		}
	}
	return d
}

// ExtensionName names the extension in gqlgen's list.
func (*documents) ExtensionName() string { return "Documents" }

// Validate has nothing to check.
func (*documents) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters puts the operation in the place of its hash, and refuses
// what is none of the console's where only those are taken.
func (d *documents) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if params.Query == "" {
		named, _ := params.Extensions["persistedQuery"].(map[string]any)
		hash, _ := named["sha256Hash"].(string)
		text, ok := d.byHash[hash]
		if hash != "" && !ok {
			err := gqlerror.Errorf("there is no such document: send it whole")
			errcode.Set(err, "PERSISTED_QUERY_NOT_FOUND")
			return err
		}
		params.Query = text
		return nil
	}
	v := auth.FromContext(ctx)
	if v == nil || v.User == "" || !d.cfg.Resolver.Backend.Catalog().Settings().ApiPersistedOnly || len(params.Query) > maxQuery {
		return nil // too long a text is the limits' to refuse
	}
	if form, ok := canonical(params.Query); !ok || !d.known[form] {
		err := gqlerror.Errorf("sessions ask only what the console asks: use a token")
		errcode.Set(err, "FORBIDDEN")
		return err
	}
	return nil
}

// canonical is a document as it is compared: without the names of types that clients
// add, its definitions in order.
func canonical(text string) (string, bool) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, 2*maxTokens) // with the names that are taken away
	if err != nil || doc == nil {
		return "", false
	}
	for _, op := range doc.Operations {
		op.SelectionSet = untyped(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		f.SelectionSet = untyped(f.SelectionSet)
	}
	slices.SortFunc(doc.Fragments, func(a, b *ast.FragmentDefinition) int { return cmp.Compare(a.Name, b.Name) })
	var out strings.Builder
	formatter.NewFormatter(&out).FormatQueryDocument(doc)
	return out.String(), true
}

// untyped leaves the names of types out of a selection.
func untyped(set ast.SelectionSet) ast.SelectionSet {
	var out ast.SelectionSet
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if s.Name == "__typename" && s.Alias == s.Name {
				continue
			}
			s.SelectionSet = untyped(s.SelectionSet)
		case *ast.InlineFragment:
			s.SelectionSet = untyped(s.SelectionSet)
		}
		out = append(out, selection)
	}
	return out
}
