package archive

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// removals are what was removed and why.
func (r *rig) removals() map[string]wire.RemovalReason {
	out := map[string]wire.RemovalReason{}
	for _, e := range r.recorded() {
		if f := e.GetFileRemoved(); f != nil {
			out[f.GetNode()+"/"+f.GetName()] = f.GetWhy()
		}
	}
	return out
}

func TestSweepByAge(t *testing.T) {
	r := newRig(t)
	old := r.make(Recording, call(0), 1, "old")
	young := r.make(Recording, call(60*24*3), 1, "young")
	pcap := r.make(Capture, call(0), 1, "pcap")
	r.now = day.Add(3 * 24 * time.Hour)
	r.limits.RecordingAge = 2 * 24 * time.Hour
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r.there(old.Name) || !r.there(young.Name) || !r.there(pcap.Name) {
		t.Fatal("the wrong files are there")
	}
	got := r.removals()
	if len(got) != 1 || got[old.Name.String()] != wire.RemovalReason_REMOVAL_REASON_AGE {
		t.Fatalf("removed %v", got)
	}
	if r.Held(Recording) != 5 {
		t.Fatalf("held %d bytes", r.Held(Recording))
	}
	r.limits.CaptureAge = 24 * time.Hour
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(r.path(old.Name))); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the empty day is still there: %v", err)
	}
}

func TestSweepBySize(t *testing.T) {
	r := newRig(t)
	var made []Made
	for i := range 5 {
		made = append(made, r.make(Recording, call(i*60*24), 1, strings.Repeat("x", 10)))
	}
	r.limits.RecordingBytes = 25
	if err := r.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, m := range made {
		if got, want := r.there(m.Name), i >= 3; got != want {
			t.Errorf("file %d is there: %v", i, got)
		}
	}
	if got := r.removals(); len(got) != 3 || got[made[0].Name.String()] != wire.RemovalReason_REMOVAL_REASON_SIZE {
		t.Fatalf("removed %v", got)
	}
	// What lies there counts after a restart too.
	r.reopen()
	if r.Held(Recording) != 20 {
		t.Fatalf("held %d bytes", r.Held(Recording))
	}
}

// TestSweepSaysFirst: what cannot be said is not removed.
func TestSweepSaysFirst(t *testing.T) {
	r := newRig(t)
	made := r.make(Recording, call(0), 1, "old")
	r.mu.Lock()
	r.limits.RecordingBytes, r.deaf = 1, true
	r.mu.Unlock()
	if err := r.Sweep(t.Context()); err == nil {
		t.Fatal("a sweep that could not be recorded is no error")
	}
	if !r.there(made.Name) {
		t.Fatal("a file went away without an event")
	}
}
