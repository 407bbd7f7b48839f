package main_test

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// rescued is what the API tells of a rescue.
type rescued struct {
	Node, Reason string
	Journals     []struct{ Journal, KeptPosition, HeardPosition string }
}

func (a *api) rescues(t *testing.T) []rescued {
	t.Helper()
	var answer struct{ Rescues []rescued }
	a.ask(t, &answer, `{ rescues { node reason journals { journal keptPosition heardPosition } } }`, nil)
	return answer.Rescues
}

// TestClusterRescue loses two of three stores for good, after the third node has missed a
// payment: a new cluster goes on from that node's store, which says what is missing, and
// a call that was going on is charged to its node's last sign of life.
func TestClusterRescue(t *testing.T) {
	needCluster(t)
	needSipp(t)
	g := newGroup(t, "  take_over: 0s\n")
	g.start(t, "n1", "n2", "n3")
	s := &stage{name: "rescued", sell: "6", buy: buyPrice, vendors: []string{""}}
	first := g.nodes["n1"]
	first.apply(t, world(first, []*stage{s}))
	first.credit(t, s.account(), "20", "opening")
	g.agrees(t, 3)
	s.takes(t, 0, 1, "answer")
	g.call(t, s, "n1", "60000")
	until(t, "the call is seen from another node", func() bool { return g.nodes["n2"].talking(t) == 1 })
	until(t, "n1 has the hold", func() bool { return first.balance(t, s.account()).Holds == 1 })
	first.kill(t)
	g.nodes["n2"].credit(t, s.account(), "7", "the survivor has not heard of this")
	keeper := g.keeper(t) // who wrote the payment down remembers that there was one
	for _, name := range []string{"n2", "n3"} {
		g.nodes[name].kill(t)
	}

	old, lost := g.path("n1", "old"), g.path(keeper, "lost")
	for from, to := range map[string]string{g.path("n1", "data"): old, g.path(keeper, "data"): lost} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	other := map[string]string{"n2": "n3", "n3": "n2"}[keeper]
	for _, gone := range []string{g.path(other, "data"), lost + "/jetstream"} {
		if err := os.RemoveAll(gone); err != nil {
			t.Fatal(err)
		}
	}
	clear(g.nodes)
	g.bring(t, "rescue", "-data", old, "-lost", lost, "-config", g.path("n1", "yaml"), "-reason", "two disks burnt")

	for name, n := range g.nodes {
		until(t, name+" holds nothing and has what the survivor had", func() bool {
			b := n.balance(t, s.account())
			return b.Holds == 0 && micro(t, b.Posted.Amount) > 0
		})
		legs := n.settled(t, s.filter(), 2)
		charged := int64(0)
		for _, c := range legs {
			if c.Leg == 0 {
				charged = micro(t, c.Price.Gross.Amount)
			}
			if c.Cause != "node_lost" {
				t.Errorf("%s: %+v", name, c)
			}
		}
		if got := micro(t, n.balance(t, s.account()).Posted.Amount); charged == 0 || got != 20_000_000-charged {
			t.Errorf("%s: the account stands at %d, %d is charged", name, got, charged)
		}
		list := n.rescues(t)
		if len(list) != 1 || list[0].Node != "n1" || list[0].Reason != "two disks burnt" || len(list[0].Journals) < 4 {
			t.Fatalf("%s: %+v", name, list)
		}
		for _, j := range list[0].Journals {
			kept, keptErr := strconv.Atoi(j.KeptPosition)
			heard, heardErr := strconv.Atoi(j.HeardPosition)
			if j.Journal == "book" && (keptErr != nil || heardErr != nil || kept >= heard) {
				t.Errorf("%s: nothing is known to be missing: %+v", name, j)
			}
		}
	}
	g.agrees(t, 3)
	n1 := g.nodes["n1"]
	if code, out, stderr := tollbook(t, "statement", "-account", s.account(), "-from", "2020-01-01", "-to", "2099-01-01", "-url", n1.url, "-token", adminSecret); code != 0 || !strings.Contains(out, "may be missing") {
		t.Errorf("%d %s%s", code, out, stderr)
	}
	n1.credit(t, s.account(), "7", "the survivor has not heard of this")
	n1.interrupt(t)
	code, out, stderr := tollbook(t, "verify", "-data", n1.data)
	if code != 0 || !strings.Contains(out, "from the store of node n1: two disks burnt") || !strings.Contains(out, "are missing") {
		t.Errorf("verify ends with %d\n%s%s", code, out, stderr)
	}
	if code, _, stderr := tollbook(t, "rescue", "-data", old, "-config", g.path("n1", "yaml"), "-reason", "again"); code == 0 || !strings.Contains(stderr, "name an empty data directory") {
		t.Errorf("a store that is in use is filled: %d %s", code, stderr)
	}
}
