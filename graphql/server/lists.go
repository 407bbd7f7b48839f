package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/sheet"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// A list is a connection of the API as a table: the operation that reads a page of it, and
// where in the answer each column is. All of it comes from the schema, so a new list and a
// new field need nothing here, and mean what they mean in the API.
type list struct {
	// steps are the fields that lead to the connection, as "account", "entries".
	steps     []string
	columns   []listColumn
	operation string
	variables map[string]any
	// size is how many rows are asked for at once.
	size int
}

// listColumn is a leaf of a node: its path, and how a spreadsheet shows it.
type listColumn struct {
	path []string
	kind sheet.Kind
}

func (c listColumn) name() string { return strings.Join(c.path, ".") }

// maxListDepth is how deep values lie within each other, as the price of a CDR has amounts.
const maxListDepth = 3

// listed makes the list that a name and parameters ask for: the name is the path of fields,
// as "accounts" or "account.entries", parameters are named as arguments and as the fields of
// filters, after the field where two have the same, as "account.id".
func listed(schema *ast.Schema, v *auth.Viewer, name string, params map[string][]string) (*list, error) {
	l := &list{variables: map[string]any{}, size: listPage}
	left := map[string]string{}
	for key, values := range params {
		if key != "columns" && key != "zone" && values[0] != "" {
			left[key] = values[0]
		}
	}
	at, head, open, ends := schema.Query, "", "", ""
	var connection *ast.Definition
	for step := range strings.SplitSeq(name, ".") {
		field := at.Fields.ForName(step)
		if field == nil || connection != nil || !may(v, field.Directives) {
			return nil, events.NotFound("there is no list %q", name)
		}
		l.steps = append(l.steps, step)
		args, declared, err := l.arguments(schema, field, left)
		if err != nil {
			return nil, err
		}
		head += declared
		at = schema.Types[field.Type.Name()]
		switch {
		case strings.HasSuffix(at.Name, "Connection"):
			connection, head = at, "$first: Int!, $after: Cursor"+head
			args = append([]string{"first: $first", "after: $after"}, args...)
		case at.Name == "Report": // it has one page
			connection, head, l.size = at, "$first: Int!"+head, resolve.MaxReport
			args = append([]string{"first: $first"}, args...)
		}
		open += step
		if len(args) > 0 {
			open += "(" + strings.Join(args, ", ") + ")"
		}
		open, ends = open+" { ", ends+" }"
	}
	if connection == nil {
		return nil, events.NotFound("%q is no list", name)
	}
	for key := range left {
		return nil, events.Invalid("the list %q has no argument %q", name, key)
	}
	info, rows := "pageInfo { hasNextPage endCursor } nodes", connection.Fields.ForName("nodes")
	if rows == nil {
		info, rows = "rows", connection.Fields.ForName("rows")
	}
	selection := l.choose(schema, v, schema.Types[rows.Type.Name()], nil)
	l.operation = "query Export(" + head + ") { " + open + info + " { " + selection + " }" + ends + " }"
	return l, nil
}

// may says whether a viewer reads what a directive guards.
func may(v *auth.Viewer, directives ast.DirectiveList) bool {
	needs := directives.ForName("needs")
	if needs == nil || v.Role == wire.Role_ROLE_ADMIN {
		return true
	}
	for _, role := range needs.Arguments.ForName("roles").Value.Children {
		if "ROLE_"+role.Value.Raw == v.Role.String() {
			return true
		}
	}
	return false
}

