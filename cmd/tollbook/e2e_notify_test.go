package main_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotify has a node tell its service manager that it is ready, and that it stops.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "notify") // a socket's path is a hundred characters at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	at := filepath.Join(dir, "s")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	config := filepath.Join(dir, "node.yaml")
	text := fmt.Sprintf("node: n1\ndata: %s\nhttp: 127.0.0.1:0\nsip: %s\n", t.TempDir(), newNetwork().addr(1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{process: start(t, exec.Command("env", "NOTIFY_SOCKET="+at, binary, "serve", "--config", config))}
	told := func(want string) {
		t.Helper()
		if err := manager.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 256)
		got, err := manager.Read(buf)
		if err != nil || string(buf[:got]) != want {
			t.Fatalf("the manager hears %q, %v, want %s", buf[:got], err, want)
		}
	}
	told("READY=1")
	n.ready(t)
	n.interrupt(t)
	told("STOPPING=1")
}

// TestUnits has systemd check its units.
func TestUnits(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIPPED: systemd-analyze is not installed (package systemd)")
	}
	for _, name := range []string{"tollbook.service", "tollbook-witness.service"} {
		text, err := os.ReadFile(filepath.Join("../../deploy/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "Type=notify\n") || !strings.Contains(string(text), "/usr/bin/tollbook ") {
			t.Errorf("%s is no unit of ours", name)
		}
		// systemd wants the program to be there.
		unit := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(unit, []byte(strings.ReplaceAll(string(text), "/usr/bin/tollbook ", binary+" ")), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err != nil || strings.Contains(string(out), name) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
