package main_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestGrowAndRestore grows a node alone to a cluster of three, backs that up while a call
// is going on, and restores it into a cluster of other machines and into a node alone:
// the books and CDRs are the same everywhere.
func TestGrowAndRestore(t *testing.T) {
	needSipp(t) // not in parallel: elections are quick, and this machine may not be slow
	alone := serve(t, newNetwork(), t.TempDir())
	s := &stage{name: "growing", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	alone.apply(t, world(alone, []*stage{s}))
	alone.credit(t, s.account(), "5", "opening")
	s.takes(t, 0, 1, "answer")
	sipp(t, "call", s.customerIP(), alone.net.port(), nil, alone.net.addr(1), "-s", s.dial(), "-m", "1", "-d", "300").wait(t)
	before := alone.settled(t, s.filter(), 2)
	alone.interrupt(t)

	g := newGroupOf(t, alone.net, filepath.Join(alone.data, "cluster.key"), plain)
	g.bring(t, "node", "grow", "-data", alone.data, "-config", g.path("n1", "yaml"))
	for name, n := range g.nodes {
		until(t, name+" has the CDRs of the node alone", func() bool { return reflect.DeepEqual(n.cdrs(t, s.filter()), before) })
	}
	s.takes(t, 0, 2, "answer")
	call := g.call(t, s, "n2", "6000")
	until(t, "the call is going on", func() bool { return g.nodes["n3"].talking(t) == 1 })
	saved := filepath.Join(t.TempDir(), "saved")
	n3 := g.nodes["n3"]
	if code, _, stderr := tollbook(t, "backup", "-to", saved, "-url", n3.url, "-token", "wrong"); code == 0 || !strings.Contains(stderr, "401") {
		t.Fatalf("a stranger is given a backup: %d %s", code, stderr)
	}
	if code, _, stderr := tollbook(t, "backup", "-to", saved, "-url", n3.url, "-token", adminSecret); code != 0 {
		t.Fatal(stderr)
	}
	call.wait(t)
	for _, n := range g.nodes {
		n.interrupt(t)
		verify(t, n.data)
	}

	if code, _, stderr := tollbook(t, "restore", "-from", saved, "-config", g.path("n1", "yaml")); code == 0 || !strings.Contains(stderr, "a node has worked with this store") {
		t.Fatalf("a store in use is restored into: %d %s", code, stderr)
	}

	again := newGroupOf(t, newNetwork(), filepath.Join(saved, "cluster.key"), plain)
	again.bring(t, "restore", "-from", saved, "-config", again.path("n1", "yaml"))
	for name, n := range again.nodes {
		until(t, name+" has all CDRs, that of the call which was going on too, and holds nothing", func() bool {
			b := n.balance(t, s.account())
			cdrs := n.cdrs(t, s.filter())
			return len(cdrs) == 4 && cdrs[0].State == "FINAL" && cdrs[0].Cause == "node_lost" && cdrs[1].State == "FINAL" && b.Holds == 0 && reflect.DeepEqual(cdrs[2:], before)
		})
	}
	for _, n := range again.nodes {
		n.interrupt(t)
		verify(t, n.data)
	}

	data := filepath.Join(t.TempDir(), "data")
	config := filepath.Join(t.TempDir(), "alone.yaml")
	if err := os.WriteFile(config, []byte("node: n1\ndata: "+data+"\nhttp: 127.0.0.1:0\nsip: "+alone.net.addr(1)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tollbook(t, "restore", "-from", saved, "-config", config); code != 0 {
		t.Fatal(stderr)
	}
	verify(t, data)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	damageBackup(t, saved)
	if code, _, stderr := tollbook(t, "restore", "-from", saved, "-config", config); code == 0 || !strings.Contains(stderr, "damaged") {
		t.Fatalf("a damaged backup is restored: %d %s", code, stderr)
	}
}

// damageBackup flips a bit in the middle of a segment.
func damageBackup(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "journals", "book-*.seg"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// bring starts a group whose first node is filled by a command before it starts.
func (g *group) bring(t *testing.T, command ...string) {
	t.Helper()
	for _, name := range []string{"n2", "n3"} {
		g.launch(t, name)
	}
	if code, _, stderr := tollbook(t, command...); code != 0 {
		t.Fatalf("%v: %s", command, stderr)
	}
	g.launch(t, "n1")
	for _, n := range g.nodes {
		n.ready(t)
	}
}
