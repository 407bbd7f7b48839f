package history

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
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
		"a missing CDR":   {"DELETE FROM cdrs WHERE leg = 0", "leg 0 is missing"},
		"a CDR too many":  {"UPDATE cdrs SET leg = 7 WHERE leg = 1", "leg 7 stands in the history"},
		"another answer":  {"UPDATE cdrs SET sip_code = 486 WHERE leg = 1", "sip_code is \"486\" in the table"},
		"another company": {"UPDATE cdrs SET company = 'x' WHERE leg = 1", "company is \"x\" in the table"},
	} {
		s := build()
		inDay(t, s, func(w *writer) error { return w.exec(t.Context(), c.sql) })
		if _, err := Compare(t.Context(), s, want); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := build()
	inDay(t, s, func(w *writer) error { return talkLonger(t.Context(), w) })
	if _, err := Compare(t.Context(), s, want); err == nil || !strings.Contains(err.Error(), "raw_ms is") {
		t.Errorf("a longer call: %v", err)
	}
}

// inDay changes a store's first day behind its back.
func inDay(t *testing.T, s *Store, do func(*writer) error) {
	t.Helper()
	f, err := s.days.acquire(s.days.days()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(f.writer), s.days.release(f)); err != nil {
		t.Fatal(err)
	}
}

// talkLonger changes the events of a file's newest call.
func talkLonger(ctx context.Context, w *writer) error {
	id, err := newestCall(ctx, w)
	if err != nil {
		return err
	}
	var records []record
	err = w.query(ctx, "SELECT events FROM calls WHERE call = ?", []driver.Value{id[:]}, func(v []driver.Value) (err error) {
		records, err = unpack(bytes.Clone(v[0].([]byte)))
		return err
	})
	if err != nil {
		return err
	}
	for i := range records {
		if ended := records[i].event.GetLegEnded(); ended != nil {
			ended.RawMs++
			if records[i].raw, err = proto.Marshal(records[i].event); err != nil {
				return err
			}
		}
	}
	return w.exec(ctx, moreCall, pack(records, nil), id[:])
}
