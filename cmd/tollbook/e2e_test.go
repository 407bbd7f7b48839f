// These tests drive the real program from outside: its command line, its SIP and
// RTP sockets, its API, signals and the files of its store. What they expect of
// prices they compute themselves.
package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test. TOLLBOOK_E2E_BINARY names one that is built
// already, such as one with the race detector in it.
var binary = os.Getenv("TOLLBOOK_E2E_BINARY")

const (
	adminSecret = "an-admin-for-the-tests"
	// patience bounds every wait; a busy machine is slow, not wrong.
	patience = 30 * time.Second
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	flag.Parse()
	// The tests mostly wait for calls to end: more of them at once than there are
	// processors cost nothing but their memory.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	go func() {
		runtime.LockOSThread()
		for fn := range begins {
			fn()
		}
	}()
	if _, err := exec.LookPath("sipp"); err != nil {
		fmt.Fprintln(os.Stderr, "NOT INSTALLED: sipp (package sip-tester): the calls of the end-to-end tests are skipped")
	}
	if binary == "" {
		dir, err := os.MkdirTemp("", "tollbook-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "tollbook")
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
			return 1
		}
	}
	return m.Run()
}

// needSipp skips a test that cannot be run.
func needSipp(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sipp"); err != nil {
		t.Skip("SKIPPED: sipp is not installed (package sip-tester)")
	}
}

// needCluster skips a test that is for make test-cluster: it takes long, or its figures mean
// something on a quiet machine only.
func needCluster(t *testing.T) {
	t.Helper()
	if os.Getenv("TOLLBOOK_CLUSTER") == "" {
		t.Skip("SKIPPED: this is for make test-cluster")
	}
}

// network is a /24 of loopback addresses of one test's own, with one port that
// all its parties use: so tests do not meet, nor other runs of them.
type network struct {
	second, third int
	// lan, where it is not empty, are the first three numbers of addresses that are
	// not loopback's.
	lan string
}

var networks atomic.Int32

func newNetwork() network {
	return network{second: 16 + os.Getpid()%200, third: int(networks.Add(1))}
}

func (n network) ip(last int) string {
	if n.lan != "" {
		return fmt.Sprintf("%s.%d", n.lan, last)
	}
	return fmt.Sprintf("127.%d.%d.%d", n.second, n.third, last)
}
func (n network) port() int { return 6000 + os.Getpid()%3000 }
func (n network) addr(last int) string {
	return fmt.Sprintf("%s:%d", n.ip(last), n.port())
}

// output gathers what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// begins starts processes from one thread that lives as long as this one: they
// die with it, however it ends, and not with a thread of the scheduler's.
var begins = make(chan func())

func begin(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := make(chan error)
	begins <- func() { err <- cmd.Start() }
	return <-err
}

// process is a running program.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr output
	exited         chan struct{}
	err            error
}

// launch starts the program and ends it with the test, should it still run.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	return start(t, exec.Command(binary, args...))
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.Env = append(os.Environ(), "TOLLBOOK_ADMIN_TOKEN="+adminSecret)
	if err := begin(p.cmd); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	t.Cleanup(func() {
		if p.alive() {
			p.kill(t)
		}
		if log := p.stderr.String(); t.Failed() {
			t.Logf("%v wrote:\n%s", cmd.Args, log[max(0, len(log)-6000):])
		}
	})
	return p
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-p.exited
}

// wait gives the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("%v does not end; stderr:\n%s", p.cmd.Args, p.stderr.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// interrupt is Ctrl-C: the end must be in good order.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.wait(t); code != 0 {
		t.Fatalf("%v ends with code %d after an interrupt; stderr:\n%s", p.cmd.Args[:2], code, p.stderr.String())
	}
}

// tollbook runs a command to its end.
func tollbook(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := launch(t, args...)
	code = p.wait(t)
	return code, p.stdout.String(), p.stderr.String()
}

// node is a running switch.
type node struct {
	*process
	*api
	data, config string
	net          network
	// door gives an address by which the console is reached from here; nil where it is
	// as the node says.
	door func(console string) string
}

var console = regexp.MustCompile(`http://(\S+)`)

// serve starts a switch on the test's own address and waits until it is ready.
func serve(t *testing.T, net network, data string) *node {
	t.Helper()
	return serveOn(t, net, data, "sip: "+net.addr(1)+"\n")
}

// serveOn starts one that listens as the lines of its configuration say.
func serveOn(t *testing.T, net network, data, listeners string) *node {
	t.Helper()
	config := filepath.Join(t.TempDir(), "node.yaml")
	text := fmt.Sprintf("node: n1\ndata: %s\nhttp: 127.0.0.1:0\n%s", data, listeners)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{process: launch(t, "serve", "--config", config), data: data, config: config, net: net}
	n.ready(t)
	return n
}

// demo starts a demo and waits until it is ready.
func demo(t *testing.T, net network, data string, args ...string) *node {
	t.Helper()
	args = append([]string{"demo", "--data", data, "--http", "127.0.0.1:0", "--sip", fmt.Sprintf("127.0.0.1:%d", net.port()+net.third)}, args...)
	n := &node{process: launch(t, args...), data: data, net: net}
	n.ready(t)
	return n
}

func (n *node) ready(t *testing.T) {
	t.Helper()
	until(t, "the node is ready", func() bool {
		if !n.alive() {
			t.Fatalf("the node has ended: %v\n%s", n.err, n.stderr.String())
		}
		return n.isReady()
	})
}

// isReady says whether a node has said where its console is, and can serve.
func (n *node) isReady() bool {
	if n.api == nil {
		m := console.FindStringSubmatch(n.stderr.String())
		if m == nil {
			return false
		}
		if n.api = (&api{url: m[0]}); n.door != nil {
			n.url = "http://" + n.door(m[1])
		}
	}
	res, err := http.Get(n.url + "/-/ready")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// apply makes the configuration what a document says.
func (n *node) apply(t *testing.T, world string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "world.yaml")
	if err := os.WriteFile(path, []byte(world), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tollbook(t, "apply", "-f", path, "--url", n.url, "--token", adminSecret); code != 0 {
		t.Fatalf("apply: %s\n%s", stderr, world)
	}
}

// verify checks a store and wants it whole.
func verify(t *testing.T, data string) {
	t.Helper()
	code, stdout, stderr := tollbook(t, "verify", "--data", data)
	if code != 0 || !strings.HasSuffix(stdout, "ok\n") {
		t.Errorf("verify ends with code %d\n%s%s", code, stdout, stderr)
	}
}

// until waits for something to become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
