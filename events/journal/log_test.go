package journal

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func openLog(t testing.TB, s Store, o LogOptions) *Log {
	t.Helper()
	o.Journal, o.Node = "log.calls.n1", "n1"
	l, err := OpenLog(context.Background(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func newLogStore() *Memory { return NewMemory("LOG", "log.>") }

// inOrder checks that each writer's events stand in the journal once and in
// order.
func inOrder(t *testing.T, s Store, writers, each int) {
	t.Helper()
	next := make([]int, writers)
	_, err := Read(t.Context(), s, "log.calls.n1", Cursor{}, func(b Block) error {
		for _, e := range b.Events {
			var who, n int
			if _, err := fmt.Sscanf(string(e), "%d %d", &who, &n); err != nil {
				return err
			}
			if next[who] != n {
				return fmt.Errorf("writer %d: event %d comes where %d should", who, n, next[who])
			}
			next[who]++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for who, n := range next {
		if n != each {
			t.Errorf("writer %d: %d events of %d", who, n, each)
		}
	}
}

func TestLogKeepsOrderFromManyGoroutines(t *testing.T) {
	s := openStream(t, startServer(t, t.TempDir()), "LOG")
	const writers, each = 8, 400
	for round := range 2 {
		l := openLog(t, s, LogOptions{Queue: 4 << 10})
		var wg sync.WaitGroup
		for who := range writers {
			wg.Go(func() {
				for n := range each {
					if _, err := l.AppendWait(t.Context(), fmt.Appendf(nil, "%d %d", who, round*each+n)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if err := l.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := l.Stats(); st.Waiting != 0 || st.Events != writers*each || st.Blocks >= st.Events {
			t.Errorf("no group commit: %+v", st)
		}
		closeLog(t, l)
		if _, err := l.Append([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	inOrder(t, s, writers, 2*each)
}

func TestTicketNamesPositions(t *testing.T) {
	s := newLogStore()
	l := openLog(t, s, LogOptions{})
	want := uint64(1)
	for n := range 20 {
		events := make([][]byte, n%4)
		for i := range events {
			events[i] = []byte("e")
		}
		ticket, err := l.Append(events...)
		if err != nil {
			t.Fatal(err)
		}
		if n%5 == 0 {
			c, err := ticket.Wait(t.Context())
			if err != nil || c.First != want || c.Events != len(events) {
				t.Fatalf("%+v %v, want first %d", c, err, want)
			}
		}
		want += uint64(len(events))
	}
	closeLog(t, l)
}

func TestLogLimits(t *testing.T) {
	stuck := &faulty{Store: newLogStore(), next: func(int) fault { return lostSend }}
	l := openLog(t, stuck, LogOptions{Queue: 1000})
	if _, err := l.Append(make([]byte, MaxEvent+1)); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	big := make([]byte, MaxEvent)
	if _, err := l.Append(big, big, big, big, big, big, big, big); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	ticket, err := l.Append(make([]byte, 900))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(make([]byte, 200)); !errors.Is(err, ErrQueueFull) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.AppendWait(ctx, make([]byte, 200)); !errors.Is(err, ErrQueueFull) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := l.Close(ctx); !errors.Is(err, ErrInDoubt) {
		t.Errorf("the loss was not told: %v", err)
	}
	if _, err := ticket.Wait(t.Context()); !errors.Is(err, ErrInDoubt) {
		t.Error(err)
	}
}

func TestLogRepeatsThroughFaults(t *testing.T) {
	faults := []fault{fine, lostAck, lostSend, twice, unsure, late, lostAck, fine}
	s := newLogStore()
	l := openLog(t, &faulty{Store: s, next: func(n int) fault { return faults[n%len(faults)] }}, LogOptions{})
	for n := range 60 {
		if _, err := l.Append(fmt.Appendf(nil, "0 %d", n)); err != nil {
			t.Fatal(err)
		}
		if n%3 == 0 {
			if err := l.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeLog(t, l)
	inOrder(t, s, 1, 60)
}

func TestForeignWriterEndsTheLog(t *testing.T) {
	s := newLogStore()
	l := openLog(t, s, LogOptions{})
	write(t, openWriter(t, s, "log.calls.n1", nil), 1)
	ticket, err := l.Append([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticket.Wait(t.Context()); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if _, err := l.Append([]byte("y")); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
	if err := l.Close(t.Context()); !errors.Is(err, ErrFenced) {
		t.Error(err)
	}
}

// outage is a store that commits nothing while it is down; what arrives in the
// first moment of an outage is stored without anybody hearing of it.
func outage(s Store) (*faulty, *atomic.Bool) {
	down := new(atomic.Bool)
	first := true
	return &faulty{Store: s, next: func(int) fault {
		switch {
		case !down.Load():
			first = true
			return fine
		case first:
			first = false
			return lostSend
		}
		return lostSend
	}}, down
}

func TestSpoolBridgesAnOutage(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			mem := newLogStore()
			f, down := outage(mem)
			o := LogOptions{SpoolDir: t.TempDir(), SpoolAfter: 10 * time.Millisecond, Heads: openHeads(t, t.TempDir())}
			l := openLog(t, f, o)
			n := 0
			put := func(spooled bool) {
				t.Helper()
				ticket, err := l.Append(fmt.Appendf(nil, "0 %d", n))
				if err != nil {
					t.Fatal(err)
				}
				n++
				if c, err := ticket.Wait(t.Context()); err != nil || c.Spooled != spooled || c.Position != uint64(n) {
					t.Fatalf("%+v %v", c, err)
				}
			}
			put(false)
			down.Store(true)
			put(true)
			put(true)
			put(true)
			if st := l.Stats(); st.Spooled != 3 || st.End.Number != 1 {
				t.Fatalf("%+v", st)
			}
			if restart {
				closeLog(t, l)
			}
			down.Store(false)
			if restart {
				l = openLog(t, f, o)
			}
			put(false)
			closeLog(t, l)
			inOrder(t, mem, 1, n)
			if _, err := Open(t.Context(), mem, o.Heads); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestFullSpoolHoldsBack(t *testing.T) {
	mem := newLogStore()
	f, down := outage(mem)
	down.Store(true)
	l := openLog(t, f, LogOptions{SpoolDir: t.TempDir(), SpoolAfter: time.Millisecond, SpoolLimit: 600, Queue: 200})
	n := 0
	for ; n < 1000; n++ {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		_, err := l.AppendWait(ctx, fmt.Appendf(nil, "0 %d", n))
		cancel()
		if errors.Is(err, ErrQueueFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n == 0 || n == 1000 {
		t.Fatalf("%d events were taken", n)
	}
	down.Store(false)
	closeLog(t, l)
	inOrder(t, mem, 1, n)
}
