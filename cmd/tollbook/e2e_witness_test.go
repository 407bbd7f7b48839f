package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClusterWitness has two nodes and a witness, and each of the two killed in turn: the other
// one keeps the book, takes calls, and has all that the first one had.
func TestClusterWitness(t *testing.T) {
	needCluster(t)
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroup(t)
	g.launch(t, "n1")
	g.launch(t, "n2")
	w := launch(t, "witness", "--config", g.path("n3", "yaml"))
	for _, n := range g.nodes {
		n.ready(t)
	}
	until(t, "the witness is there", func() bool { return strings.Contains(w.stderr.String(), "is a witness of cluster test") })
	s := &stage{name: "two", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	g.nodes["n1"].apply(t, world(g.nodes["n1"], []*stage{s}))
	g.nodes["n1"].credit(t, s.account(), "5", "opening")
	s.takes(t, 0, 4, "answer")
	served := 0
	for round, name := range []string{"n1", "n2"} {
		other := map[string]string{"n1": "n2", "n2": "n1"}[name]
		until(t, "both know the account", func() bool { return g.nodes["n1"].has(t, s.account()) && g.nodes["n2"].has(t, s.account()) })
		g.nodes[name].kill(t)
		g.nodes[other].credit(t, s.account(), "1", fmt.Sprint("payment ", round))
		g.call(t, s, other, "500").wait(t)
		served++
		g.nodes[other].settled(t, s.filter(), 2*served)
		g.start(t, name)
		until(t, "the one that came back has it all", func() bool { return len(g.nodes[name].cdrs(t, s.filter())) == 2*served })
	}
	for _, n := range g.nodes {
		until(t, "both have the balance", func() bool {
			b := n.balance(t, s.account())
			return micro(t, b.Posted.Amount) < 7_000_000 && micro(t, b.Posted.Amount) > 6_000_000 && b.Holds == 0
		})
		var answer struct {
			Members []struct {
				Name                   string
				Up, Witness, KeepsBook bool
			}
		}
		n.ask(t, &answer, `{ members { name up witness keepsBook } }`, nil)
		if m := answer.Members; len(m) != 3 || !m[2].Witness || !m[2].Up || m[2].KeepsBook {
			t.Errorf("the members are %+v", m)
		}
	}
	// A node that is removed is not let in by the witness either, with nobody else there
	// and after it was started anew.
	g.nodes["n2"].interrupt(t)
	until(t, "it is removed", func() bool {
		code, _, _ := tollbook(t, "node", "remove", "n2", "-url", g.nodes["n1"].url, "-token", adminSecret)
		return code == 0
	})
	until(t, "the witness has heard of it", func() bool {
		text, err := os.ReadFile(filepath.Join(g.path("n3", "data"), "refused.json"))
		return err == nil && string(text) == `["n2"]`
	})
	g.nodes["n1"].interrupt(t)
	w.interrupt(t)
	w = launch(t, "witness", "--config", g.path("n3", "yaml"))
	text, err := os.ReadFile(g.nodes["n2"].config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(g.nodes["n2"].config, []byte(strings.Replace(string(text), "cluster:\n", "cluster:\n  wait: 5s\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	back := launch(t, "serve", "--config", g.nodes["n2"].config)
	if code := back.wait(t); code == 0 || !strings.Contains(back.stderr.String(), "too few of its 3 nodes") {
		t.Errorf("the removed node is let in: %d %s", code, back.stderr.String())
	}
	until(t, "the witness refused it", func() bool {
		return strings.Contains(w.stderr.String(), "node n2 was removed from the cluster")
	})
	w.kill(t)
	for _, n := range g.nodes {
		verify(t, n.data)
	}
}
