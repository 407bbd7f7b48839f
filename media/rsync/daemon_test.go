package rsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestIdentity: who has another key is let in at neither end.
func TestIdentity(t *testing.T) {
	mine, err := NewIdentity(noise(32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewIdentity(noise(33))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewIdentity(noise(16)); err == nil {
		t.Error("a short secret is taken")
	}
	dir := tree(t, map[string][]byte{"f.wav": noise(10)})
	d := ours(t, dir, func(c *DaemonConfig) { c.TLS = mine.TLS() })
	for _, c := range []struct {
		name string
		id   *Identity
		ok   bool
	}{{"mine", mine, true}, {"other", other, false}} {
		conn, err := Dial(t.Context(), d.Addr().String(), c.id)
		if err == nil {
			var s *Session
			if s, err = Open(t.Context(), conn, "."); err == nil {
				s.Close()
			}
		}
		if (err == nil) != c.ok {
			t.Errorf("with the %s key: %v", c.name, err)
		}
	}
	plain, err := Dial(t.Context(), d.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), plain, "."); err == nil {
		t.Error("served without TLS")
	}
}

// TestGuard: what a client must not ask for.
func TestGuard(t *testing.T) {
	secret := tree(t, map[string][]byte{"secret": []byte("unspeakable"), "files/f.wav": noise(10)})
	d := ours(t, filepath.Join(secret, "files"))
	for _, c := range []struct{ name, module, args string }{
		{"up", "files", "--server\n--sender\n-ogtr\n.\nfiles/../\n"},
		{"another module", "etc", "--server\n--sender\n-ogtr\n.\netc/\n"},
		{"another path", "files", "--server\n--sender\n-ogtr\n.\n/etc/\n"},
		{"hidden up", "files", "--server\n--sender\n-ogtr\n.\nfiles/./.././secret\n"},
		{"in place", "files", "--server\n--sender\n--inplace\n-ogtr\n.\nfiles/\n"},
		{"writing", "files", "--server\n-ogtr\n.\nfiles/\n"},
		{"help", "files", "--server\n--sender\n--help\n.\nfiles/\n"},
		{"a file of rules", "files", "--server\n--sender\n--exclude-from=/etc/passwd\n-r\n.\nfiles/\n"},
		{"no path", "files", "--server\n--sender\n-r\n.\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", d.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			fmt.Fprintf(conn, "@RSYNCD: 27\n%s\n%s\n", c.module, c.args)
			fmt.Fprint(conn, "\x00\x00\x00\x00") // no rules
			answer, err := io.ReadAll(conn)
			if err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
				t.Fatal(err)
			}
			if bytes.Contains(answer, []byte("unspeakable")) || bytes.Contains(answer, []byte("root:")) || len(answer) > 200 {
				t.Errorf("answered %q", answer)
			}
		})
	}
	// And after all that others are served.
	if s := session(t, d.Addr().String(), "."); len(s.Files()) != 2 {
		t.Errorf("listed %v", s.Files())
	}
}

// TestHostileClient: a client that makes the daemon's process die harms nobody else.
func TestHostileClient(t *testing.T) {
	dir := tree(t, map[string][]byte{"f.wav": noise(10)})
	d := ours(t, dir)
	s := session(t, d.Addr().String(), ".")
	for _, ask := range [][]int32{{77, 0, 0, 0, 0}, {-7, 0, 0, 0, 0}, {1, 1 << 30, 700, 16, 0}, {1, 1, 0, 2, 0, 1, 1}} {
		bad := session(t, d.Addr().String(), ".")
		if err := bad.writeInts(ask...); err != nil {
			t.Fatal(err)
		}
		if err := bad.out.Flush(); err != nil {
			t.Fatal(err)
		}
		if ask[1] == 1<<30 {
			continue // it waits for the sums that never come
		}
		if _, err := io.Copy(io.Discard, bad.conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Error(err)
		}
	}
	if err := s.Fetch(nil, nil, nil); err != nil { // the first is still being served
		t.Error(err)
	}
	fetch(t, d.Addr().String(), ".", t.TempDir(), "f.wav")
}

// TestLimiter: a megabyte at two megabytes a second takes at least 0.4 s.
func TestLimiter(t *testing.T) {
	dir := tree(t, map[string][]byte{"f.wav": noise(1 << 20)})
	address := ours(t, dir, func(c *DaemonConfig) { c.Limiter = NewLimiter(2 << 20) }).Addr().String()
	start := time.Now()
	fetch(t, address, ".", t.TempDir(), "f.wav")
	if took := time.Since(start); took < 400*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// TestCancel: the end of the context ends a session that waits.
func TestCancel(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := Open(ctx, conn, "."); err == nil {
		t.Error("a session with somebody silent")
	}
}

// TestOnlyLooked: who lists and leaves is nothing to be warned of.
func TestOnlyLooked(t *testing.T) {
	dir := tree(t, map[string][]byte{"f.wav": noise(10)})
	var log lockedBuffer
	d := ours(t, dir, func(c *DaemonConfig) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, where := range []string{".", "2026/01/01"} {
		session(t, d.Addr().String(), where).Close()
	}
	fetch(t, d.Addr().String(), ".", t.TempDir(), "f.wav")
	time.Sleep(200 * time.Millisecond) // for the processes to end
	if text := log.String(); text != "" {
		t.Error(text)
	}
}

// lockedBuffer takes what several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}
