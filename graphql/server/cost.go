package server

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/extension"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/gen"
	"github.com/tollbook/tollbook/graphql/model"
)

// listCost is what a list without a page costs: as many rows as are usual.
const listCost = 20

// reportCost is what the sums of a report cost, however many rows show them.
const reportCost = 1000

// page is how many rows a connection may give.
func page(first, last *int) int {
	n := 0
	if first != nil {
		n = *first
	}
	if last != nil {
		n = max(n, *last)
	}
	return min(max(n, 1), 500)
}

// setCosts multiplies what is in a page by the page's size.
func setCosts(c *gen.ComplexityRoot) {
	list := func(child int, first *int, _ *string, last *int, _ *string) int { return 1 + page(first, last)*child }
	c.Query.Companies, c.Query.Decks, c.Query.LiveCalls = list, list, list
	c.Query.Originators, c.Query.Terminators, c.Query.RoutePlans = list, list, list
	c.Query.Alerts, c.Query.OriginSets = list, list
	c.Query.ExchangeRates = func(child int, first *int, _ *string, last *int, _, _, _ *string) int {
		return 1 + page(first, last)*child
	}
	c.Query.DeckMappings = func(child int, first *int, _ *string, last *int, _, _ *string) int {
		return 1 + page(first, last)*child
	}
	c.Query.Users, c.Query.Tokens, c.RoutePlan.Routes = list, list, list
	c.Query.Accounts = func(child int, first *int, _ *string, last *int, _, _ *string, _ *events.Position) int {
		return 1 + page(first, last)*child
	}
	c.Query.Audit = func(child int, first *int, _ *string, last *int, _ *string, _ *model.AuditKind, _ *string) int {
		return 1 + page(first, last)*child
	}
	c.Query.Cdrs = func(child int, _ *model.CdrFilter, first *int, _ *string, last *int, _ *string, _ *events.Position) int {
		return 1 + page(first, last)*child
	}
	c.Account.Entries = func(child int, first *int, _ *string, last *int, _ *string, _, _ *time.Time, _ *events.Position) int {
		return 1 + page(first, last)*child
	}
	c.Query.Files = func(child int, first *int, _ *string, last *int, _ *string, _ *model.FileKind, _ *string, _ *bool) int {
		return 1 + page(first, last)*child
	}
	c.Query.Events = func(child int, first *int, _ *string, last *int, _, _ *string, _ []model.EventKind) int {
		return 1 + page(first, last)*child
	}
	c.Query.Report = func(child int, _ model.ReportFilter, _ []model.ReportGroup, first int, _ *events.Position) int {
		return reportCost + max(first, 1)*child/10 // a row looks nothing up
	}
	c.Subscription.LiveCalls = func(child int, first int) int { return 1 + page(&first, nil)*child }
	c.Subscription.Balances = func(child int, accounts []string) int { return 1 + max(len(accounts), 1)*child }
	c.Statement.Entries = list
	c.DeckVersion.Rows = func(child int, first *int, _ *string, last *int, _, _ *string) int {
		return 1 + page(first, last)*child
	}
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
