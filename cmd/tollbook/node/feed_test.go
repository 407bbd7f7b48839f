package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/wire"
)

// TestFeed writes more than a slow reader's queue holds: he gets every block once,
// in order, those before he came and those that he missed included.
func TestFeed(t *testing.T) {
	const name, blocks = "log.calls.n1", 4 * feedLength
	store := journal.NewMemory("LOG", "log.>")
	w, err := journal.OpenWriter(t.Context(), store, journal.WriterOptions{Journal: name, Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := events.Marshal(&wire.Event{Actor: "test"})
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(store, name)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	write := func(n int) {
		t.Helper()
		for range n {
			if _, err := w.Append(ctx, time.Now(), 1, [][]byte{data}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(3)
	followed := make(chan error, 1)
	go func() {
		_, err := journal.Follow(ctx, store, name, journal.Cursor{}, func(b journal.Block) error {
			evs, err := b.Decode()
			if err == nil {
				f.offer(recordedBlock{b, b.Recorded(evs)})
			}
			return err
		})
		followed <- err
	}()
	next, done := uint64(1), errors.New("all were read")
	read := make(chan error, 1)
	go func() {
		read <- f.read(ctx, journal.Cursor{}, func(b recordedBlock) error {
			if b.Number != next || len(b.records) != 1 {
				t.Errorf("block %d with %d events, want block %d", b.Number, len(b.records), next)
			}
			if next < 5 {
				time.Sleep(50 * time.Millisecond) // the queue overflows meanwhile
			}
			if next++; next > 3+blocks {
				return done
			}
			return nil
		})
	}()
	write(blocks)
	if err := <-read; !errors.Is(err, done) {
		t.Errorf("block %d: %v", next, err)
	}
	stop()
	<-followed
}
