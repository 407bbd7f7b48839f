package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/rsync"
)

// TestMain lets the test's program be the process of a daemon's connection.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := rsync.Serve(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// rig is a store with its events.
type rig struct {
	*Store
	t      *testing.T
	dir    string
	limits Limits

	mu     sync.Mutex
	events []*wire.Event
	// deaf makes recording fail.
	deaf bool
	now  time.Time
}

var day = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func newRig(t *testing.T, set ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: day}
	r.reopen(set...)
	return r
}

func (r *rig) reopen(set ...func(*Config)) {
	r.t.Helper()
	c := Config{
		Dir: r.dir, Node: "n1", Record: r.record, Now: r.clock, Look: 20 * time.Millisecond,
		Limits: func() Limits {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.limits
		},
	}
	for _, f := range set {
		f(&c)
	}
	r.dir = c.Dir
	var err error
	if r.Store, err = Open(c); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(r.Store.Close)
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) record(_ context.Context, list ...*wire.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.deaf {
		return errors.New("the log is away")
	}
	r.events = append(r.events, list...)
	return nil
}

func (r *rig) recorded() []*wire.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// call is the id of the n-th call, n minutes before noon of the day.
func call(n int) string {
	return events.NewCallID(day.Add(time.Duration(n)*time.Minute), [10]byte{byte(n)}).String()
}

// make makes a file of some bytes and waits until it is on its shelf.
func (r *rig) make(kind Kind, id string, part int, data string) Made {
	r.t.Helper()
	f, err := r.Create(kind, id, part)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := f.Write([]byte(data)); err != nil {
		r.t.Fatal(err)
	}
	made, err := f.Finish(Details{Codec: "PCMU"})
	if err != nil {
		r.t.Fatal(err)
	}
	eventually(r.t, func() bool { return r.there(made.Name) })
	return made
}

func (r *rig) there(n Name) bool {
	_, err := os.Stat(r.path(n))
	return err == nil
}

func eventually(t *testing.T, true func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !true(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not happen within 30 seconds")
		}
	}
}

func TestFinish(t *testing.T) {
	r := newRig(t)
	f, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("RIFF....data")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("size"), 4); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(r.Tree(), "n1", "*")); len(names) != 0 {
		t.Fatalf("an unfinished file is in the tree: %v", names)
	}
	if _, err := r.Create(Recording, call(1), 1); !errors.Is(err, ErrExists) {
		t.Fatalf("the same part again: %v", err)
	}
	d := Details{Codec: "PCMU", From: day, To: day.Add(time.Minute), Paused: 1500 * time.Millisecond, Lost: 3}
	made, err := f.Finish(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Finish(d); !errors.Is(err, ErrClosed) {
		t.Fatalf("finished twice: %v", err)
	}
	eventually(t, func() bool { return r.there(made.Name) })
	want := sha256.Sum256([]byte("RIFFsizedata"))
	if made.SHA256 != want || made.Size != 12 {
		t.Fatalf("made %+v", made)
	}
	base := call(1) + "-1.wav"
	sums, err := os.ReadFile(filepath.Join(r.Tree(), "n1/2026/11/22", Sums))
	if err != nil || string(sums) != fmt.Sprintf("%x  %s\n", want, base) {
		t.Fatalf("the sums are %q, %v", sums, err)
	}
	list := r.recorded()
	if len(list) != 1 {
		t.Fatalf("%d events", len(list))
	}
	e := list[0].GetFileMade()
	if e.GetName() != "2026/11/22/"+base || e.GetNode() != "n1" || e.GetSize() != 12 || [32]byte(e.GetSha256()) != want ||
		e.GetPausedMs() != 1500 || e.GetLost() != 3 || e.GetToUs()-e.GetFromUs() != time.Minute.Microseconds() || e.GetTruncated() {
		t.Fatalf("the event is %v", e)
	}
	if _, err := r.Create(Recording, call(1), 1); !errors.Is(err, ErrExists) {
		t.Fatalf("the same part after the end: %v", err)
	}
	if r.Held(Recording) != 12 || r.Held(Capture) != 0 {
		t.Fatalf("held %d and %d bytes", r.Held(Recording), r.Held(Capture))
	}
}

func TestAbandon(t *testing.T) {
	r := newRig(t)
	f, err := r.Create(Capture, call(1), 2)
	if err != nil {
		t.Fatal(err)
	}
	f.Abandon()
	if left, _ := os.ReadDir(r.parts()); len(left) != 0 {
		t.Fatalf("left behind: %v", left)
	}
	r.make(Capture, call(1), 2, "x")
}

