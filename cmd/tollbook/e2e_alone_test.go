package main_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllowance cuts a node off from all others: an account with an allowance for that
// has so many calls let through and no more, one without has none, an emergency call
// goes through in any case. When the others are there again each is booked once.
func TestAllowance(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	granted := &stage{name: "granted", sell: "6", buy: buyPrice, vendors: []string{""}}
	strict := &stage{name: "strict", sell: "6", buy: buyPrice, vendors: []string{""}}
	first, others := g.nodes["n1"], []*node{g.nodes["n2"], g.nodes["n3"]}
	document := world(first, []*stage{granted, strict})
	account := fmt.Sprintf("{id: %s, currency: USD, kind: customer", granted.account())
	document = strings.Replace(document, account, account+", offline: {calls: 2, amount: \"20\"}", 1)
	urgent := "44001112" // of the strict one
	first.apply(t, fmt.Sprintf("settings: {emergency_numbers: [%q]}\n", urgent)+document)
	for _, s := range []*stage{granted, strict} {
		first.credit(t, s.account(), "20", "opening of "+s.name)
	}
	granted.takes(t, 0, 2, "answer")
	strict.takes(t, 0, 1, "answer")
	var goOn []func()
	for _, n := range others {
		goOn = append(goOn, n.stop(t))
	}
	until(t, "it hears nobody", func() bool {
		var answer struct{ Members []struct{ Up bool } }
		first.ask(t, &answer, `{ members { up } }`, nil)
		return !answer.Members[1].Up && !answer.Members[2].Up
	})

	short := g.call(t, granted, "n1", "1000")
	long := sipp(t, "call", granted.customerIP(), g.net.port()+8, nil, g.net.addr(1), "-s", granted.dial(), "-m", "1", "-d", "9000")
	short.wait(t)
	refused := func(s *stage, port int) {
		t.Helper()
		sipp(t, "refused", s.customerIP(), g.net.port()+port, []string{"@CODE@", "503"}, g.net.addr(1), "-s", s.dial(), "-m", "1").wait(t)
	}
	refused(granted, 4)
	refused(strict, 2)
	sipp(t, "call", strict.customerIP(), g.net.port()+6, nil, g.net.addr(1), "-s", urgent, "-m", "1", "-d", "1000").wait(t)
	for _, fn := range goOn {
		fn()
	}
	long.wait(t)

	for _, n := range append(others, first) {
		due, served := map[string]int64{}, 0
		for _, s := range []*stage{granted, strict} {
			for _, c := range n.settled(t, s.filter(), map[string]int{"granted": 5, "strict": 3}[s.name]) {
				if c.Answered && c.Leg == 0 {
					served++
					due[s.name] += s.due(t, c)
				}
			}
			b := n.balance(t, s.account())
			if got := 20_000_000 - micro(t, b.Posted.Amount); got != due[s.name] || b.Holds != 0 {
				t.Errorf("%s has paid %d, want %d: %+v", s.name, got, due[s.name], b)
			}
		}
		if served != 3 || due["granted"] < 900_000 {
			t.Errorf("%d calls were served, for %v", served, due)
		}
	}
	g.agrees(t, 3)
	for _, name := range []string{"n1", "n2", "n3"} {
		g.nodes[name].interrupt(t)
		verify(t, g.nodes[name].data)
	}
}
