package stores_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/sample"
	"github.com/tollbook/tollbook/projections/stores"
)

var noonUS = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC).UnixMicro()

const hourUS = 3600 * 1_000_000

// whole is a copy: another history that dropped nothing. That ClickHouse answers as a
// history does is tested beside the sink.
type whole struct {
	*history.Store
	current bool
	away    error
	reports int
}

func (w *whole) Current(time.Duration) bool { return w.current }

func (w *whole) CDRs(ctx context.Context, f history.Filter, p history.Page) (history.CDRPage, error) {
	if w.away != nil {
		return history.CDRPage{}, w.away
	}
	return w.Store.CDRs(ctx, f, p)
}

func (w *whole) Report(ctx context.Context, q history.ReportQuery) ([]history.ReportRow, error) {
	if w.reports++; w.away != nil {
		return nil, w.away
	}
	return w.Store.Report(ctx, q)
}

// pair is a history that dropped its first three days, and the copy of all of them.
func pair(t *testing.T) (*stores.Stores, *whole) {
	t.Helper()
	open := func() *history.Store {
		s, err := history.Open(t.TempDir(), history.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	}
	kept, copied, calls := open(), &whole{Store: open(), current: true}, sample.New()
	calls.Accounts = 4
	for i := range int64(120) {
		made := calls.Call(noonUS + i*hourUS)
		for _, s := range []*history.Store{kept, copied.Store} {
			if err := s.Apply(t.Context(), made, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if dropped, err := kept.DropDaysBefore(t.Context(), history.DayOf(noonUS+60*hourUS)); err != nil || len(dropped) != 3 {
		t.Fatal(dropped, err)
	}
	now := func() time.Time { return time.UnixMicro(noonUS + 130*hourUS) }
	return stores.New(kept, copied, 48*time.Hour, now, slog.New(slog.DiscardHandler)), copied
}

// TestPagesCrossTheEdge walks lists forth and back over the first day that is kept.
func TestPagesCrossTheEdge(t *testing.T) {
	s, copied := pair(t)
	no := false
	for _, f := range []history.Filter{
		{}, {Account: sample.Account(0)}, {Account: sample.Account(1)}, {Answered: &no}, {Partner: "co-" + sample.Account(0)},
		{FromUS: noonUS + 20*hourUS, ToUS: noonUS + 100*hourUS}, {ToUS: noonUS + 5*hourUS}, {FromUS: noonUS + 90*hourUS}, {Account: "nobody"},
	} {
		want := cursors(walk(t, copied, f, history.Page{First: 500}))
		for _, size := range []int{1, 7, 30, 500} {
			got := cursors(walk(t, s, f, history.Page{First: size}))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v, forth by %d: %s", f, size, diff)
			}
			got = cursors(walk(t, s, f, history.Page{Last: size}))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%+v, back by %d: %s", f, size, diff)
			}
		}
		var a, b bytes.Buffer
		if err := errors.Join(s.WriteCSV(t.Context(), &a, f), copied.WriteCSV(t.Context(), &b, f)); err != nil || a.String() != b.String() {
			t.Errorf("%+v: the files differ: %v", f, err)
		}
	}
}

func cursors(rows []history.CDR) (all []string) {
	for i := range rows {
		all = append(all, rows[i].Cursor())
	}
	return all
}

type lists interface {
	CDRs(context.Context, history.Filter, history.Page) (history.CDRPage, error)
}

// walk reads all pages from one end and returns the rows, newest first.
func walk(t *testing.T, from lists, f history.Filter, page history.Page) (rows []history.CDR) {
	t.Helper()
	for range 300 {
		got, err := from.CDRs(t.Context(), f, page)
		if err != nil {
			t.Fatal(err)
		}
		if page.Backward() {
			rows = slices.Concat(got.Rows, rows)
			page.Before = got.Start
		} else {
			rows = append(rows, got.Rows...)
			page.After = got.End
		}
		if page.Backward() && !got.HasPrevious || !page.Backward() && !got.HasNext {
			return rows
		}
		if len(got.Rows) == 0 {
			t.Fatalf("%+v has more, but no rows", page)
		}
	}
	t.Fatal("the list has no end")
	return nil
}

// TestTheCopyIsAway: what is kept is answered all the same.
func TestTheCopyIsAway(t *testing.T) {
	s, copied := pair(t)
	all := walk(t, s, history.Filter{}, history.Page{First: 500})
	oldest, newest := all[len(all)-1], all[0]
	if row, err := s.CDR(t.Context(), oldest.Call, oldest.Leg); err != nil || row != oldest {
		t.Error(row, err)
	}
	copied.away = errors.New("no route to host")
	if _, err := s.CDRs(t.Context(), history.Filter{}, history.Page{First: 500}); !errors.Is(err, stores.ErrAway) {
		t.Error(err)
	}
	if _, err := s.CDR(t.Context(), oldest.Call, oldest.Leg); !errors.Is(err, stores.ErrAway) {
		t.Error(err)
	}
	if page, err := s.CDRs(t.Context(), history.Filter{}, history.Page{First: 20}); err != nil || len(page.Rows) != 20 || !page.HasNext {
		t.Error(len(page.Rows), err)
	}
	if row, err := s.CDR(t.Context(), newest.Call, newest.Leg); err != nil || row != newest {
		t.Error(row, err)
	}
	if _, err := s.CDRs(t.Context(), history.Filter{}, history.Page{First: 5, After: "?"}); !errors.Is(err, history.ErrInvalid) {
		t.Error(err)
	}
}

// TestWhoReports: long reports are the copy's while it is up to date and there.
func TestWhoReports(t *testing.T) {
	s, copied := pair(t)
	long := history.ReportQuery{FromUS: noonUS, GroupBy: []history.Group{history.ByAccount}}
	short := history.ReportQuery{FromUS: noonUS + 100*hourUS, GroupBy: []history.Group{history.ByDay}}
	ask := func(q history.ReportQuery, want stores.Engine) []history.ReportRow {
		t.Helper()
		rows, engine, err := s.Report(t.Context(), q)
		if err != nil || engine != want || len(rows) == 0 {
			t.Errorf("%s answers %d rows, %v", engine, len(rows), err)
		}
		return rows
	}
	ask(short, stores.Embedded)
	far := ask(long, stores.ClickHouse)
	copied.current = false
	if diff := cmp.Diff(far, ask(long, stores.Embedded)); diff != "" {
		t.Error(diff)
	}
	copied.current, copied.away = true, errors.New("broken pipe")
	if diff := cmp.Diff(far, ask(long, stores.Embedded)); diff != "" || copied.reports != 2 {
		t.Error(copied.reports, diff)
	}
}
