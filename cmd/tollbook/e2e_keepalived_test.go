//go:build linux

package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// keepalived runs the configuration of deploy/ on a node's machine, where it looks after
// that node's process.
func (l *lan) keepalived(t *testing.T, name string, priority int) *process {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "keepalived", "keepalived.conf"))
	if err != nil {
		t.Fatal(err)
	}
	script := l.path(name, "alive.sh")
	if err := os.WriteFile(script, fmt.Appendf(nil, "#!/bin/sh\nkill -0 %d\n", l.nodes[name].cmd.Process.Pid), 0o755); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer(
		"10.0.0.100/24", l.net.ip(sharedHost)+"/24", "priority 100", fmt.Sprint("priority ", priority),
		"  enable_script_security\n", "", // the test's directory is not root's alone
		"/usr/bin/curl --silent --fail --max-time 1 --output /dev/null http://127.0.0.1:8080/-/ready", script,
	).Replace(string(text))
	file := l.path(name, "keepalived.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, exec.Command("ip", "netns", "exec", l.Hosts[name], "keepalived", "-n", "-l", "-P", "-f", file,
		"-p", l.path(name, "keepalived.pid"), "-r", l.path(name, "vrrp.pid")))
	t.Cleanup(func() {
		if p.alive() {
			p.interrupt(t) // so that it ends those that it has started
		}
	})
	return p
}

// TestClusterKeepalived has another program own the shared address: the nodes follow it,
// and when the node that has it is killed calls are answered by the next one.
func TestClusterKeepalived(t *testing.T) {
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Skip("SKIPPED: keepalived is not installed")
	}
	l := newLanOf(t, "  owner: external\n  dispatch: true\n")
	l.open(t)
	for i, name := range []string{"n1", "n2"} {
		l.keepalived(t, name, 100-10*i)
	}
	p := l.probes(t)
	holder := l.sharedHolder(t)
	if holder == "n3" {
		t.Fatal("the node without keepalived holds the address")
	}
	l.nodes[holder].kill(t)
	gap := p.gap(t, time.Now())
	if next := l.sharedHolder(t); next == holder || next == "n3" {
		t.Errorf("%s holds the address", next)
	}
	t.Logf("%s was killed: calls are answered again after %v", holder, gap)
}
