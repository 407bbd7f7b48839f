package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// phone is a running sipp.
type phone struct {
	cmd    *exec.Cmd
	dir    string
	out    output
	exited chan error
}

// sipp starts a scenario on an address of ours. edit replaces words of the
// scenario, in pairs.
func sipp(t *testing.T, scenario, ip string, port int, edit []string, args ...string) *phone {
	t.Helper()
	return sippWithin(t, nil, scenario, ip, port, edit, args...)
}

// sippWithin starts one by a command in front of it, as on another machine.
func sippWithin(t *testing.T, within []string, scenario, ip string, port int, edit []string, args ...string) *phone {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sipp", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{dir: t.TempDir(), exited: make(chan error, 1)}
	file := filepath.Join(p.dir, scenario+".xml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(edit...).Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append(args, "-sf", file, "-i", ip, "-mi", ip, "-p", strconv.Itoa(port), "-nostdin", "-trace_err",
		"-timeout", "60s", "-timeout_error")
	args = append(append(within, "sipp"), args...)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir = p.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := begin(p.cmd); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		p.exited <- p.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has mostly ended by itself
		<-ended
	})
	return p
}

// takes starts a vendor for so many calls and waits until it listens.
func (s *stage) takes(t *testing.T, vendor, calls int, scenario string, edit ...string) *phone {
	t.Helper()
	p := sipp(t, scenario, s.vendorIP(vendor), s.net.port(), append(edit, "@RING@", "100", "@TALK@", "1200"), "-m", strconv.Itoa(calls))
	until(t, "the vendor listens", func() bool { return listens(s.vendorIP(vendor), s.net.port()) })
	return p
}

// listens tells whether an address's port is bound.
func listens(ip string, port int) bool {
	data, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return true // elsewhere the test must trust its luck
	}
	var hex strings.Builder
	parts := strings.Split(ip, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		n, _ := strconv.Atoi(parts[i])
		hex.WriteString(strings.ToUpper(pad(strconv.FormatInt(int64(n), 16), 2)))
	}
	return strings.Contains(string(data), hex.String()+":"+strings.ToUpper(pad(strconv.FormatInt(int64(port), 16), 4)))
}

func pad(s string, n int) string { return strings.Repeat("0", max(0, n-len(s))) + s }

// calls places calls and waits until they are over.
func (s *stage) calls(t *testing.T, scenario string, n int, edit []string, args ...string) {
	t.Helper()
	s.starts(t, scenario, n, edit, args...).wait(t)
}

// starts places calls.
func (s *stage) starts(t *testing.T, scenario string, n int, edit []string, args ...string) *phone {
	t.Helper()
	args = append([]string{s.net.addr(1), "-s", s.dial(), "-m", strconv.Itoa(n)}, args...)
	return sipp(t, scenario, s.customerIP(), s.net.port(), edit, args...)
}

// end stops it, whatever its calls do.
func (p *phone) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-p.exited
}

// wait wants all calls to have gone as the scenario says.
func (p *phone) wait(t *testing.T) {
	t.Helper()
	select {
	case err := <-p.exited:
		if err == nil {
			return
		}
		t.Errorf("sipp: %v", err)
	case <-time.After(2 * patience):
		t.Error("sipp does not end")
	}
	logs, _ := filepath.Glob(filepath.Join(p.dir, "*errors.log"))
	for _, name := range logs {
		text, _ := os.ReadFile(name)
		t.Errorf("%s", text[:min(len(text), 3000)])
	}
	t.FailNow()
}
