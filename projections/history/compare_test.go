package history

import (
	"strings"
	"testing"
)

func TestCompareFindsTheFirstDifference(t *testing.T) {
	build := func() *Store {
		s := openTest(t, t.TempDir(), Options{})
		w := newWorld()
		for i := range 40 {
			w.call(answeredPlan(noonUS+int64(i)*hourUS, i%3))
		}
		w.credit("acc-1", 5000, noonUS)
		w.closePeriod("acc-1", w.bookUS)
		apply(t, s, append(w.book, w.log...))
		return s
	}
	want := build()
	if n, err := Compare(t.Context(), build(), want); err != nil || n.CDRs < 80 || n.Entries < 100 || n.Periods != 1 {
		t.Fatalf("%+v %v", n, err)
	}
	for name, c := range map[string]struct{ sql, want string }{
		"an entry's amount": {"UPDATE entries SET amount_micro = amount_micro + 1 WHERE position = 2 AND idx = 0", "the entry 1 of position 2"},
		"a period's sum":    {"UPDATE periods SET credits_micro = credits_micro + 1", "the period of account acc-1"},
		"a missing period":  {"DELETE FROM periods", "the period of account acc-1"},
		"a missing entry":   {"DELETE FROM entries WHERE position = 2 AND idx = 1", "the entry 2 of position 2 is missing"},
	} {
		s := build()
		if err := s.book.exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		if _, err := Compare(t.Context(), s, want); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ sql, want string }{
		"a CDR's price":   {"UPDATE cdrs SET raw_ms = raw_ms + 1 WHERE leg = 1", "raw_ms is"},
		"a missing CDR":   {"DELETE FROM cdrs WHERE leg = 0", "leg 0 is missing"},
		"a CDR too many":  {"UPDATE cdrs SET leg = 7 WHERE leg = 1", "leg 7 stands in the history"},
		"another company": {"UPDATE cdrs SET vendor_company = 'x' WHERE leg = 1", "vendor_company is \"x\""},
	} {
		s := build()
		day := s.days.days()[0]
		f, err := s.days.acquire(day)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.writer.exec(t.Context(), c.sql); err != nil {
			t.Fatal(name, err)
		}
		if err := s.days.release(f); err != nil {
			t.Fatal(err)
		}
		if _, err := Compare(t.Context(), s, want); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
