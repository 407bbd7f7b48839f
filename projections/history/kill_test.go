package history

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
)

// killDir names the directory that TestKilledWriter writes to when it is the child.
const killDir = "TOLLBOOK_HISTORY_KILL_DIR"

// killWorld is the same in parent and child.
func killWorld() *world {
	w := newWorld()
	for i := range int64(300) {
		p := answeredPlan(noonUS+i*hourUS/4, int(i%3))
		p.attempts = 1 + int(i%2)
		w.call(p)
	}
	return w
}

// follow applies what the checkpoint leaves of the events, in small batches.
func follow(s *Store, events []events.Recorded) error {
	cursor, err := s.Checkpoint("all")
	if err != nil {
		return err
	}
	next := 0
	if cursor != nil {
		next = int(binary.BigEndian.Uint32(cursor))
	}
	for next < len(events) {
		end := min(next+7, len(events))
		cursors := map[string][]byte{"all": binary.BigEndian.AppendUint32(nil, uint32(end))}
		if err := s.Apply(context.Background(), events[next:end], cursors); err != nil {
			return err
		}
		next = end
	}
	return nil
}

// TestKilledWriter kills a process that applies events, again and again, until
// one of them comes to the end. The store must be as if nothing had happened.
func TestKilledWriter(t *testing.T) {
	events := killWorld().both()
	if dir := os.Getenv(killDir); dir != "" {
		s, err := Open(dir, Options{WorkingSet: 5, OpenDays: 2})
		if err == nil {
			err = follow(s, events)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	dir, kills := t.TempDir(), 0
	for patience := 40 * time.Millisecond; ; patience += 40 * time.Millisecond {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
		child.Env = append(os.Environ(), killDir+"="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- child.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(patience):
			kills++
			_ = child.Process.Kill()
			<-ended
			continue
		}
		break
	}
	plain := openTest(t, t.TempDir(), Options{})
	apply(t, plain, events)
	if diff := cmp.Diff(dump(t, plain), dump(t, openTest(t, dir, Options{}))); diff != "" {
		t.Errorf("after %d kills (-plain +killed):\n%s", kills, diff)
	}
	t.Logf("%d kills", kills)
}
