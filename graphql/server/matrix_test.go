package server_test

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tollbook/tollbook/graphql/gen"
)

// matrix writes questions from the schema alone, so that a new field is asked with
// ids of somebody else without anybody thinking of it.
type matrix struct {
	schema *ast.Schema
	ids    map[string]identity
	// asked are the coordinates that some question contained, "Account.balance".
	asked map[string]bool
}

// identity is what one kind of thing is called: by the one who asks, by somebody
// else, and by nobody.
type identity struct {
	own     string
	foreign []string
	unknown string
}

// What an argument is, where it does not name anything.
const (
	// search is text that rows are compared with; what rows there are is looked at apart.
	search = "search"
	// reading is how far the answer must have read.
	reading = "reading"
	// secret is nobody's id.
	secret = "secret"
)

// rules say of every argument and every field of an input that a partner can reach,
// and that might name something, what it names: a key of ids, or that it names
// nothing. A new one that is not here fails the tests.
func rules() map[string]string {
	return map[string]string{
		"Query.node(id)": "node", "Query.accounts(company)": "company", "Query.account(id)": "account",
		"Query.accounts(atLeast)": reading, "Query.account(atLeast)": reading, "Query.entry(atLeast)": reading,
		"Query.call(atLeast)": reading, "Query.cdrs(atLeast)": reading, "Query.cdr(atLeast)": reading,
		"Query.statement(atLeast)": reading, "Account.balance(atLeast)": reading, "Account.entries(atLeast)": reading,
		"Account.balance(atPosition)": "position", "Query.entry(position)": "entry position",
		"Query.call(id)": "call", "Query.cdr(call)": "call", "Query.liveCall(call)": "running", "Query.company(id)": "company",
		"Query.events(subject)": "subject", "Subscription.events(subject)": "subject", "Subscription.balances(accounts)": "account",
		"Query.deck(id)": "deck", "Query.statement(account)": "account", "Query.subscriber(id)": "subscriber",
		"DeckVersion.rows(prefix)": search,
		"CdrFilter.account":        "account", "CdrFilter.company": "company", "CdrFilter.originator": "originator",
		"CdrFilter.terminator": "terminator", "CdrFilter.callId": "call", "CdrFilter.caller": search, "CdrFilter.called": search, "CdrFilter.prefix": search,
		"Query.report(atLeast)": reading, "ReportFilter.company": "company", "ReportFilter.account": "account",
		"ReportFilter.originator": "originator", "ReportFilter.terminator": "terminator",
		"JobStartInput.list": search, "JobParameterInput.name": search, "JobParameterInput.value": search, "JobCancelInput.key": "job",
		"UserSetPasswordInput.user": "user", "UserSetPasswordInput.password": secret, "UserSetPasswordInput.oldPassword": secret,
		"SignInInput.user": search, "SignInInput.password": secret, "SignInInput.code": secret,
		"SecondFactorBeginInput.password": secret, "SecondFactorBeginInput.code": secret, "SecondFactorConfirmInput.code": secret,
	}
}

func newMatrix(ids map[string]identity) *matrix {
	return &matrix{schema: gen.NewExecutableSchema(gen.Config{}).Schema(), ids: ids, asked: map[string]bool{}}
}

// mayName says whether a value of the type can be the id of something.
func mayName(t *ast.Definition) bool {
	switch t.Name {
	case "ID", "String", "Position":
		return true
	default:
		return false
	}
}

// naming gives the coordinates of a field's arguments, and of the inputs in them.
func (m *matrix) naming(of string, f *ast.FieldDefinition) map[string]*ast.Definition {
	out := map[string]*ast.Definition{}
	var input func(d *ast.Definition)
	input = func(d *ast.Definition) {
		for _, in := range d.Fields {
			t, at := m.schema.Types[in.Type.Name()], d.Name+"."+in.Name
			if _, seen := out[at]; seen {
				continue
			}
			if out[at] = t; t.Kind == ast.InputObject {
				input(t)
			}
		}
	}
	for _, a := range f.Arguments {
		t := m.schema.Types[a.Type.Name()]
		if out[of+"."+f.Name+"("+a.Name+")"] = t; t.Kind == ast.InputObject {
			input(t)
		}
	}
	for at, t := range out {
		if !mayName(t) {
			delete(out, at)
		}
	}
	return out
}

