package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNodesComeAndGo has a node lose its store and get it back, a fourth node join, one
// that died be removed for good, and the books be the same on all that are left.
func TestNodesComeAndGo(t *testing.T) {
	g := newGroup(t) // not in parallel: elections are quick, and this machine may not be slow
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "comers", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	first := g.nodes["n1"]
	first.apply(t, world(first, []*stage{s}))
	pay := func(through, key string) {
		t.Helper()
		until(t, through+" knows the account", func() bool { return g.nodes[through].has(t, s.account()) })
		g.nodes[through].credit(t, s.account(), "1", key)
	}
	pay("n1", "one")

	g.nodes["n3"].kill(t)
	if err := os.RemoveAll(g.nodes["n3"].data); err != nil {
		t.Fatal(err)
	}
	pay("n2", "two")
	g.start(t, "n3")
	pay("n3", "three")
	g.agrees(t, 3)

	g.admit(t, "n4", "n1", "n2", "n3", "n4")
	g.start(t, "n4")
	pay("n4", "four")
	g.agrees(t, 4)

	remove := []string{"node", "remove", "n2", "-url", first.url, "-token", adminSecret}
	if code, _, stderr := tollbook(t, remove...); code == 0 || !strings.Contains(stderr, "drain and stop it") {
		t.Fatalf("a node that is up is removed: %d %s", code, stderr)
	}
	g.nodes["n2"].kill(t)
	dead := g.nodes["n2"]
	delete(g.nodes, "n2")
	until(t, "its death is noticed and it is removed", func() bool {
		code, _, _ := tollbook(t, remove...)
		return code == 0
	})
	g.agrees(t, 3)
	pay("n4", "five")
	// It comes back with its store, its certificate and a cluster that does not hear it.
	text, err := os.ReadFile(dead.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dead.config, []byte(strings.Replace(string(text), "cluster:\n", "cluster:\n  wait: 5s\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	back := launch(t, "serve", "--config", dead.config)
	if code := back.wait(t); code == 0 || !strings.Contains(back.stderr.String(), "too few of its 3 nodes") && !strings.Contains(back.stderr.String(), "was removed from the cluster") {
		t.Fatalf("a node that was removed is let in: %d %s", code, back.stderr.String())
	}
	g.nodes["n1"].kill(t) // one of the three may still die
	delete(g.nodes, "n1")
	pay("n3", "six")
	for name, n := range g.nodes {
		until(t, name+" has the balance", func() bool { return n.balance(t, s.account()).Posted.Amount == "6.000000" })
	}
	for _, n := range g.nodes {
		n.interrupt(t)
		verify(t, n.data)
	}
	if aside, err := filepath.Glob(filepath.Join(g.dir, "*", "damaged-*")); err != nil || len(aside) > 0 {
		t.Fatal(aside, err)
	}
}
