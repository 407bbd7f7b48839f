package main_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// group is three switches that are one.
type group struct {
	dir   string
	net   network
	nodes map[string]*node
	lines func(g *group, name string) string // of a node's file: where it listens
	more  string                             // about its cluster
	// within has a node start on a machine of its own, and gives the way to its console;
	// nil starts it here.
	within func(name string, args []string) ([]string, func(string) string)
	opens  opener // has the world outside open sockets
}

// last is the last number of a node's own address: n1 has that of a switch alone.
var last = map[string]int{"n1": 1, "n2": 241, "n3": 242, "n4": 243}

// newGroup makes the secrets and the configurations of three nodes, with more lines
// about their cluster.
func newGroup(t *testing.T, more ...string) *group {
	t.Helper()
	return newGroupOf(t, newNetwork(), "", plain, more...)
}

// plain is a node that listens on its own address.
func plain(g *group, name string) string { return "sip: " + g.net.addr(last[name]) + "\n" }

// newGroupOf does so on a network, with an older cluster key unless that is empty, and
// with listeners as they are said for each node, and more lines about the cluster.
func newGroupOf(t *testing.T, net network, key string, lines func(g *group, name string) string, more ...string) *group {
	t.Helper()
	g := &group{opens: here, dir: t.TempDir(), net: net, nodes: map[string]*node{}, lines: lines, more: strings.Join(more, "")}
	if code, _, stderr := tollbook(t, "node", "init", "-secrets", filepath.Join(g.dir, "secrets"), "-name", "test", "-key", key); code != 0 {
		t.Fatal(stderr)
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		g.admit(t, name, "n1", "n2", "n3")
	}
	return g
}

