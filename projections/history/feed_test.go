package history

import (
	"testing"

	"github.com/tollbook/tollbook/events"
)

// TestTheFeedTellsWhatBecameComplete: calls are told when they are complete, until they
// are struck out, again when they change, and all of them where the feed is new.
func TestTheFeedTellsWhatBecameComplete(t *testing.T) {
	w := newWorld()
	open := answeredPlan(noonUS+1, 1)
	open.unfinished = true
	done := w.call(answeredPlan(noonUS, 0))
	w.call(open)
	dir := t.TempDir()
	s, err := Open(dir, Options{Feed: true})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, s, w.log)
	tells(t, s)
	apply(t, s, w.book)
	fed := tells(t, s, done)
	apply(t, s, append(w.book, w.log...)) // says nothing new
	if err := s.Strike(t.Context(), fed); err != nil {
		t.Fatal(err)
	}
	tells(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	without := openAgain(t, dir, Options{})
	second := w.call(answeredPlan(noonUS+2, 0))
	apply(t, without, append(w.log, w.book...))
	if err := without.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir, Options{Feed: true})
	fed, err = s.Fed(t.Context(), 100)
	if err != nil || len(fed.Calls) != 3 {
		t.Fatal(fed, err)
	}
	rows, err := s.Complete(t.Context(), fed.Day, fed.Calls)
	if err != nil || len(rows) != 4 || rows[0].Call != done || rows[3].Call != second {
		t.Fatal("an open call has no complete CDR: ", len(rows), err)
	}
	between, err := s.CompleteBetween(t.Context(), noonUS, noonUS+1000)
	if err != nil || len(between) != 4 {
		t.Fatal(len(between), err)
	}
}

func openAgain(t *testing.T, dir string, options Options) *Store {
	t.Helper()
	s, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tells says whether the feed tells these calls and no others.
func tells(t *testing.T, s *Store, want ...events.CallID) Fed {
	t.Helper()
	fed, err := s.Fed(t.Context(), 100)
	if err != nil || len(fed.Calls) != len(want) {
		t.Fatal(fed, err)
	}
	for i := range want {
		if fed.Calls[i] != want[i] {
			t.Fatalf("told %v, not %v", fed.Calls, want)
		}
	}
	return fed
}