// arguments takes those of a field out of the parameters.
func (l *list) arguments(schema *ast.Schema, field *ast.FieldDefinition, left map[string]string) (args []string, declared string, err error) {
	for _, arg := range field.Arguments {
		if slices.Contains([]string{"first", "after", "last", "before"}, arg.Name) {
			continue
		}
		var value any
		if input := schema.Types[arg.Type.Name()]; input.Kind == ast.InputObject {
			object := map[string]any{}
			for _, f := range input.Fields {
				if v, err := taken(schema, left, field.Name, f.Name, f.Type); err != nil {
					return nil, "", err
				} else if v != nil {
					object[f.Name] = v
				}
			}
			if len(object) > 0 {
				value = object
			}
		} else if value, err = taken(schema, left, field.Name, arg.Name, arg.Type); err != nil {
			return nil, "", err
		}
		if value == nil {
			if arg.Type.NonNull && arg.DefaultValue == nil {
				return nil, "", events.Invalid("%s needs %q", field.Name, arg.Name)
			}
			continue
		}
		variable := field.Name + "_" + arg.Name
		l.variables[variable] = value
		args, declared = append(args, arg.Name+": $"+variable), declared+", $"+variable+": "+arg.Type.String()
	}
	return args, declared, nil
}

// taken takes one value out of the parameters, nil where there is none.
func taken(schema *ast.Schema, left map[string]string, field, name string, of *ast.Type) (any, error) {
	key := field + "." + name
	text, is := left[key]
	if !is {
		key = name
		if text, is = left[key]; !is {
			return nil, nil
		}
	}
	delete(left, key)
	if of.Elem != nil {
		var all []any
		for part := range strings.SplitSeq(text, ",") {
			v, err := scalar(schema, key, part, of.Elem.Name())
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		return all, nil
	}
	return scalar(schema, key, text, of.Name())
}

func scalar(schema *ast.Schema, key, text, kind string) (any, error) {
	switch kind {
	case "Int":
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, events.Invalid("%s: %.40q is not a number", key, text)
		}
		return n, nil
	case "Boolean":
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, events.Invalid("%s: %.40q is neither true nor false", key, text)
		}
		return b, nil
	}
	if schema.Types[kind].Kind == ast.InputObject {
		return nil, events.Invalid("%s cannot be given here", key)
	}
	return text, nil
}

// choose selects the leaves of a type, and those of what is part of it; of things that stand
// for themselves it takes the key.
func (l *list) choose(schema *ast.Schema, v *auth.Viewer, of *ast.Definition, path []string) string {
	var out []string
	for _, f := range of.Fields {
		needed := slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil })
		if strings.HasPrefix(f.Name, "__") || needed || !may(v, f.Directives) {
			continue
		}
		at := append(slices.Clone(path), f.Name)
		switch kind := schema.Types[f.Type.Name()]; {
		case kind.IsLeafType():
			l.columns = append(l.columns, listColumn{path: at, kind: shown(kind.Name, f.Type.Elem != nil)})
			out = append(out, f.Name)
		case f.Type.Elem != nil || kind.Kind != ast.Object || strings.HasSuffix(kind.Name, "Connection"):
		case slices.Contains(kind.Interfaces, "Node"):
			if kind.Fields.ForName("key") != nil {
				l.columns = append(l.columns, listColumn{path: append(at, "key")})
				out = append(out, f.Name+" { key }")
			}
		case len(at) < maxListDepth:
			if inner := l.choose(schema, v, kind, at); inner != "" {
				out = append(out, fmt.Sprintf("%s { %s }", f.Name, inner))
			}
		}
	}
	return strings.Join(out, " ")
}

func shown(scalar string, many bool) sheet.Kind {
	switch {
	case many:
		return sheet.Text
	case scalar == "Int" || scalar == "Decimal" || scalar == "Duration":
		return sheet.Number
	case scalar == "DateTime":
		return sheet.Instant
	}
	return sheet.Text
}

// only keeps some columns, in the order in which they are asked for.
func (l *list) only(names string) error {
	if names == "" {
		return nil
	}
	var chosen []listColumn
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(l.columns, func(c listColumn) bool { return c.name() == name })
		if i < 0 {
			return events.Invalid("the list has no column %.60q", name)
		}
		chosen = append(chosen, l.columns[i])
	}
	l.columns = chosen
	return nil
}
