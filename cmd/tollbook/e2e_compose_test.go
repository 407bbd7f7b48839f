package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
)

// composed is what the tests look at of deploy/compose.yaml.
type composed struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		Networks    map[string]struct {
			Address string `yaml:"ipv4_address"`
		}
		Volumes []string
	}
	Volumes map[string]any
}

// TestClusterCompose runs what deploy/compose.yaml runs to make the nodes' files, on this
// machine's addresses, starts the three nodes and has them share a payment.
func TestClusterCompose(t *testing.T) {
	needCluster(t)
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c composed
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	setup := c.Services["setup"].Environment
	addresses := strings.Fields(setup["ADDRESSES"])
	for i, name := range []string{"n1", "n2", "n3"} {
		s := c.Services[name]
		if s.Image != "tollbook" || s.Networks["carrier"].Address != addresses[i] || !slices.Contains(s.Command, "/config/"+name+".yaml") ||
			!strings.Contains(s.Environment["TOLLBOOK_READY"], addresses[i]) || !slices.Contains(s.Volumes, name+":/var/lib/tollbook") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	for _, server := range []string{"clickhouse", "eventstore"} {
		if at := c.Services[server].Networks["carrier"].Address; at == "" || !strings.Contains(setup["EXTRA"], at) {
			t.Errorf("the nodes' files do not name %s at %s", server, at)
		}
	}
	config, net := t.TempDir(), newNetwork()
	here := []string{net.ip(1), net.ip(2), net.ip(3)}
	script := exec.Command("sh", filepath.Join(root, "deploy", "compose", "setup.sh"))
	script.Env = append(os.Environ(), "CONFIG="+config, "DATA=data", "ADDRESSES="+strings.Join(here, " "), "EXTRA="+setup["EXTRA"],
		"PATH="+config+":"+os.Getenv("PATH"))
	if err := os.Symlink(binary, filepath.Join(config, "tollbook")); err != nil {
		t.Fatal(err)
	}
	if out, err := script.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	nodes := map[string]*node{}
	for _, name := range []string{"n1", "n2", "n3"} {
		at := filepath.Join(config, name+".yaml")
		text, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		// What is one directory, or one file, in each container, is one for each node here.
		local := strings.Replace(string(text), "data: data", "data: "+filepath.Join(config, name+"-data"), 1)
		local = strings.Replace(local, ", password_file: /config/clickhouse.password", "", 1)
		if err := os.WriteFile(at, []byte(local), 0o600); err != nil {
			t.Fatal(err)
		}
		n := &node{process: start(t, exec.Command(binary, "serve", "--config", at)), data: filepath.Join(config, name+"-data"), config: at, net: net}
		nodes[name] = n
	}
	for _, n := range nodes {
		n.ready(t)
	}
	s := &stage{name: "composed", sell: sellPrice, buy: buyPrice}
	s.node = nodes["n2"]
	s.node.apply(t, world(s.node, []*stage{s}))
	for name, n := range nodes {
		until(t, name+" knows the account", func() bool { return n.has(t, s.account()) })
		n.credit(t, s.account(), "10", fmt.Sprint("payment at ", name))
	}
}

// TestClusterFiles: a node's capture comes to the other nodes of its cluster, which nobody
// told of each other's files; what one of them lost it fetches from another when it is asked.
func TestClusterFiles(t *testing.T) {
	needCluster(t)
	g := newGroupOf(t, newNetwork(), "", func(g *group, name string) string { return plain(g, name) + "files: {floor: 0}\n" })
	name := archive.Name{Node: "n1", Call: events.NewCallID(time.Now().Add(-time.Hour), [10]byte{1}), Part: 1, Kind: archive.Capture}
	unfinished(t, g.path("n1", "data"), name, 2_000_000)
	g.start(t, "n1", "n2", "n3")
	at := func(node string) string { return filepath.Join(g.path(node, "data"), "files", name.String()) }
	there := func(node string) {
		t.Helper()
		until(t, "the capture is at "+node, func() bool { _, err := os.Stat(at(node)); return err == nil })
		if hashOf(t, at(node)) != hashOf(t, at("n2")) {
			t.Errorf("it came out differently at %s", node)
		}
	}
	there("n2")
	there("n3")
	there("n1")
	g.nodes["n1"].kill(t)
	if err := os.RemoveAll(filepath.Join(g.path("n3", "data"), "files")); err != nil {
		t.Fatal(err)
	}
	if data := g.nodes["n3"].file(t, name, "bytes=0-3"); !bytes.Equal(data, capture.FileHeader()[:4]) {
		t.Errorf("n3 serves %x of what it has lost and n2 has", data)
	}
}
