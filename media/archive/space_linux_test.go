package archive

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk is a file system of its own with little space.
func smallDisk(t *testing.T, bytes string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes); err != nil {
		t.Skipf("a small disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// storage are the alerts about the disk, in their order.
func (r *rig) storage() (full []bool) {
	for _, e := range r.recorded() {
		if s := e.GetFileStorageChanged(); s != nil {
			full = append(full, s.GetFull())
		}
	}
	return full
}

func (r *rig) watch() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Watch(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
}

// TestFullDisk: the disk runs full in the middle of a file. The file ends truncated
// and keeps what it has, no new one is begun, one alert is raised; when there is
// space again that is said too, and new files are made.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "1m")
	r := newRig(t, func(c *Config) { c.Dir = dir })
	defer r.Store.Close() // before the disk goes away
	stop := r.watch()
	defer stop()
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 700_000), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for range 200 {
		n, err := f.Write(make([]byte, 4000))
		written += n
		if err != nil {
			break
		}
	}
	if f.failed == nil || !errors.Is(f.failed, unix.ENOSPC) {
		t.Fatalf("the disk took everything: %v", f.failed)
	}
	if _, err := f.WriteAt([]byte("head"), 0); err == nil {
		t.Fatal("written to a file that has failed")
	}
	if _, err := r.Create(Recording, call(2), 1); !errors.Is(err, ErrFull) {
		t.Fatalf("a new file on a full disk: %v", err)
	}
	eventually(t, func() bool { return len(r.storage()) == 1 })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	made, err := f.Finish(Details{})
	if err != nil {
		t.Fatal(err)
	}
	if !made.Truncated || made.Size != int64(written) || made.Size < 200_000 {
		t.Fatalf("made %+v of %d bytes written", made, written)
	}
	eventually(t, func() bool { return r.there(made.Name) })
	r.mu.Lock()
	r.now = day.Add(time.Minute) // the disk is left alone for a while
	r.mu.Unlock()
	eventually(t, func() bool { return !r.Full() })
	r.make(Recording, call(2), 1, "x")
	if got := r.storage(); len(got) != 2 || !got[0] || got[1] {
		t.Fatalf("the alerts are %v", got)
	}
}

// TestFloor: below the floor no new file is begun, those that are open go on.
func TestFloor(t *testing.T) {
	dir := smallDisk(t, "1m")
	r := newRig(t, func(c *Config) { c.Dir, c.FloorBytes = dir, 500_000 })
	defer r.Store.Close()
	stop := r.watch()
	defer stop()
	f, err := r.Create(Recording, call(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 600_000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, r.Full)
	if _, err := r.Create(Recording, call(2), 1); !errors.Is(err, ErrFull) {
		t.Fatalf("a new file below the floor: %v", err)
	}
	if _, err := f.Write([]byte("more")); err != nil {
		t.Fatal(err)
	}
	f.Abandon()
	eventually(t, func() bool { return !r.Full() })
	if got := r.storage(); len(got) != 2 || !got[0] || got[1] {
		t.Fatalf("the alerts are %v", got)
	}
}
