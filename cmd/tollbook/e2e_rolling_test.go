package main_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// sameAgain is what a program says that has read the last day of the book again.
var sameAgain = regexp.MustCompile(`"this program makes the same of the last day.*"before":"0\.1\.0[^"]*","now":"0\.2\.0[^"]*","compared":[1-9]`)

// TestClusterRollingUpgrade puts another version of the program on three nodes, one after
// the other, while calls and payments go on: each proves first that it makes the same of
// the book, no call is lost, and the books are the same on all.
func TestClusterRollingUpgrade(t *testing.T) {
	needCluster(t)
	needSipp(t)
	next := filepath.Join(t.TempDir(), "tollbook")
	flags := "-X github.com/tollbook/tollbook/cmd/tollbook/node.Version=0.2.0"
	if out, err := exec.Command("go", "build", "-ldflags", flags, "-o", next, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the next version: %v\n%s", err, out)
	}
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "rolled", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	g.nodes["n1"].apply(t, world(g.nodes["n1"], []*stage{s}))
	g.nodes["n1"].credit(t, s.account(), "20", "opening")
	g.agrees(t, 3)
	s.takes(t, 0, 6, "answer")
	payments := 0
	pay := func(through string) {
		t.Helper()
		payments++
		g.nodes[through].credit(t, s.account(), "1", fmt.Sprint("payment ", payments))
		time.Sleep(1100 * time.Millisecond) // of another second, which marks what was before
	}
	other := map[string]string{"n1": "n2", "n2": "n3", "n3": "n1"}
	for _, name := range []string{"n1", "n2", "n3"} {
		pay(other[name])
		pay(name)
		short := g.call(t, s, name, "3000")
		until(t, "the call that ends on the old version is on", func() bool { return g.nodes[name].talking(t) == 1 })
		long := sipp(t, "call", s.customerIP(), g.net.port()+9, nil, g.net.addr(last[other[name]]), "-s", s.dial(), "-m", "1", "-d", "15000")
		until(t, "and one that outlives it elsewhere", func() bool { return g.nodes[name].talking(t) == 2 })
		g.nodes[other[name]].drains(t, "drain", name)
		short.wait(t)
		g.nodes[name].interrupt(t)
		pay(other[name])
		cmd := exec.Command(next, "serve", "--config", g.path(name, "yaml"))
		g.nodes[name] = &node{process: start(t, cmd), data: g.path(name, "data"), config: g.path(name, "yaml"), net: g.net}
		g.nodes[name].ready(t)
		if log := g.nodes[name].stderr.String(); !sameAgain.MatchString(log) {
			t.Fatalf("%s does not say that it makes the same of the book:\n%s", name, log)
		}
		g.nodes[other[name]].drains(t, "undrain", name)
		long.wait(t)
		g.agrees(t, 3)
	}
	for name, n := range g.nodes {
		until(t, name+" has all calls and payments", func() bool {
			cdrs := n.cdrs(t, s.filter())
			for _, c := range cdrs {
				if c.State != "FINAL" || c.Cause != "" && c.Cause != "normal" {
					t.Logf("%+v", c)
				}
			}
			return len(cdrs) == 2*6 && n.balance(t, s.account()).Holds == 0
		})
	}
	sums := map[string]bool{}
	for _, n := range g.nodes {
		sums[n.balance(t, s.account()).Posted.Amount] = true
	}
	if len(sums) != 1 {
		t.Errorf("the nodes have balances %v", sums)
	}
	for _, n := range g.nodes {
		n.interrupt(t)
		verify(t, n.data)
	}
}
