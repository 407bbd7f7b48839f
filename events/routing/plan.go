package routing

import "github.com/tollbook/tollbook/events/wire"

// plan is a route plan's routes by prefix, and its rules.
type plan struct {
	*wire.RoutePlan
	criteria []*wire.OrderBy
	byPrefix map[string][]entry
	longest  int
}

// entry is a route and where it leads.
type entry struct {
	route  *wire.Route
	vendor *vendor
}

func newPlan(p *wire.RoutePlan) *plan {
	out := &plan{RoutePlan: p, criteria: p.Order, byPrefix: map[string][]entry{}}
	if len(p.Order) == 0 {
		out.criteria = usualOrder()
	}
	return out
}

// usualOrder is what a plan without an order of its own is ordered by.
func usualOrder() []*wire.OrderBy {
	return []*wire.OrderBy{
		{Criterion: wire.Criterion_CRITERION_PRIORITY},
		{Criterion: wire.Criterion_CRITERION_PRICE},
		{Criterion: wire.Criterion_CRITERION_WEIGHT},
	}
}

func (p *plan) add(r *wire.Route, v *vendor) {
	p.byPrefix[r.Prefix] = append(p.byPrefix[r.Prefix], entry{r, v})
	p.longest = max(p.longest, len(r.Prefix))
}
