package rsync

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain lets the test's program be a connection's process.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := Serve(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// ours starts our daemon.
func ours(t *testing.T, dir string, set ...func(*DaemonConfig)) *Daemon {
	t.Helper()
	c := DaemonConfig{Command: []string{os.Args[0], "serve", dir}, Log: quiet}
	for _, f := range set {
		f(&c)
	}
	d, err := Listen("127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// theirs starts the rsync program as a daemon.
func theirs(t *testing.T, dir string) string {
	t.Helper()
	program := rsyncProgram(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	config := filepath.Join(home, "rsyncd.conf")
	text := fmt.Sprintf("use chroot = no\nreverse lookup = no\n[files]\npath = %s\nread only = yes\nuid = 0\ngid = 0\n", dir)
	if os.Geteuid() != 0 {
		text = strings.ReplaceAll(text, "uid = 0\ngid = 0\n", "")
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--daemon", "--no-detach", "--config="+config, "--address=127.0.0.1",
		fmt.Sprintf("--port=%d", addr.Port), "--log-file="+filepath.Join(home, "log"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 500 {
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			_ = c.Close()
			return addr.String()
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("rsync --daemon does not listen")
	return ""
}

func rsyncProgram(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("rsync")
	if err != nil {
		t.Skip("rsync is not installed")
	}
	return program
}

// tree makes a directory with files: name to content.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n)})
	b := make([]byte, n)
	_, _ = r.Read(b) // never fails
	return b
}

func session(t *testing.T, address, dir string) *Session {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), conn, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// counting counts what a connection brings.
type counting struct {
	net.Conn
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n += int64(n)
	return n, err
}

// fetch fetches some files into a directory, over what lies there, and gives the
// bytes that came over the wire.
func fetch(t *testing.T, address, dir, into string, names ...string) int64 {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	counted := &counting{Conn: conn}
	s, err := Open(t.Context(), counted, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wanted []int
	for i, e := range s.Files() {
		if slices.Contains(names, e.Name) {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) != len(names) {
		t.Fatalf("of %v there are %v", names, s.Files())
	}
	open := map[int]*os.File{}
	err = s.Fetch(wanted, func(i int) (Target, int64, error) {
		f, err := os.OpenFile(filepath.Join(into, s.Files()[i].Name), os.O_RDWR|os.O_CREATE, 0o640)
		if err != nil {
			return nil, 0, err
		}
		open[i] = f
		info, err := f.Stat()
		if err != nil {
			return nil, 0, err
		}
		return f, info.Size(), nil
	}, func(i int, err error) error { return err })
	for _, f := range open {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return counted.n
}

// TestPull pulls from our daemon and from rsync's.
func TestPull(t *testing.T) {
	files := map[string][]byte{
		"n1/2026/11/22/a.wav": noise(100), "n1/2026/11/22/b.wav": noise(300_000), "n1/2026/11/22/empty": {},
		"n1/2026/11/22/SHA256SUMS": []byte("x\n"), "n1/2026/11/23/c.wav": noise(9),
	}
	dir := tree(t, files)
	for name, start := range map[string]func() string{
		"ours":   func() string { return ours(t, dir).Addr().String() },
		"theirs": func() string { return theirs(t, dir) },
	} {
		t.Run(name, func(t *testing.T) {
			address := start()
			s := session(t, address, "n1/2026/11/22")
			var got []string
			for _, e := range s.Files() {
				if e.Regular {
					got = append(got, fmt.Sprintf("%s %d", e.Name, e.Size))
				}
			}
			if want := []string{"SHA256SUMS 2", "a.wav 100", "b.wav 300000", "empty 0"}; !slices.Equal(got, want) {
				t.Fatalf("listed %q, want %q", got, want)
			}
			into := t.TempDir()
			fetch(t, address, "n1/2026/11/22", into, "a.wav", "b.wav", "empty", "SHA256SUMS")
			for _, name := range []string{"a.wav", "b.wav", "empty", "SHA256SUMS"} {
				if data, err := os.ReadFile(filepath.Join(into, name)); err != nil || !bytes.Equal(data, files["n1/2026/11/22/"+name]) {
					t.Errorf("%s came as %d bytes, %v", name, len(data), err)
				}
			}
			if gone := session(t, address, "n1/2026/11/24"); len(gone.Files()) != 0 {
				t.Errorf("a directory that is not there has %v", gone.Files())
			} else if err := gone.Fetch(nil, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestResume: what is there is not sent again, whether the file was cut off, is
// damaged in the middle, or is another altogether.
func TestResume(t *testing.T) {
	data := noise(4<<20 + 700_001)
	copy(data[1<<20:], make([]byte, 1<<20)) // silence: many blocks that are alike
	dir := tree(t, map[string][]byte{"f.wav": data})
	damaged := bytes.Clone(data)
	damaged[3<<20] ^= 1
	for name, start := range map[string]func() string{
		"ours":   func() string { return ours(t, dir).Addr().String() },
		"theirs": func() string { return theirs(t, dir) },
	} {
		address := start()
		for _, c := range []struct {
			name  string
			there []byte
			most  int64
		}{
			{"a part", data[:1_234_567], 3<<20 + 800_000},
			{"half", data[:2<<20], 2<<20 + 800_000},
			{"damaged", damaged, 1<<20 + 100_000},
			{"the same", data, 50_000},
			{"longer", append(bytes.Clone(data), noise(10_000)...), 800_000},
			{"another", noise(1 << 20), 5 << 20},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				into := tree(t, map[string][]byte{"f.wav": c.there})
				came := fetch(t, address, ".", into, "f.wav")
				got, err := os.ReadFile(filepath.Join(into, "f.wav"))
				if err != nil || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes came out, %v", len(got), err)
				}
				if came > c.most {
					t.Errorf("%d bytes came over the wire, more than %d", came, c.most)
				}
			})
		}
	}
}

// TestRsyncPulls: the rsync program pulls from our daemon, plainly and by TLS.
func TestRsyncPulls(t *testing.T) {
	program := rsyncProgram(t)
	data := noise(3 << 20)
	dir := tree(t, map[string][]byte{"n1/2026/11/22/f.wav": data, "n1/2026/11/22/g.wav": noise(10)})
	address := ours(t, dir).Addr().String()
	into := t.TempDir()
	pull := func(args ...string) {
		t.Helper()
		args = append(args, "-a", "--partial", "--bwlimit=100000", "--timeout=20", "rsync://"+address+"/files/", into)
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("rsync %v: %v\n%s", args, err, out)
		}
		if got, err := os.ReadFile(filepath.Join(into, "n1/2026/11/22/f.wav")); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes came out, %v", len(got), err)
		}
	}
	pull()
	if err := os.WriteFile(filepath.Join(into, "n1/2026/11/22/f.wav"), data[:1<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	pull("--whole-file")
	if out, err := exec.Command(program, "rsync://"+address+"/").CombinedOutput(); err != nil || !strings.Contains(string(out), "files") {
		t.Errorf("the modules are %q, %v", out, err)
	}
	if out, err := exec.Command(program, "-rt", "rsync://"+address+"/files/", t.TempDir()).CombinedOutput(); err == nil || !strings.Contains(string(out), "pull with rsync -a") {
		t.Errorf("without owners: %v, %s", err, out)
	}
	if out, err := exec.Command(program, "-a", dir+"/", "rsync://"+address+"/files/").CombinedOutput(); err == nil {
		t.Errorf("files were pushed: %s", out)
	}
}

func TestRsyncPullsByTLS(t *testing.T) {
	program, err := exec.LookPath("rsync-ssl")
	if err != nil {
		t.Skip("rsync-ssl is not installed")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	id, err := NewIdentity(noise(32))
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := id.PEM()
	if err != nil {
		t.Fatal(err)
	}
	keys := tree(t, map[string][]byte{"crt.pem": certificate, "key.pem": key})
	dir := tree(t, map[string][]byte{"n1/f.wav": noise(1 << 20)})
	address := ours(t, dir, func(c *DaemonConfig) { c.TLS = id.TLS() }).Addr().String()
	into := t.TempDir()
	host, port, _ := net.SplitHostPort(address)
	run := func(key string) ([]byte, error) {
		cmd := exec.Command(program, "--type=openssl", "-a", "--timeout=20", "--port="+port, "rsync://"+host+"/files/", into)
		cmd.Env = append(os.Environ(), "RSYNC_SSL_CERT="+filepath.Join(keys, "crt.pem"), "RSYNC_SSL_KEY="+key, "RSYNC_SSL_CA_CERT=")
		return cmd.CombinedOutput()
	}
	if out, err := run(filepath.Join(keys, "key.pem")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(into, "n1/f.wav")); err != nil || !bytes.Equal(got, noise(1<<20)) {
		t.Fatalf("%d bytes came out, %v", len(got), err)
	}
}