// arguments writes a field's: those that are required, a page of lists, and the one
// that is looked at.
func (m *matrix) arguments(of string, f *ast.FieldDefinition, at, id string) string {
	var out []string
	for _, a := range f.Arguments {
		coordinate := of + "." + f.Name + "(" + a.Name + ")"
		t := m.schema.Types[a.Type.Name()]
		switch {
		case coordinate == at:
			out = append(out, a.Name+": "+fmt.Sprintf("%q", id))
		case a.Name == "after" && of == "Subscription":
			out = append(out, `after: "Ym9vay8w"`) // book/0: everything that there was
		case a.Name == "first":
			out = append(out, "first: 5")
		case t.Kind == ast.InputObject && (strings.HasPrefix(at, t.Name+".") || a.Type.NonNull):
			out = append(out, a.Name+": "+m.input(t, at, id))
		case a.Type.NonNull:
			out = append(out, a.Name+": "+m.value(coordinate, a.Name, a.Type))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "(" + strings.Join(out, ", ") + ")"
}

// input writes an input object: what it must have, and the field that is looked at.
func (m *matrix) input(t *ast.Definition, at, id string) string {
	var out []string
	for _, f := range t.Fields {
		switch coordinate := t.Name + "." + f.Name; {
		case coordinate == at:
			out = append(out, f.Name+": "+fmt.Sprintf("%q", id))
		case f.Type.NonNull && f.DefaultValue == nil:
			out = append(out, f.Name+": "+m.value(coordinate, f.Name, f.Type))
		}
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// value is some good value of a type; what names something names one's own.
func (m *matrix) value(coordinate, name string, typ *ast.Type) string {
	if typ.Elem != nil {
		return "[" + m.value(coordinate, name, typ.Elem) + "]"
	}
	if known, ok := m.ids[rules()[coordinate]]; ok {
		return fmt.Sprintf("%q", known.own)
	}
	t := m.schema.Types[typ.NamedType]
	switch {
	case t.Kind == ast.Enum:
		return t.EnumValues[0].Name
	case t.Kind == ast.InputObject:
		return m.input(t, "", "")
	case t.Name == "Int":
		return "0"
	case t.Name == "Boolean":
		return "false"
	case name == "to":
		return `"2027-01-01"`
	case t.Name == "Date":
		return `"2026-01-01"`
	case t.Name == "DateTime":
		return `"2026-11-22T12:00:00Z"`
	case t.Name == "CurrencyCode":
		return `"EUR"`
	default:
		return `"1"`
	}
}

// selection asks everything of a type, and of what it leads to so many steps on.
func (m *matrix) selection(t *ast.Definition, steps int) string {
	if t.Kind == ast.Interface || t.Kind == ast.Union {
		return "{ __typename }"
	}
	out := []string{"__typename"}
	for _, f := range t.Fields {
		next := m.schema.Types[f.Type.Name()]
		if strings.HasPrefix(f.Name, "__") || !partnerMay(f) {
			continue
		}
		sub := ""
		if next.IsCompositeType() {
			if steps == 0 {
				continue
			}
			sub = " " + m.selection(next, steps-1)
		}
		m.asked[t.Name+"."+f.Name] = true
		out = append(out, f.Name+m.arguments(t.Name, f, "", "")+sub)
	}
	return "{ " + strings.Join(out, " ") + " }"
}

// step is a field on the way from the root to a type.
type step struct {
	of    string
	field *ast.FieldDefinition
}

// ways gives the shortest way from a root to every type that a partner can reach.
func (m *matrix) ways(root *ast.Definition) map[string][]step {
	out := map[string][]step{root.Name: {}}
	queue := []*ast.Definition{root}
	for len(queue) > 0 {
		t := queue[0]
		queue = queue[1:]
		for _, f := range t.Fields {
			next := m.schema.Types[f.Type.Name()]
			if _, seen := out[next.Name]; seen || !next.IsCompositeType() || !partnerMay(f) || strings.HasPrefix(f.Name, "__") {
				continue
			}
			out[next.Name] = append(append([]step{}, out[t.Name]...), step{t.Name, f})
			queue = append(queue, next)
		}
	}
	return out
}

// along writes a question that goes a way and asks everything at its end.
func (m *matrix) along(way []step, end string) string {
	if len(way) == 0 {
		return end
	}
	s := way[0]
	m.asked[s.of+"."+s.field.Name] = true
	return "{ " + s.field.Name + m.arguments(s.of, s.field, "", "") + " " + m.along(way[1:], end) + " }"
}
