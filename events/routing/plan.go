package routing

import "github.com/tollbook/tollbook/events/wire"

// plan is a route plan's routes by prefix.
type plan struct {
	byPrefix map[string][]*wire.Route
	longest  int
}

func newPlan() *plan { return &plan{byPrefix: map[string][]*wire.Route{}} }

func (p *plan) add(r *wire.Route) {
	p.byPrefix[r.Prefix] = append(p.byPrefix[r.Prefix], r)
	p.longest = max(p.longest, len(r.Prefix))
}

// match gives the routes for a number: for each vendor the one with the longest
// prefix of it.
func (p *plan) match(digits string) []*wire.Route {
	var out []*wire.Route
	for n := min(p.longest, len(digits)); n > 0; n-- {
		for _, r := range p.byPrefix[digits[:n]] {
			if !has(out, r.Terminator) {
				out = append(out, r)
			}
		}
	}
	return out
}

func has(routes []*wire.Route, terminator string) bool {
	for _, r := range routes {
		if r.Terminator == terminator {
			return true
		}
	}
	return false
}