// admit makes the secrets and the configuration of a node that knows so many members.
func (g *group) admit(t *testing.T, name string, members ...string) {
	t.Helper()
	code, _, stderr := tollbook(t, "node", "admit", name, g.route(name), "-secrets", filepath.Join(g.dir, "secrets"), "-to", g.path(name, "secrets"))
	if code != 0 {
		t.Fatal(stderr)
	}
	list := ""
	for _, m := range members {
		list += fmt.Sprintf("    %s: %s\n", m, g.route(m))
	}
	text := fmt.Sprintf("node: %s\ndata: %s\nhttp: 127.0.0.1:0\n%scluster:\n  name: test\n  secrets: %s\n  elections: quick\n%s  members:\n%s",
		name, g.path(name, "data"), g.lines(g, name), g.path(name, "secrets"), g.more, list)
	if err := os.WriteFile(g.path(name, "yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
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
		g.launch(t, name)
	}
	for _, name := range names {
		g.nodes[name].ready(t)
	}
}

func (g *group) launch(t *testing.T, name string) {
	t.Helper()
	args, door := []string{binary, "serve", "--config", g.path(name, "yaml")}, (func(string) string)(nil)
	if g.within != nil {
		args, door = g.within(name, args)
	}
	g.nodes[name] = &node{
		process: start(t, exec.Command(args[0], args[1:]...)), door: door,
		data: g.path(name, "data"), config: g.path(name, "yaml"), net: g.net,
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
// keeper is killed, the others go on, and it comes back to the same books. Devices are
// called by way of one node that are registered at another.
func TestGroupOfThree(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
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
	g.agrees(t, 3)
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
	t.Run("registered elsewhere", func(t *testing.T) { playRegisteredElsewhere(t, g) })
	for name, n := range g.nodes {
		until(t, name+" has the balance", func() bool { return n.balance(t, s.account()).Posted.Amount == "35.000000" })
	}
	g.agrees(t, 3)
	for _, name := range []string{"n1", "n2", "n3"} {
		g.nodes[name].interrupt(t)
	}
}

// agrees waits until each of so many nodes sees all of them up, with one keeper, equal
// states and clocks that agree, since they have one.
func (g *group) agrees(t *testing.T, nodes int) {
	t.Helper()
	for _, n := range g.nodes {
		until(t, "the nodes see each other", func() bool {
			var answer struct {
				Members []struct {
					Name, ClockAhead    string
					Up, KeepsBook       bool
					DiffersAt, Position *string
				}
			}
			n.ask(t, &answer, `{ members { name up keepsBook clockAhead differsAt position } }`, nil)
			up, keep := 0, 0
			for _, m := range answer.Members {
				if m.DiffersAt != nil {
					t.Fatalf("%+v", m)
				}
				if ahead, err := strconv.ParseFloat(m.ClockAhead, 64); err != nil || ahead < -1 || ahead > 1 {
					t.Fatalf("%+v", m)
				}
				if m.Up {
					up++
				}
				if m.KeepsBook {
					keep++
				}
			}
			return up == nodes && keep == 1
		})
	}
}

// call places a call through a node, as a customer does.
func (g *group) call(t *testing.T, s *stage, name, length string) *phone {
	t.Helper()
	return sipp(t, "call", s.customerIP(), g.net.port(), nil, g.net.addr(last[name]), "-s", s.dial(), "-m", "1", "-d", length)
}

// TestNodesOfPeers gives peers to nodes: a customer to one of them only, a vendor to
// another with fail-over to the rest.
func TestNodesOfPeers(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "placed", sell: sellPrice, buy: buyPrice, vendors: []string{", nodes: [n2], nodes_failover: true"}}
	first := g.nodes["n1"]
	document := world(first, []*stage{s})
	first.apply(t, strings.Replace(document, "route_plan: placed-plan,", "route_plan: placed-plan, nodes: [n1, n2],", 1))
	first.credit(t, s.account(), "1", "opening")
	until(t, "the others know the account", func() bool { return g.nodes["n2"].has(t, s.account()) && g.nodes["n3"].has(t, s.account()) })
	g.agrees(t, 3)
	s.takes(t, 0, 2, "answer")
	refused := func(node string) {
		t.Helper()
		sipp(t, "refused", s.customerIP(), g.net.port(), []string{"@CODE@", "503"}, g.net.addr(last[node]), "-s", s.dial(), "-m", "1").wait(t)
	}
	refused("n3") // it does not serve the customer
	refused("n1") // it does not serve the vendor, whose node is there
	g.call(t, s, "n2", "200").wait(t)
	first.settled(t, s.filter(), 4)
	g.nodes["n2"].kill(t)
	until(t, "its death is noticed", func() bool {
		var answer struct{ Members []struct{ Up bool } }
		first.ask(t, &answer, `{ members { up } }`, nil)
		return !answer.Members[1].Up
	})
	g.call(t, s, "n1", "200").wait(t)
	causes := map[string]int{}
	for _, c := range first.settled(t, s.filter(), 6) {
		causes[c.Cause]++
	}
	if causes["elsewhere"] != 1 || causes["no_candidate"] != 1 || causes["answered"] != 4 {
		t.Errorf("the legs ended for %v", causes)
	}
}

// TestLostNode has calls of one node seen and ended from the others, and, when it dies
// in the midst of one and stays away, charged by them up to its last sign of life.
func TestLostNode(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroup(t, "  take_over: 0s\n")
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "lost", sell: "6", buy: buyPrice, vendors: []string{""}}
	first, second, third := g.nodes["n1"], g.nodes["n2"], g.nodes["n3"]
	first.apply(t, world(first, []*stage{s}))
	first.credit(t, s.account(), "1", "ten seconds")
	until(t, "the second node knows the account", func() bool { return second.has(t, s.account()) })
	s.takes(t, 0, 3, "answer")

	caller := g.call(t, s, "n2", "1000")
	caller.wait(t)
	for _, n := range []*node{first, second, third} {
		for _, c := range n.settled(t, s.filter(), 2) {
			if got, want := micro(t, c.Price.Gross.Amount), s.due(t, c); c.Cause != "answered" || got != want {
				t.Errorf("charged %d, want %d: %+v", got, want, c)
			}
		}
	}

	hungUp := g.call(t, s, "n2", "60000")
	until(t, "the answered call is seen from another node", func() bool { return third.talking(t) == 1 })
	third.hangUp(t, third.liveCalls(t)[0])
	until(t, "it is over", func() bool { return len(first.liveCalls(t)) == 0 })
	hungUp.end(t)

	g.call(t, s, "n2", "60000")
	until(t, "the call is seen from another node", func() bool { return third.talking(t) == 1 })
	time.Sleep(3 * time.Second)
	second.kill(t)
	killed := time.Now()
	rest := []*node{first, third}
	for _, n := range rest {
		var ended cdr
		until(t, "the others close the call", func() bool {
			for _, c := range n.cdrs(t, s.filter()) {
				if c.Leg == 0 && c.Cause == "node_lost" && c.State == "FINAL" {
					ended = c
				}
			}
			return ended.CallID != ""
		})
		checkLost(t, ended, killed)
		if got, want := micro(t, ended.Price.Gross.Amount), s.due(t, ended); got != want {
			t.Errorf("the call is charged %d, want %d", got, want)
		}
		if b := n.balance(t, s.account()); b.Holds != 0 || micro(t, b.Reserved.Amount) != 0 {
			t.Errorf("%+v", b)
		}
	}
	before := finals(t, first)
	g.start(t, "n2")
	second = g.nodes["n2"]
	until(t, "the node that came back has the same CDRs", func() bool { return reflect.DeepEqual(finals(t, second), before) })
	if !reflect.DeepEqual(finals(t, first), before) {
		t.Error("the node that came back has changed a CDR")
	}
	for _, n := range []*node{first, second, third} {
		n.interrupt(t)
		verify(t, n.data)
	}
}

// stop has a node stand still, and go on when the test says so or ends.
func (n *node) stop(t *testing.T) (goOn func()) {
	t.Helper()
	signal := func(s os.Signal) {
		if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
	}
	signal(syscall.SIGSTOP)
	goOn = sync.OnceFunc(func() { signal(syscall.SIGCONT) })
	t.Cleanup(goOn)
	return goOn
}

// TestNoQuorum cuts a node off from all others: its calls go on, new ones are refused,
// and when the others are there again every call is charged once and has its CDR.
func TestNoQuorum(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	g := newGroup(t)
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "alone", sell: "6", buy: buyPrice, vendors: []string{""}}
	first, others := g.nodes["n1"], []*node{g.nodes["n2"], g.nodes["n3"]}
	first.apply(t, world(first, []*stage{s}))
	first.credit(t, s.account(), "20", "opening")
	s.takes(t, 0, 2, "answer")
	going := g.call(t, s, "n1", "8000")
	until(t, "the call is seen from another node", func() bool { return others[0].talking(t) == 1 })

	var goOn []func()
	for _, n := range others {
		goOn = append(goOn, n.stop(t))
	}
	sipp(t, "refused", s.customerIP(), g.net.port()+2, []string{"@CODE@", "503"}, g.net.addr(1), "-s", s.dial(), "-m", "1").wait(t)
	going.wait(t)
	for _, fn := range goOn {
		fn()
	}

	for _, n := range append(others, first) {
		codes := map[int]int{}
		for _, c := range n.settled(t, s.filter(), 3) {
			codes[c.SipCode]++
			got := int64(0)
			if c.Price != nil {
				got = micro(t, c.Price.Gross.Amount)
			}
			if want := s.due(t, c); got != want || c.Answered && ms(t, c.Talk)/1000 != 8 {
				t.Errorf("charged %d, want %d: %+v", got, want, c)
			}
		}
		if codes[200] != 2 || codes[503] != 1 {
			t.Errorf("the legs ended with %v", codes)
		}
	}
	g.agrees(t, 3)
	for _, name := range []string{"n1", "n2", "n3"} {
		g.nodes[name].interrupt(t)
		verify(t, g.nodes[name].data)
	}
}

// TestStoppedWhileStarting stops a node that waits for the others, as systemd does: that is
// no failure.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	g.launch(t, "n1")
	lock := filepath.Join(g.path("n1", "data"), "lock")
	until(t, "it has begun", func() bool { _, err := os.Stat(lock); return err == nil })
	time.Sleep(300 * time.Millisecond)
	g.nodes["n1"].interrupt(t)
	if log := g.nodes["n1"].stderr.String(); !strings.Contains(log, "stopped before it served") {
		t.Errorf("it says %s", log)
	}
}
