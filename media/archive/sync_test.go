package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollbook/tollbook/media/rsync"
)

func noise(n int) string {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)})
	b := make([]byte, n)
	_, _ = r.Read(b) // never fails
	return string(b)
}

func identity(t *testing.T, of string) *rsync.Identity {
	t.Helper()
	secret := sha256.Sum256([]byte(of))
	id, err := rsync.NewIdentity(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// serve lets others pull from a store.
func (r *rig) serve(id *rsync.Identity, limit int64) *rsync.Daemon {
	r.t.Helper()
	d, err := rsync.Listen("127.0.0.1:0", rsync.DaemonConfig{
		Command: []string{os.Args[0], "serve", r.Tree()}, TLS: id.TLS(), Limiter: rsync.NewLimiter(limit), Log: r.config.Log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			r.t.Error(err)
		}
	})
	return d
}

// sync copies from a node until the end of the test, or until stop.
func (r *rig) sync(id *rsync.Identity, from ...Peer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	store := r.Store
	go func() {
		done <- store.Sync(ctx, SyncConfig{Peers: func() []Peer { return from }, Identity: id, Every: 10 * time.Millisecond})
	}()
	stopped := false
	stop = func() {
		if cancel(); !stopped {
			stopped = true
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
	}
	r.t.Cleanup(stop)
	return stop
}

func node(name string) func(*Config) { return func(c *Config) { c.Node = name } }

func (r *rig) content(n Name) string {
	data, err := os.ReadFile(r.path(n))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

func (r *rig) mismatches() (n int) {
	for _, e := range r.recorded() {
		if e.GetFileMismatched() != nil {
			n++
		}
	}
	return n
}

// TestSync: what a node makes comes to the other, by day and from long ago, with its
// hashes; what is unfinished does not.
func TestSync(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	id := identity(t, "a")
	old := one.make(Recording, call(-60*24*40), 1, noise(50_000))
	before := one.make(Capture, call(1), 1, noise(100_000))
	open, err := one.Create(Recording, call(2), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open.Write([]byte("unfinished")); err != nil {
		t.Fatal(err)
	}
	two.sync(id, Peer{"n1", one.serve(id, 0).Addr().String()})
	eventually(t, func() bool { return two.there(before.Name) && two.there(old.Name) })
	var many []Made
	for i := range maxBatch + 10 {
		many = append(many, one.make(Recording, call(10+i), 1, noise(100+i)))
	}
	for _, m := range append(many, old, before) {
		eventually(t, func() bool { return two.there(m.Name) })
		if two.content(m.Name) != one.content(m.Name) {
			t.Fatalf("%s came out differently", m.Name)
		}
	}
	if two.there(open.Name()) {
		t.Fatal("an unfinished file was copied")
	}
	open.Abandon()
	sums, err := os.ReadFile(filepath.Join(two.Tree(), before.Name.Dir(), Sums))
	if err != nil || ParseSums(sums)[before.Name.Base()] != before.SHA256 {
		t.Fatalf("the copies' hashes are %q, %v", sums, err)
	}
	if two.Held(Recording) != one.Held(Recording) || two.mismatches() != 0 {
		t.Fatalf("%d bytes of %d, %d mismatches", two.Held(Recording), one.Held(Recording), two.mismatches())
	}
}

// TestSyncResumes: a copy that was cut off goes on where it was.
func TestSyncResumes(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	id := identity(t, "a")
	made := one.make(Recording, call(1), 1, noise(3<<20))
	slow := one.serve(id, 1<<20)
	stop := two.sync(id, Peer{"n1", slow.Addr().String()})
	eventually(t, func() bool {
		info, err := os.Stat(two.arriving(made.Name))
		return err == nil && info.Size() > 200_000
	})
	stop()
	two.Store.Close()
	if two.there(made.Name) {
		t.Skip("the machine was too slow to stop it in the middle")
	}
	info, err := os.Stat(two.arriving(made.Name))
	if err != nil {
		t.Fatal(err)
	}
	had := info.Size()
	two.reopen(node("n2"))
	if n, err := two.Recover(func(*File) (Details, error) { return Details{}, errors.New("not ours") }); n != 0 || err != nil {
		t.Fatalf("recovered %d, %v", n, err)
	}
	began := time.Now()
	two.sync(id, Peer{"n1", slow.Addr().String()})
	eventually(t, func() bool { return two.there(made.Name) })
	if two.content(made.Name) != one.content(made.Name) {
		t.Fatal("it came out differently")
	}
	t.Logf("%d of %d bytes were there; the rest took %v", had, made.Size, time.Since(began))
}

// TestMend: a copy that was damaged is found and mended, with its original alone
// deciding what is right; the original is mended from the copy.
func TestMend(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	id := identity(t, "a")
	atOne, atTwo := one.serve(id, 0).Addr().String(), two.serve(id, 0).Addr().String()
	two.sync(id, Peer{"n1", atOne})
	one.sync(id, Peer{"n2", atTwo})
	made := one.make(Recording, call(1), 1, noise(500_000))
	eventually(t, func() bool { return two.there(made.Name) })
	want := one.content(made.Name)
	for _, r := range []*rig{two, one} {
		flip(t, r.path(made.Name))
		if err := r.Mend(t.Context(), made.Name); err != nil {
			t.Fatalf("mend at %s: %v", r.config.Node, err)
		}
		if r.content(made.Name) != want {
			t.Fatalf("not mended at %s", r.config.Node)
		}
		if r.mismatches() != 1 || r.Held(Recording) != 500_000 {
			t.Fatalf("%d mismatches, %d bytes held", r.mismatches(), r.Held(Recording))
		}
	}
	// Damaged on both: it stays as it is, and nobody takes it for right.
	flip(t, one.path(made.Name))
	flip(t, two.path(made.Name))
	if err := two.Mend(t.Context(), made.Name); err == nil {
		t.Fatal("mended out of nothing")
	}
	if !two.there(made.Name) {
		t.Fatal("what cannot be mended went away")
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x40
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSyncRefusesDamage: what is damaged at its origin is not taken, is said, and is
// not asked for without end.
func TestSyncRefusesDamage(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	id := identity(t, "a")
	made := one.make(Recording, call(1), 1, noise(5000))
	good := one.make(Recording, call(0), 1, noise(4000))
	flip(t, one.path(made.Name))
	two.sync(id, Peer{"n1", one.serve(id, 0).Addr().String()})
	eventually(t, func() bool { return two.there(good.Name) && two.mismatches() == maxWrong })
	time.Sleep(100 * time.Millisecond) // several more rounds
	if two.there(made.Name) || two.mismatches() != maxWrong {
		t.Fatalf("%d mismatches", two.mismatches())
	}
}

// TestFetch: a file that has not arrived is fetched at once, by many at a time, from
// its origin or from who has a copy.
func TestFetch(t *testing.T) {
	one, two, three := newRig(t), newRig(t, node("n2")), newRig(t, node("n3"))
	id := identity(t, "a")
	d1, d2 := one.serve(id, 0), two.serve(id, 0)
	two.sync(id, Peer{"n1", d1.Addr().String()})
	made := one.make(Recording, call(-60*24*7), 1, noise(50_000))
	if err := two.Fetch(t.Context(), made.Name); err != nil {
		t.Fatal(err)
	}
	if err := d1.Close(); err != nil {
		t.Fatal(err)
	}
	three.peers.Store(&SyncConfig{Identity: id, Peers: func() []Peer { return []Peer{{"n2", d2.Addr().String()}, {"n1", d1.Addr().String()}} }})
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- three.Fetch(t.Context(), made.Name) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if three.content(made.Name) != one.content(made.Name) {
		t.Fatal("it came out differently")
	}
	other := made.Name
	other.Part = 7
	if err := three.Fetch(t.Context(), other); err == nil {
		t.Fatal("fetched what there is not")
	}
	three.peers.Store(nil)
	if err := three.Fetch(t.Context(), other); !errors.Is(err, ErrNotFound) {
		t.Fatalf("without peers: %v", err)
	}
}

// TestExpectedDecides: an event's hash counts more than what a peer has written down.
func TestExpectedDecides(t *testing.T) {
	one := newRig(t)
	two := newRig(t, node("n2"), func(c *Config) {
		c.Expected = func(context.Context, Name) ([32]byte, bool, error) { return [32]byte{1}, true, nil }
	})
	id := identity(t, "a")
	made := one.make(Recording, call(1), 1, noise(5000))
	two.sync(id, Peer{"n1", one.serve(id, 0).Addr().String()})
	eventually(t, func() bool { return two.mismatches() == maxWrong })
	if two.there(made.Name) {
		t.Fatal("taken although its event says otherwise")
	}
}

// TestSyncKeepsLimits: what would be removed again is not copied.
func TestSyncKeepsLimits(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	two.limits = Limits{CaptureAge: 24 * time.Hour, RecordingBytes: 25}
	id := identity(t, "a")
	var recordings []Made
	for i := range 5 {
		recordings = append(recordings, one.make(Recording, call(i), 1, noise(10)))
	}
	old := one.make(Capture, call(-60*24*7), 1, noise(10))
	two.sync(id, Peer{"n1", one.serve(id, 0).Addr().String()})
	eventually(t, func() bool { return two.there(recordings[4].Name) && two.there(recordings[3].Name) })
	last := one.make(Recording, call(10), 1, noise(10)) // the newest makes room
	eventually(t, func() bool { return two.there(last.Name) })
	if err := two.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	for i, m := range recordings {
		if two.there(m.Name) != (i == 4) {
			t.Errorf("recording %d is there: %v", i, two.there(m.Name))
		}
	}
	if two.there(old.Name) {
		t.Error("an old capture was copied")
	}
}

// TestSyncByOthers: who does not have the cluster's key gets nothing, and a node that
// fails is tried again.
func TestSyncByOthers(t *testing.T) {
	one, two := newRig(t), newRig(t, node("n2"))
	made := one.make(Recording, call(1), 1, noise(10))
	at := one.serve(identity(t, "a"), 0).Addr().String()
	stop := two.sync(identity(t, "b"), Peer{"n1", at})
	time.Sleep(100 * time.Millisecond)
	stop()
	if two.there(made.Name) {
		t.Fatal("given to somebody else")
	}
	two.sync(identity(t, "a"), Peer{"n1", at}, Peer{"n9", "127.0.0.1:1"})
	eventually(t, func() bool { return two.there(made.Name) })
}

func TestParseSums(t *testing.T) {
	a, b := sha256.Sum256([]byte("a")), sha256.Sum256([]byte("b"))
	text := fmt.Sprintf("%x  x.wav\nnoise\n%x  y.wav\n%x  x.wav\n%x", a, a, b, a[:7])
	got := ParseSums([]byte(text))
	if len(got) != 2 || got["x.wav"] != b || got["y.wav"] != a {
		t.Fatalf("got %x", got)
	}
	if len(ParseSums(bytes.Repeat([]byte{0}, 100))) != 0 {
		t.Fatal("noise is taken for hashes")
	}
}

// TestPeersComeAndGo: who is named later is copied from then on, who is not named any more is
// left alone.
func TestPeersComeAndGo(t *testing.T) {
	one, two, three := newRig(t), newRig(t, node("n2")), newRig(t, node("n3"))
	id := identity(t, "a")
	peers := []Peer{{"n1", one.serve(id, 0).Addr().String()}, {"n2", two.serve(id, 0).Addr().String()}}
	var named atomic.Int32
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- three.Sync(ctx, SyncConfig{Peers: func() []Peer { n := named.Load(); return peers[n/2 : (n+1)/2] }, Identity: id, Every: 10 * time.Millisecond})
	}()
	first, second := one.make(Recording, call(5), 1, noise(5000)), two.make(Recording, call(4), 1, noise(5000))
	time.Sleep(50 * time.Millisecond)
	if three.there(first.Name) || three.there(second.Name) {
		t.Fatal("a file came from nobody")
	}
	named.Store(1) // the first
	eventually(t, func() bool { return three.there(first.Name) })
	named.Store(3) // the second alone
	eventually(t, func() bool { return three.there(second.Name) })
	third := one.make(Recording, call(3), 1, noise(5000))
	time.Sleep(100 * time.Millisecond)
	if three.there(third.Name) {
		t.Error("a file came from a node that is not named any more")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
