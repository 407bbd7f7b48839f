package main_test

import (
	"fmt"
	"strings"
)

// stage is the world of one story: a customer of its own with a prefix of its
// own, and vendors of its own, so that the stories of one switch do not meet.
type stage struct {
	*node
	name   string
	number int
	credit string
	sell   string // per minute, 1/1
	buy    string // per minute, 6/6
	// vendors are tried in this order; each names its limits in YAML, if any, and its
	// host, if it is not the story's own address.
	vendors []string
}

const (
	sellPrice = "0.0123"
	buyPrice  = "0.0071"
)

func (s *stage) account() string { return s.name + "-usd" }
func (s *stage) vendor(i int) string {
	return fmt.Sprintf("%s-vendor%d-usd", s.name, i)
}
func (s *stage) terminator(i int) string { return fmt.Sprintf("%s-vendor%d", s.name, i) }

// dial is a number that only this story's vendors serve.
func (s *stage) dial() string { return fmt.Sprintf("44%03d5551234", s.number) }

func (s *stage) customerIP() string    { return s.net.ip(10 + s.number) }
func (s *stage) vendorIP(i int) string { return s.net.ip(100 + 4*s.number + i) }

// filter leaves this customer's legs; of all its calls the ingress ones.
func (s *stage) filter() map[string]any { return map[string]any{"originator": "originator:" + s.name} }

// world declares the stages on one switch.
func world(n *node, stages []*stage) string {
	var companies, decks, terminators, plans, originators strings.Builder
	for i, s := range stages {
		s.node, s.number = n, i
		fmt.Fprintf(&companies, "  - {id: %s, accounts: [{id: %s, currency: USD, kind: customer}]}\n", s.name, s.account())
		fmt.Fprintf(&decks, "  - {id: %s-sell, currency: USD, rows: \"prefix,destination,price,increments\\n44,UK,%s,1/1/0\\n\"}\n", s.name, s.sell)
		fmt.Fprintf(&plans, "  - id: %s-plan\n    routes:\n", s.name)
		for v, limits := range s.vendors {
			id := s.terminator(v)
			fmt.Fprintf(&companies, "  - {id: %s, accounts: [{id: %s, currency: USD, kind: vendor}]}\n", id, s.vendor(v))
			fmt.Fprintf(&decks, "  - {id: %s-buy, currency: USD, rows: \"prefix,destination,price,increments\\n44,UK,%s,6/6/0\\n\"}\n", id, s.buy)
			if !strings.Contains(limits, "host:") {
				limits = fmt.Sprintf(", host: %s, port: %d%s", s.vendorIP(v), n.net.port(), limits)
			}
			fmt.Fprintf(&terminators, "  - {id: %s, company: %s, account: %s, buy_deck: %s-buy%s}\n", id, id, s.vendor(v), id, limits)
			fmt.Fprintf(&plans, "      - {prefix: \"44%03d\", terminator: %s, priority: %d}\n", s.number, id, v)
		}
		fmt.Fprintf(&originators, "  - {id: %s, company: %s, account: %s, sell_deck: %s-sell, route_plan: %s-plan, networks: [%s/32]}\n",
			s.name, s.name, s.account(), s.name, s.name, s.customerIP())
	}
	return "companies:\n" + companies.String() + "decks:\n" + decks.String() + "terminators:\n" + terminators.String() +
		"route_plans:\n" + plans.String() + "originators:\n" + originators.String()
}
