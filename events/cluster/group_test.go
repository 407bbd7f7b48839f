package cluster_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollbook/tollbook/events/cluster"
)

// group is three nodes of a test, each in a directory of its own.
type group struct {
	t       *testing.T
	dir     string
	members map[string]string
	nodes   map[string]*cluster.Server
}

func newGroup(t *testing.T, names ...string) *group {
	t.Helper()
	g := &group{t: t, dir: t.TempDir(), members: map[string]string{}, nodes: map[string]*cluster.Server{}}
	for _, name := range names {
		g.members[name] = freeAddress(t)
	}
	if err := cluster.MakeSecrets(g.secrets(), "test", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, address := range g.members {
		if err := cluster.Admit(g.secrets(), g.of(name), name, address, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, s := range g.nodes {
			s.Stop()
		}
	})
	return g
}

func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Not of those that the system gives to connections: a server gives its port free
		// when it starts anew, and would not get it back.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("there is no free port")
	return ""
}

func (g *group) secrets() string       { return filepath.Join(g.dir, "secrets") }
func (g *group) of(node string) string { return filepath.Join(g.dir, node+"-secrets") }

func (g *group) options(node string) cluster.Options {
	tls, err := cluster.NodeTLS(g.of(node))
	if err != nil {
		g.t.Fatal(err)
	}
	return cluster.Options{
		Dir: filepath.Join(g.dir, node), Node: node, Logger: slog.New(slog.DiscardHandler), ReadyTimeout: time.Minute,
		Group: &cluster.Group{Name: "test", Members: g.members, TLS: tls, Quick: true},
	}
}

// start starts nodes at the same time, as they must: none is ready alone.
func (g *group) start(names ...string) {
	g.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			s, err := cluster.Start(context.Background(), g.options(name))
			if err != nil {
				g.t.Error(err)
				return
			}
			mu.Lock()
			g.nodes[name] = s
			mu.Unlock()
		})
	}
	all.Wait()
	if g.t.Failed() {
		g.t.FailNow()
	}
}

func (g *group) stop(name string) {
	g.nodes[name].Stop()
	delete(g.nodes, name)
}

// leader waits until one node leads a stream.
func (g *group) leader(stream string) string {
	g.t.Helper()
	for range 300 {
		for name, s := range g.nodes {
			if s.Leads(stream) {
				return name
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	g.t.Fatal("nobody leads " + stream)
	return ""
}

func (g *group) publish(from, text string, within time.Duration) error {
	var err error
	for end := time.Now().Add(within); time.Now().Before(end); {
		_, err = g.nodes[from].JetStream().Publish(g.t.Context(), "book", []byte(text), jetstream.WithMsgID(text))
		if err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// TestGroup has three nodes replicate, lose the leader, go on, and take it back.
func TestGroup(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	if !g.nodes["n1"].Clustered() || g.nodes["n1"].Replicas() != 3 {
		t.Fatal("three nodes are no group")
	}
	identities := map[string]bool{}
	for _, s := range g.nodes {
		stream, err := s.JetStream().Stream(t.Context(), cluster.StreamBook)
		if err != nil {
			t.Fatal(err)
		}
		identities[stream.CachedInfo().Config.Metadata[cluster.IdentityKey]] = true
	}
	if len(identities) != 1 {
		t.Fatalf("the nodes have different streams: %v", identities)
	}
	first := g.leader(cluster.StreamBook)
	if err := g.nodes[first].StepDown(t.Context(), cluster.StreamBook, ""); err != nil {
		t.Fatal(err)
	}
	for g.nodes[first].Leads(cluster.StreamBook) {
		time.Sleep(10 * time.Millisecond)
	}
	first = g.leader(cluster.StreamBook)
	if err := g.publish(first, "one", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	g.stop(first)
	second := g.leader(cluster.StreamBook)
	if second == first {
		t.Fatal("a stopped node leads")
	}
	if err := g.publish(second, "two", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	detached := t.TempDir()
	if err := os.CopyFS(detached, os.DirFS(filepath.Join(g.dir, first, "jetstream"))); err != nil {
		t.Fatal(err)
	}
	g.start(first)
	g.leader(cluster.StreamBook)
	stream, err := g.nodes[first].JetStream().Stream(t.Context(), cluster.StreamBook)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 2 {
		t.Fatal(info, err)
	}
	checkDetached(t, detached)
}

// checkDetached opens what the first leader had when it stopped: the first message.
func checkDetached(t *testing.T, jetStream string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Rename(jetStream, filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Detach(dir); err != nil {
		t.Fatal(err)
	}
	stream, err := start(t, dir).JetStream().Stream(t.Context(), cluster.StreamBook)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 1 || info.Config.Replicas != 1 {
		t.Fatal(info, err)
	}
}

// TestStrangerInGroup has a node come back with a certificate that another authority
// signed.
func TestStrangerInGroup(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	g.start("n1", "n2", "n3")
	g.stop("n3")
	other := filepath.Join(g.dir, "other")
	if err := cluster.MakeSecrets(other, "test", "", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admit(other, g.of("n3"), "n3", g.members["n3"], time.Now()); err != nil {
		t.Fatal(err)
	}
	opts := g.options("n3")
	opts.ReadyTimeout = 3 * time.Second
	s, err := cluster.Start(t.Context(), opts)
	if err == nil {
		s.Stop()
		t.Fatal("a stranger was let in")
	}
	if !strings.Contains(err.Error(), "too few of its 3 nodes") {
		t.Fatal(err)
	}
	if err := g.publish("n1", "without him", 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

func TestGroupAndAloneDoNotMix(t *testing.T) {
	g := newGroup(t, "n1", "n2")
	opts := g.options("n1")
	start(t, opts.Dir).Stop()
	if _, err := cluster.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "node alone") {
		t.Fatal(err)
	}
}

func TestBadGroups(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	for name, c := range map[string]struct {
		change func(*cluster.Group)
		want   string
	}{
		"no name":     {func(g *cluster.Group) { g.Name = "" }, "cluster name"},
		"one member":  {func(g *cluster.Group) { g.Members = map[string]string{"n1": "127.0.0.1:1"} }, "has 1 members"},
		"not in it":   {func(g *cluster.Group) { g.Members = map[string]string{"n2": "127.0.0.1:1", "n3": "127.0.0.1:2"} }, "not among its members"},
		"bad address": {func(g *cluster.Group) { g.Members = map[string]string{"n1": "127.0.0.1", "n3": "127.0.0.1:2"} }, "not a host and a port"},
		"no proof":    {func(g *cluster.Group) { g.TLS = nil }, "prove who they are"},
	} {
		opts := g.options("n1")
		opts.Dir = t.TempDir()
		c.change(opts.Group)
		s, err := cluster.Start(t.Context(), opts)
		if err == nil {
			s.Stop()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := cluster.MakeSecrets(g.secrets(), "test", "", time.Now()); err == nil {
		t.Error("the secrets of a cluster were overwritten")
	}
	for _, bad := range []string{"", "a.b"} {
		if err := cluster.Admit(g.secrets(), t.TempDir(), bad, "127.0.0.1:1", time.Now()); err == nil {
			t.Errorf("node %q was admitted", bad)
		}
	}
}

// A node whose address another process has says so, and does not wait for others.
func TestAddressInUse(t *testing.T) {
	g := newGroup(t, "n1", "n2", "n3")
	taken, err := net.Listen("tcp", g.members["n1"])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = cluster.Start(t.Context(), g.options("n1"))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("the node says: %v", err)
	}
}
