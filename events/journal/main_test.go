package journal

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is when the tests' blocks are cut.
func noon() time.Time { return time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC) }

func startServer(t testing.TB, dir string) *cluster.Server {
	t.Helper()
	s, err := cluster.Start(context.Background(), cluster.Options{Dir: dir, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func openStream(t testing.TB, s *cluster.Server, name string) *Stream {
	t.Helper()
	st, err := OpenStream(context.Background(), s.Conn(), name)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func openHeads(t testing.TB, dir string) *Heads {
	t.Helper()
	h, err := OpenHeads(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func openWriter(t testing.TB, s Store, journal string, h *Heads) *Writer {
	t.Helper()
	w, err := OpenWriter(context.Background(), s, WriterOptions{Journal: journal, Node: "n1", Heads: h})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// event is the i-th event of the tests.
func event(i int) []byte { return fmt.Appendf(nil, "event %d of a journal", i) }

// write appends n blocks of two events each.
func write(t testing.TB, w *Writer, n int) Committed {
	t.Helper()
	var c Committed
	for range n {
		at := int(w.Cursor().Next())
		var err error
		if c, err = w.Append(context.Background(), noon(), 1, [][]byte{event(at), event(at + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// readAll reads a journal and checks the events that write wrote.
func readAll(t testing.TB, s Store, journal string, from Cursor) (Cursor, int) {
	t.Helper()
	blocks := 0
	end, err := Read(context.Background(), s, journal, from, func(b Block) error {
		blocks++
		for i, e := range b.Events {
			if string(e) != string(event(int(b.First)+i)) {
				return fmt.Errorf("position %d holds %q", int(b.First)+i, e)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return end, blocks
}

func memory(t testing.TB) Store { return NewMemory("BOOK", "book") }
