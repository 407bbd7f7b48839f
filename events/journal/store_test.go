package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The one suite that every Store passes. make gives a new store for a subject
// and a way to open it again, nil when it cannot be.
func conform(t *testing.T, make func(t *testing.T, name string) (Store, func() Store)) {
	t.Run("book", func(t *testing.T) {
		s, reopen := make(t, "BOOK")
		conformBook(t, s)
		if reopen != nil {
			identity := s.Identity()
			s = reopen()
			if s.Identity() != identity {
				t.Errorf("identity was %q, is %q", identity, s.Identity())
			}
			conformContent(t, s, "book", 1, 2, 3)
			mustAppend(t, s, "book", 3, 4)
		}
	})
	t.Run("log", func(t *testing.T) {
		s, reopen := make(t, "LOG")
		conformLog(t, s)
		if reopen != nil {
			s = reopen()
		}
		conformPurge(t, s)
	})
	t.Run("live", func(t *testing.T) {
		s, _ := make(t, "LOG")
		conformLive(t, s)
	})
	t.Run("batches", func(t *testing.T) {
		s, _ := make(t, "LOG")
		conformBatches(t, s)
	})
}

func appendTo(s Store, subject string, expect uint64, n int) (Ack, error) {
	return s.Append(context.Background(), Append{
		Subject: subject, ID: fmt.Sprintf("%s.%d", subject, n), Expect: expect, Data: fmt.Appendf(nil, "%s %d", subject, n),
	})
}

func mustAppend(t *testing.T, s Store, subject string, expect, want uint64) {
	t.Helper()
	ack, err := appendTo(s, subject, expect, int(want))
	if err != nil || ack.Sequence != want {
		t.Fatalf("append behind %d: %+v, %v; want sequence %d", expect, ack, err, want)
	}
}

func conformContent(t *testing.T, s Store, subject string, want ...uint64) {
	t.Helper()
	messages, err := s.Read(t.Context(), subject, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []uint64
	for _, m := range messages {
		got = append(got, m.Sequence)
		id := fmt.Sprintf("%s.%d", subject, m.Sequence)
		if m.Subject != subject || m.ID != id || string(m.Data) != fmt.Sprintf("%s %d", subject, m.Sequence) {
			t.Errorf("message %+v", m)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sequences of %s: %s", subject, diff)
	}
}

func conformBook(t *testing.T, s Store) {
	if st, err := s.State(t.Context()); err != nil || st != (State{First: 1}) {
		t.Fatalf("empty: %+v %v", st, err)
	}
	if _, err := s.Last(t.Context(), "book"); !errors.Is(err, ErrNoMessage) {
		t.Fatal(err)
	}
	conformContent(t, s, "book")
	mustAppend(t, s, "book", 0, 1)
	mustAppend(t, s, "book", 1, 2)
	for _, expect := range []uint64{0, 1, 3} {
		if _, err := appendTo(s, "book", expect, 9); !errors.Is(err, ErrExpected) {
			t.Errorf("expect %d: %v", expect, err)
		}
	}
	mustAppend(t, s, "book", 2, 3)
	ack, err := appendTo(s, "book", 3, 2)
	if err != nil || !ack.Duplicate || ack.Sequence != 2 {
		t.Errorf("the same id: %+v %v", ack, err)
	}
	conformContent(t, s, "book", 1, 2, 3)
	m, err := s.Next(t.Context(), "book", 2)
	if diff := cmp.Diff(Message{Subject: "book", Sequence: 2, ID: "book.2", Data: []byte("book 2")}, m); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := s.Next(t.Context(), "book", 4); !errors.Is(err, ErrNoMessage) {
		t.Error(err)
	}
	if m, err := s.Last(t.Context(), "book"); err != nil || m.Sequence != 3 {
		t.Error(m, err)
	}
}

func conformLog(t *testing.T, s Store) {
	mustAppend(t, s, "log.calls.a", 0, 1)
	mustAppend(t, s, "log.calls.b", 0, 2)
	mustAppend(t, s, "log.calls.a", 1, 3)
	mustAppend(t, s, "log.calls.b", 2, 4)
	if _, err := appendTo(s, "log.calls.a", 4, 9); !errors.Is(err, ErrExpected) {
		t.Error(err)
	}
	conformContent(t, s, "log.calls.a", 1, 3)
	conformContent(t, s, "log.calls.b", 2, 4)
	if m, err := s.Next(t.Context(), "log.calls.b", 3); err != nil || m.Sequence != 4 {
		t.Error(m, err)
	}
	subjects, err := s.Subjects(t.Context())
	if diff := cmp.Diff([]string{"log.calls.a", "log.calls.b"}, subjects); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func conformPurge(t *testing.T, s Store) {
	if err := s.Purge(t.Context(), "log.calls.a", 99); err != nil {
		t.Fatal(err)
	}
	conformContent(t, s, "log.calls.a", 3)
	conformContent(t, s, "log.calls.b", 2, 4)
	if err := s.Purge(t.Context(), "log.calls.b", 2); err != nil {
		t.Fatal(err)
	}
	conformContent(t, s, "log.calls.b", 2, 4)
	mustAppend(t, s, "log.calls.a", 3, 5)
	if st, err := s.State(t.Context()); err != nil || st != (State{First: 2, Last: 5, Messages: 4}) {
		t.Errorf("%+v %v", st, err)
	}
}

func conformLive(t *testing.T, s Store) {
	live, err := s.Live("log.calls.a")
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, "log.calls.a", 0, 1)
	mustAppend(t, s, "log.calls.b", 0, 2)
	mustAppend(t, s, "log.calls.a", 1, 3)
	for _, want := range []uint64{1, 3} {
		select {
		case m := <-live.C:
			if m.Sequence != want || m.Subject != "log.calls.a" || m.ID != fmt.Sprintf("log.calls.a.%d", want) {
				t.Errorf("live %+v, want %d", m, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("message %d did not come", want)
		}
	}
	live.Stop()
}

func conformBatches(t *testing.T, s Store) {
	const n = 300
	data := make([]byte, 100<<10)
	for i := range uint64(n) {
		a := Append{Subject: "log.big", ID: fmt.Sprint(i), Expect: i, Data: data}
		if _, err := s.Append(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	var got []uint64
	for from := uint64(1); ; {
		messages, err := s.Read(t.Context(), "log.big", from)
		if err != nil {
			t.Fatal(err)
		}
		if len(messages) == 0 {
			break
		}
		for _, m := range messages {
			got = append(got, m.Sequence)
		}
		from = got[len(got)-1] + 1
	}
	if len(got) != n || !slices.IsSorted(got) {
		t.Errorf("read %d messages of %d", len(got), n)
	}
}

func TestMemory(t *testing.T) {
	conform(t, func(_ *testing.T, name string) (Store, func() Store) {
		return NewMemory(name, map[string]string{"BOOK": "book", "LOG": "log.>"}[name]), nil
	})
}

func TestStream(t *testing.T) {
	conform(t, func(t *testing.T, name string) (Store, func() Store) {
		dir := t.TempDir()
		srv := startServer(t, dir)
		reopen := func() Store {
			srv.Stop()
			return openStream(t, startServer(t, dir), name)
		}
		return openStream(t, srv, name), reopen
	})
}
