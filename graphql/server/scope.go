package server

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
)

// open is the scope of what every token may read: who it is, amounts, pages.
const open = wire.TokenScope_TOKEN_SCOPE_UNSPECIFIED

// scopesOfTypes says which scope reads the fields of each type of the schema. The
// types of connections and edges are those of their nodes. A type that is not here
// is read by tokens without scopes alone; a test wants all of them here.
func scopesOfTypes() map[string]wire.TokenScope {
	out := map[string]wire.TokenScope{}
	for scope, names := range map[wire.TokenScope]string{
		open:                                 "Viewer SecondFactor Money AsOf PageInfo UserError Node Job JobParameter",
		wire.TokenScope_TOKEN_SCOPE_BALANCES: "Account Balance CompanyBalance Entry Statement Period OfflineAllowance OfflineUse Rescue RescuedJournal",
		wire.TokenScope_TOKEN_SCOPE_CDRS: "Call CallEvent Candidate Cdr CdrFile CdrPrice CdrProfile PriceLine Report ReportRow RouteDecision RouteChoice " +
			"QualityUsed MediaQuality DroppedPackets ReportedQuality",
		wire.TokenScope_TOKEN_SCOPE_RECORDINGS: "CallFile EvidenceRule",
		wire.TokenScope_TOKEN_SCOPE_RATES:      "Deck DeckVersion Rate Band ExchangeRate OriginSet DeckMapping MappedColumn",
		wire.TokenScope_TOKEN_SCOPE_LIVE:       "LiveCall LiveMedia LiveCallsChange",
		wire.TokenScope_TOKEN_SCOPE_PEERS: "Company Originator Terminator TerminatorState Subscriber SubscriberContact Did RoutePlan Route RouteSimulation " +
			"NumberList ListUse PrefixLimit RewriteRule HuntRule Hours OrderBy SipPolicy Ping Registration RegistrationState " +
			"Interconnect InterconnectDoor InterconnectMedia Evidence",
		wire.TokenScope_TOKEN_SCOPE_EVENTS:  "Alert ClearedAlert AlertsChange Event Webhook AuditEvent AuditChange GuardRule GuardTrip Ban EntityVersion",
		wire.TokenScope_TOKEN_SCOPE_METRICS: "Overview Window MinuteStat DayMoney Member Rescue RescuedJournal ThisNode OverloadState MediaDrop Settings",
		wire.TokenScope_TOKEN_SCOPE_TOKENS:  "Token",
	} {
		for name := range strings.FieldsSeq(names) {
			out[name] = scope
		}
	}
	return out
}

// scopesOfFields are those of the root's fields whose type does not say it, and of the
// mutations that a token with scopes may do at all.
func scopesOfFields() map[string]wire.TokenScope {
	return map[string]wire.TokenScope{
		"Query.__schema": open, "Query.__type": open,
		"Query.guardFull": wire.TokenScope_TOKEN_SCOPE_EVENTS, "Query.proof": wire.TokenScope_TOKEN_SCOPE_BALANCES,
		"Query.deckColumns": wire.TokenScope_TOKEN_SCOPE_RATES,
		"Mutation.jobStart": open, "Mutation.jobCancel": open,
		"Mutation.tokenCreate": wire.TokenScope_TOKEN_SCOPE_TOKENS, "Mutation.tokenRevoke": wire.TokenScope_TOKEN_SCOPE_TOKENS,
	}
}

// scopes refuses operations that a token with scopes may not ask, before anything of
// them is done. It is the one place that looks.
type scopes struct{ types, fields map[string]wire.TokenScope }

// ExtensionName names the extension in gqlgen's list.
func (*scopes) ExtensionName() string { return "Scopes" }

// Validate reads the tables.
func (s *scopes) Validate(graphql.ExecutableSchema) error {
	s.types, s.fields = scopesOfTypes(), scopesOfFields()
	return nil
}

// MutateOperationContext looks at every field of the operation.
func (s *scopes) MutateOperationContext(ctx context.Context, op *graphql.OperationContext) *gqlerror.Error {
	v := auth.FromContext(ctx)
	if v == nil || len(v.Scopes) == 0 {
		return nil
	}
	return s.look(v, op.Operation.SelectionSet)
}

// look is bounded by the limits, which are looked at before.
func (s *scopes) look(v *auth.Viewer, set ast.SelectionSet) *gqlerror.Error {
	for _, f := range fieldsOf(set) {
		if scope, known := s.of(f); !known || scope != open && !v.May(scope) {
			err := gqlerror.Errorf("%s", outOfScope(f, scope))
			errcode.Set(err, "FORBIDDEN")
			return err
		}
		if err := s.look(v, f.SelectionSet); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf are the fields of a selection, those of its fragments among them.
func fieldsOf(set ast.SelectionSet) (list []*ast.Field) {
	for _, selection := range set {
		switch x := selection.(type) {
		case *ast.Field:
			list = append(list, x)
		case *ast.InlineFragment:
			list = append(list, fieldsOf(x.SelectionSet)...)
		case *ast.FragmentSpread:
			list = append(list, fieldsOf(x.Definition.SelectionSet)...)
		}
	}
	return list
}

func outOfScope(f *ast.Field, scope wire.TokenScope) string {
	at := f.ObjectDefinition.Name + "." + f.Name
	if scope == open {
		return at + " is not for tokens with scopes"
	}
	return at + " needs a token with the scope " + strings.TrimPrefix(scope.String(), "TOKEN_SCOPE_")
}

// of is the scope of a field, false if there is none: that of its type, and at the
// root that of what it leads to.
func (s *scopes) of(f *ast.Field) (wire.TokenScope, bool) {
	of := f.ObjectDefinition.Name
	if f.Name == "__typename" || strings.HasPrefix(of, "__") {
		return open, true
	}
	if scope, ok := s.fields[of+"."+f.Name]; ok {
		return scope, true
	}
	switch base := baseOf(of); {
	case of == "Query" || of == "Subscription":
		scope, ok := s.types[baseOf(f.Definition.Type.Name())]
		return scope, ok
	case of == "Mutation":
		return open, false
	case strings.HasSuffix(of, "Payload"): // whoever may do it may read what came of it
		return open, true
	default:
		scope, ok := s.types[base]
		return scope, ok
	}
}

// baseOf is the type of a connection's nodes.
func baseOf(name string) string {
	name, _ = strings.CutSuffix(name, "Connection")
	name, _ = strings.CutSuffix(name, "Edge")
	return name
}