func TestCreateRefusesStrangeNames(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		kind Kind
		call string
		part int
	}{{Recording, "../../etc/passwd", 1}, {Recording, "", 1}, {0, call(1), 1}, {Workbook + 1, call(1), 1}, {Recording, call(1), 0}, {Recording, call(1), 10000}} {
		if _, err := r.Create(c.kind, c.call, c.part); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
}

func TestOpenFilesAreBounded(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Open = 2 })
	first, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Create(Recording, call(2), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(Recording, call(3), 1); !errors.Is(err, ErrFull) {
		t.Fatalf("a third file: %v", err)
	}
	first.Abandon()
	second.Abandon()
	r.make(Recording, call(3), 1, "x")
}

// TestRecover: what a killed program left open is ended at the next start, and
// what it had said without putting it up is said again.
func TestRecover(t *testing.T) {
	r := newRig(t)
	f, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	empty, err := r.Create(Capture, call(2), 1)
	if err != nil {
		t.Fatal(err)
	}
	odd, err := r.Create(Capture, call(3), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(f.file.Close(), empty.file.Close(), odd.file.Close()) }()
	if err := os.WriteFile(filepath.Join(r.parts(), "notes.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.reopen() // as after a kill: nothing was closed
	n, err := r.Recover(func(f *File) (Details, error) {
		switch f.Name().Call.String() {
		case call(2):
			return Details{}, ErrNothing
		case call(3):
			return Details{}, errors.New("odd")
		}
		if _, err := f.WriteAt([]byte("H"), 0); err != nil {
			return Details{}, err
		}
		return Details{Codec: "PCMU"}, nil
	})
	if n != 1 || err != nil {
		t.Fatalf("recovered %d, %v", n, err)
	}
	eventually(t, func() bool { return r.there(f.name) })
	e := r.recorded()[0].GetFileMade()
	if !e.GetTruncated() || e.GetReason() != "killed" || [32]byte(e.GetSha256()) != sha256.Sum256([]byte("Half")) {
		t.Fatalf("the event is %v", e)
	}
	left, err := os.ReadDir(r.parts())
	if err != nil || len(left) != 2 { // the odd one and the stranger
		t.Fatalf("left: %v, %v", left, err)
	}
}

// TestEventBeforePlace: a file whose event cannot be recorded does not appear.
func TestEventBeforePlace(t *testing.T) {
	r := newRig(t)
	r.deaf = true
	f, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	made, err := f.Finish(Details{})
	if err != nil {
		t.Fatal(err)
	}
	r.Store.Close()
	if r.there(made.Name) {
		t.Fatal("a file that nobody knows of")
	}
	r.mu.Lock()
	r.deaf = false
	r.mu.Unlock()
	r.reopen()
	if n, err := r.Recover(func(*File) (Details, error) { return Details{}, nil }); n != 1 || err != nil {
		t.Fatalf("recovered %d, %v", n, err)
	}
	eventually(t, func() bool { return r.there(made.Name) })
}

// TestSumsAfterACrash: a line that a crash cut off does not spoil the next.
func TestSumsAfterACrash(t *testing.T) {
	r := newRig(t)
	r.make(Recording, call(1), 1, "x")
	path := filepath.Join(r.Tree(), "n1/2026/11/22", Sums)
	if err := os.Truncate(path, 70); err != nil {
		t.Fatal(err)
	}
	made := r.make(Recording, call(2), 1, "y")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("\n%x  %s\n", made.SHA256, made.Name.Base())
	if got := string(data[70:]); got != want {
		t.Fatalf("behind the cut stands %q, not %q", got, want)
	}
}

func TestName(t *testing.T) {
	r := newRig(t)
	made := r.make(Capture, call(1), 12, "x")
	n, err := ParseName(made.Name.String())
	if err != nil || n != made.Name {
		t.Fatalf("%v, %v", n, err)
	}
	id := call(1)
	for _, bad := range []string{
		"", "n1", "n1/" + id + "-1.wav", "n1/2026/11/23/" + id + "-1.wav", "n1/2026/11/22/" + id + "-0.wav", "n1/2026/11/22/" + id + "-01.wav",
		"../n1/2026/11/22/" + id + "-1.wav", "N1/2026/11/22/" + id + "-1.wav", "n1/2026/11/22/" + id + "-1.mp3", "n1/2026/11/22/./" + id + "-1.wav",
		"n1/2026/11/22/x" + id[1:] + "-1.wav", "n1/2026/11/22/SHA256SUMS",
	} {
		if n, err := ParseName(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, n)
		}
	}
}
