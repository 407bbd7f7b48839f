package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
)

// whole waits until a node holds so many messages of the book in its own files, and is a
// member as the others see it.
func (g *group) whole(name string, messages uint64) {
	g.t.Helper()
	var why string
	for range 300 {
		s, err := g.nodes[name].JetStream().Stream(g.t.Context(), cluster.StreamBook)
		if err == nil {
			info := s.CachedInfo()
			in := info.Cluster.Leader == name
			for _, r := range info.Cluster.Replicas {
				in = in || r.Name == name && r.Current
			}
			if in && info.State.Msgs == messages {
				return
			}
			why = info.Cluster.Leader
		}
		time.Sleep(100 * time.Millisecond)
	}
	g.t.Fatalf("%s did not become a whole member again, leader %s", name, why)
}

// TestEmptyStore has a node come back with nothing: it is not heard before the others
// have forgotten it, and then gets all there is.
func TestEmptyStore(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	if err := g.publish("n1", "one", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	g.stop("n2")
	if err := os.RemoveAll(filepath.Join(g.dir, "n2", "jetstream")); err != nil {
		t.Fatal(err)
	}
	if err := g.publish("n1", "two", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	g.start("n2")
	g.whole("n2", 2)
	g.stop("n1")
	if err := g.publish("n2", "three", 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestEmptyStoreAlone has a node come back with nothing while no majority is there that
// could forget it: it must not be heard.
func TestEmptyStoreAlone(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	if err := g.publish("n1", "one", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	g.stop("n2")
	g.stop("n3")
	if err := os.RemoveAll(filepath.Join(g.dir, "n2", "jetstream")); err != nil {
		t.Fatal(err)
	}
	opts := g.options("n2")
	opts.ReadyTimeout = 5 * time.Second
	s, err := cluster.Start(t.Context(), opts)
	if err == nil {
		s.Stop()
		t.Fatal("a node that lost its store and a part of the others make a majority")
	}
	if !strings.Contains(err.Error(), "its store is empty") && !strings.Contains(err.Error(), "store is empty and it could not join") {
		t.Fatal(err)
	}
}

// TestDamagedStore flips a byte of a node's store while it is away.
func TestDamagedStore(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	for _, text := range []string{"one", "two", "three"} {
		if err := g.publish("n1", text, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	g.whole("n3", 3)
	g.stop("n3")
	files, err := filepath.Glob(filepath.Join(g.dir, "n3", "jetstream", "$G", "streams", "BOOK", "msgs", "*.blk"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text[30] ^= 1
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	g.start("n3")
	g.whole("n3", 3)
	if aside, err := filepath.Glob(filepath.Join(g.dir, "n3", "damaged-*")); err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
}

// TestJoinAndRemove has a fourth node come and an old one go for good.
func TestJoinAndRemove(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	if err := g.publish("n1", "one", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	g.members["n4"] = freeAddress(t)
	if err := cluster.Admit(g.secrets(), g.of("n4"), "n4", g.members["n4"], time.Now()); err != nil {
		t.Fatal(err)
	}
	g.start("n4")
	g.stop("n2")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, asked := range []string{"n1", "n4"} { // the second question is of one who is gone
		if err := g.nodes[asked].Remove(ctx, "n2"); err != nil {
			t.Fatal(err)
		}
	}
	g.whole("n4", 1)
	if peers := g.nodes["n1"].Peers(); !slices.Equal(peers, []string{"n1", "n3", "n4"}) {
		t.Fatal(peers)
	}
	g.stop("n1")
	if err := g.publish("n4", "two", 20*time.Second); err != nil {
		t.Fatal(err)
	}
}
