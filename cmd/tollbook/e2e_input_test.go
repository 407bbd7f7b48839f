package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// written puts a file into a directory of the test's own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused wants a command to end with one clear line.
func refused(t *testing.T, says string, args ...string) {
	t.Helper()
	code, stdout, stderr := tollbook(t, args...)
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	if code == 0 || len(lines) != 1 || stdout != "" || !strings.HasPrefix(lines[0], "tollbook") || !strings.Contains(lines[0], says) {
		t.Errorf("%q ends with code %d\nstdout: %s\nstderr: %s\nwant one line about %q", args, code, stdout, stderr, says)
	}
}

// Whatever is wrong with what people write, the program says so in one line and
// leaves everything as it was.
func TestBadInput(t *testing.T) {
	t.Parallel()
	net, data := newNetwork(), t.TempDir()
	n := serve(t, net, data)
	good := world(n, []*stage{{name: "some", sell: sellPrice, buy: buyPrice, vendors: []string{""}}})
	n.apply(t, good)

	apply := func(says, text string, more ...string) {
		t.Helper()
		args := append([]string{"apply", "-f", written(t, "bad.yaml", text), "--url", n.url, "--token", adminSecret}, more...)
		refused(t, says, args...)
	}
	apply("colour", "settings:\n  colour: green\n")
	apply("colour", "settings: {colour: green, shape: round}\nunknown: 1\n")
	apply("44a", strings.Replace(good, "n44,UK", "n44a,UK", 1))
	apply("line 3", strings.Replace(good, "n44,UK", "n44,UK,0.1,1/1/0\\n4x4,UK", 1))
	apply("4x4", strings.ReplaceAll(good, "n44,UK", "n4x4,UK,0.1,1/1/0\\n4y4,UK"))
	apply("some-sell", strings.Replace(good, "n44,UK", "n44a,UK", 1))
	apply("cannot change", strings.ReplaceAll(good, "currency: USD", "currency: EUR"))
	apply("nowhere", good+"  - {id: other, company: nowhere, account: some-usd, sell_deck: some-sell, route_plan: some-plan, networks: [127.0.0.1/32]}\n")
	apply("yaml", "companies: [\n")
	apply("yaml", "just words\n")
	apply("no-such-file.csv", "decks:\n  - {id: d, currency: USD, file: no-such-file.csv}\n")
	goodFile := written(t, "good.yaml", good)
	refused(t, "-f", "apply", "--url", n.url, "--token", adminSecret)
	refused(t, "no such file", "apply", "-f", "/nowhere.yaml", "--token", adminSecret)
	refused(t, "does not know this token", "apply", "-f", goodFile, "--url", n.url, "--token", "wrong")
	refused(t, "no node answers", "apply", "-f", goodFile, "--url", "http://127.0.0.1:9", "--token", adminSecret)

	other := newNetwork()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	config := func(data, http, sip, more string) string {
		return written(t, "node.yaml", fmt.Sprintf("node: n1\ndata: %s\nhttp: %s\nsip: %s\n%s", data, http, sip, more))
	}
	refused(t, "already in use", "serve", "--config", config(elsewhere, strings.TrimPrefix(n.url, "http://"), other.addr(1), ""))
	refused(t, "already in use", "serve", "--config", config(elsewhere, "127.0.0.1:0", net.addr(1), ""))
	refused(t, "in use by process", "serve", "--config", config(data, "127.0.0.1:0", other.addr(1), ""))
	refused(t, "colour", "serve", "--config", config(elsewhere, "127.0.0.1:0", other.addr(1), "colour: green\nshape: round\n"))
	refused(t, "sip", "serve", "--config", config(elsewhere, "127.0.0.1:0", "somewhere", ""))
	refused(t, "node.yaml", "serve", "--config", written(t, "node.yaml", "node: [\n"))
	refused(t, "-colour", "serve", "--colour", "green")
	refused(t, "no such file", "serve", "--config", "/nowhere.yaml")
	refused(t, "already in use", "demo", "--data", elsewhere, "--http", strings.TrimPrefix(n.url, "http://"), "--sip", other.addr(1))
	refused(t, "already in use", "demo", "--data", elsewhere, "--http", "127.0.0.1:0", "--sip", net.addr(1))
	refused(t, "in use by process", "demo", "--data", data, "--http", "127.0.0.1:0", "--sip", other.addr(1))
	refused(t, "-rate", "demo", "--rate", "-1")
	refused(t, "duration", "demo", "--duration", "soon")
	refused(t, "too much", "verify", "here")
	refused(t, "no store", "verify", "--data", elsewhere)
	refused(t, "no command", "colour")
	if code, stdout, stderr := tollbook(t, "demo", "-h"); code != 0 || !strings.Contains(stdout, "-duration") || stderr != "" {
		t.Errorf("demo -h ends with code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat(elsewhere); !os.IsNotExist(err) {
		t.Errorf("a start that failed has left a store: %v", err)
	}

	code, stdout, stderr := tollbook(t, "apply", "--dry-run", "-f", goodFile, "--url", n.url, "--token", adminSecret)
	if code != 0 || stdout != "nothing to change\n" {
		t.Errorf("the catalog was changed: %s%s", stdout, stderr)
	}
	n.interrupt(t)
	verify(t, data)
}
