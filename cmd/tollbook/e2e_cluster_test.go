package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// group is three switches that are one.
type group struct {
	dir   string
	net   network
	nodes map[string]*node
}

// last is the last number of a node's own address: n1 has that of a switch alone.
var last = map[string]int{"n1": 1, "n2": 241, "n3": 242}

// newGroup makes the secrets and the configurations of three nodes.
func newGroup(t *testing.T) *group {
	t.Helper()
	g := &group{dir: t.TempDir(), net: newNetwork(), nodes: map[string]*node{}}
	secrets := filepath.Join(g.dir, "secrets")
	must := func(args ...string) {
		t.Helper()
		if code, _, stderr := tollbook(t, args...); code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
	}
	must("node", "init", "-secrets", secrets, "-name", "test")
	members := ""
	for name := range last {
		members += fmt.Sprintf("    %s: %s\n", name, g.route(name))
		must("node", "admit", name, g.route(name), "-secrets", secrets, "-to", g.path(name, "secrets"))
	}
	for name, number := range last {
		text := fmt.Sprintf("node: %s\ndata: %s\nhttp: 127.0.0.1:0\nsip: %s\ncluster:\n  name: test\n  secrets: %s\n  elections: quick\n  members:\n%s",
			name, g.path(name, "data"), g.net.addr(number), g.path(name, "secrets"), members)
		if err := os.WriteFile(g.path(name, "yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *group) path(name, what string) string { return filepath.Join(g.dir, name+"."+what) }

// route is where a node listens to the others.
func (g *group) route(name string) string {
	return fmt.Sprintf("%s:%d", g.net.ip(last[name]), g.net.port()+1)
}

// start starts nodes and waits until they are ready.
func (g *group) start(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		g.nodes[name] = &node{
			process: launch(t, "serve", "--config", g.path(name, "yaml")),
			data:    g.path(name, "data"), config: g.path(name, "yaml"), net: g.net,
		}
	}
	for _, name := range names {
		g.nodes[name].ready(t)
	}
}

var keeping = regexp.MustCompile(`"this node keeps the book".*"epoch":(\d+)`)

// keeper is the node that keeps the book, by what the nodes say of it.
func (g *group) keeper(t *testing.T) string {
	t.Helper()
	keeps, epoch := "", -1
	for name, n := range g.nodes {
		if !n.alive() {
			continue
		}
		for line := range strings.Lines(n.stderr.String()) {
			if m := keeping.FindStringSubmatch(line); m != nil {
				if e, err := strconv.Atoi(m[1]); err == nil && e > epoch {
					keeps, epoch = name, e
				}
			}
		}
	}
	return keeps
}

// has says whether a node knows an account.
func (a *api) has(t *testing.T, account string) bool {
	t.Helper()
	var answer struct{ Account *struct{ ID string } }
	a.ask(t, &answer, `query ($id: ID!) { account(id: $id) { id } }`, map[string]any{"id": "account:" + account})
	return answer.Account != nil
}

// TestGroupOfThree has three nodes share what is configured and what is owed; the
// keeper is killed, the others go on, and it comes back to the same books.
func TestGroupOfThree(t *testing.T) {
	needSipp(t)
	t.Parallel()
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "three", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	s.node = g.nodes["n1"]
	s.node.apply(t, world(s.node, []*stage{s}))
	for i, name := range []string{"n1", "n2", "n3"} {
		n := g.nodes[name]
		until(t, name+" knows the account", func() bool { return n.has(t, s.account()) })
		n.credit(t, s.account(), "10", fmt.Sprint("payment ", i))
	}
	dead := g.keeper(t)
	if dead == "" {
		t.Fatal("nobody keeps the book")
	}
	g.nodes[dead].kill(t)
	t.Logf("%s kept the book and is killed", dead)
	var rest []*node
	for name, n := range g.nodes {
		if name != dead {
			rest = append(rest, n)
		}
	}
	rest[0].credit(t, s.account(), "5", "after")
	rest[1].credit(t, s.account(), "5", "after") // the same payment again
	g.start(t, dead)
	for name, n := range g.nodes {
		until(t, name+" has the balance", func() bool { return n.balance(t, s.account()).Posted.Amount == "35.000000" })
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		g.nodes[name].interrupt(t)
	}
}
