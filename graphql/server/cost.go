package server

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/extension"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/gen"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/graphql/resolve"
)

// listCost is what a list without a page costs: as many rows as are usual.
const listCost = 20

// reportCost is what the sums of a report cost, however many rows show them.
const reportCost = 1000

// mostInPage is how many rows a page may have.
const mostInPage = 500

// costed is a schema of which every page costs what may be in it, whatever list it is of.
type costed struct{ graphql.ExecutableSchema }

// newCosted gives the schema of a resolver its costs.
func newCosted(r *resolve.Resolver) costed {
	config := r.Config()
	setCosts(&config.Complexity)
	return costed{gen.NewExecutableSchema(config)}
}

// Complexity is what a field costs with all below it.
func (c costed) Complexity(ctx context.Context, typeName, field string, child int, arguments map[string]any) (int, bool) {
	if cost, ok := c.ExecutableSchema.Complexity(ctx, typeName, field, child, arguments); ok {
		return cost, true
	}
	size := 0
	for _, name := range []string{"first", "last"} {
		if n, err := graphql.UnmarshalInt(arguments[name]); err == nil {
			size = max(size, n)
		}
	}
	if size == 0 {
		return 0, false
	}
	return 1 + min(size, mostInPage)*child, true
}

// setCosts says what fields cost whose size is not that of a page.
func setCosts(c *gen.ComplexityRoot) {
	c.Query.Report = func(child int, _ model.ReportFilter, _ []model.ReportGroup, first int, _ *events.Position) int {
		return reportCost + max(first, 1)*child/10 // a row looks nothing up
	}
	c.Subscription.Balances = func(child int, accounts []string) int { return 1 + max(len(accounts), 1)*child }
	some := func(child int) int { return 1 + listCost*child }
	c.Company.Accounts, c.Company.Originators, c.Company.Terminators = some, some, some
	c.Company.Balances = some
	c.Deck.Versions, c.AlertsChange.Raised = some, some
}

// showCost tells every answer's cost in its extensions.
func showCost(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil || !graphql.HasOperationContext(ctx) {
		return response
	}
	if stats := extension.GetComplexityStats(ctx); stats != nil {
		if response.Extensions == nil {
			response.Extensions = map[string]any{}
		}
		cost := map[string]int{"cost": stats.Complexity, "limit": stats.ComplexityLimit}
		if s, ok := ctx.Value(spentKey{}).(*spent); ok && s.perMinute > 0 {
			cost["left"], cost["perMinute"] = s.left, s.perMinute
		}
		response.Extensions["cost"] = cost
	}
	return response
}
