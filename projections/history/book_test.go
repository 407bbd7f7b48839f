package history

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// credit books a payment.
func (w *world) credit(account string, micro int64, us int64) {
	w.decided(us, &wire.Event{Body: &wire.Event_MoneyPosted{MoneyPosted: &wire.MoneyPosted{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Reason: "payment", Reference: "wire 7",
		Postings: []*wire.Posting{{Account: account, Currency: "USD", AmountMicro: micro},
			{Account: "own/suspense/USD", Currency: "USD", AmountMicro: -micro}}}}})
}

func TestEntriesCarryTheBalance(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	for i := range 10 {
		w.credit("acc-1", int64(i+1)*1000, noonUS+int64(i)*hourUS)
	}
	apply(t, s, w.book[:6])
	apply(t, s, w.book[4:])
	ctx := context.Background()
	page, err := s.Entries(ctx, "acc-1", EntryFilter{}, Page{First: 4})
	if err != nil || len(page.Rows) != 4 || !page.HasNext {
		t.Fatalf("%+v, %v", page, err)
	}
	if top := page.Rows[0]; top.BalanceAfterMicro != 55000 || top.AmountMicro != 10000 || top.Kind != "credit" ||
		top.Reason != "payment" || top.Reference != "wire 7" || top.Actor != "keeper" || !top.Call.IsZero() {
		t.Errorf("newest: %+v", top)
	}
	next, err := s.Entries(ctx, "acc-1", EntryFilter{}, Page{First: 4, After: page.End})
	if err != nil || len(next.Rows) != 4 || next.Rows[0].Position != 6 || !next.HasPrevious {
		t.Errorf("next: %+v, %v", next, err)
	}
	back, err := s.Entries(ctx, "acc-1", EntryFilter{}, Page{Last: 4, Before: next.Start})
	if diff := cmp.Diff(page.Rows, back.Rows); err != nil || diff != "" {
		t.Errorf("back: %v %s", err, diff)
	}
	some, err := s.Entries(ctx, "acc-1", EntryFilter{FromUS: noonUS + hourUS, ToUS: noonUS + 3*hourUS}, Page{})
	if err != nil || len(some.Rows) != 2 || some.Rows[1].Position != 2 {
		t.Errorf("two hours: %+v, %v", some, err)
	}
	balances, err := s.Balances(ctx)
	if err != nil || len(balances) != 2 || balances[0].PostedMicro+balances[1].PostedMicro != 0 {
		t.Errorf("balances: %+v, %v", balances, err)
	}
	one, err := s.Entry(ctx, 3, 1)
	if err != nil || one.Account != "own/suspense/USD" || one.AmountMicro != -3000 {
		t.Errorf("entry: %+v, %v", one, err)
	}
}

func TestAuditShowsEditsWithoutSecrets(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	put := func(e *wire.Entity, remove bool) {
		w.decided(noonUS, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{
			Note: "why", Changes: []*wire.Change{{Entity: e, Remove: remove}}}}})
	}
	user := func(name string) *wire.Entity {
		return &wire.Entity{Of: &wire.Entity_User{User: &wire.User{Id: "anna", Name: name, Password: "$argon2id$x"}}}
	}
	put(user("A"), false)
	put(user("B"), false)
	put(user(""), true)
	w.observed(noonUS+5, &wire.Event{Body: &wire.Event_SignInFailed{SignInFailed: &wire.SignInFailed{
		User: "eve", Address: "203.0.113.9", Reason: "password"}}})
	apply(t, s, append(w.book, w.log...))
	apply(t, s, append(w.book, w.log...))
	ctx := context.Background()
	page, err := s.Audit(ctx, AuditFilter{}, Page{})
	if err != nil || len(page.Rows) != 4 {
		t.Fatalf("%+v, %v", page, err)
	}
	if top := page.Rows[0]; top.Kind != AuditSignFail || top.Actor != "eve" || top.Note != "password" {
		t.Errorf("newest: %+v", top)
	}
	history, err := s.EntityChanges(ctx, "user", "anna", 10)
	if err != nil || len(history) != 3 {
		t.Fatalf("%+v, %v", history, err)
	}
	b := `{"id":"anna","name":"B","password":"(hidden)"}`
	if history[1].After != b || history[0].Before != b || !history[0].Removed || history[0].After != "" {
		t.Errorf("%+v", history)
	}
	second, err := s.Audit(ctx, AuditFilter{Kind: AuditChange}, Page{First: 1, After: page.Rows[1].Cursor()})
	if err != nil || len(second.Rows) != 1 || second.Rows[0].Position != 2 {
		t.Errorf("second: %+v, %v", second, err)
	}
}

func TestCheckpointsMoveWithTheRows(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir, Options{})
	w := newWorld()
	w.call(answeredPlan(noonUS, 1))
	ctx := context.Background()
	if cursor, err := s.Checkpoint("book"); cursor != nil || err != nil {
		t.Errorf("at first: %q, %v", cursor, err)
	}
	if err := s.Apply(ctx, w.book, map[string][]byte{"book": []byte("b1"), "log.calls.n1": []byte("l0")}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, w.log)
	for journal, want := range map[string]string{"book": "b1", "log.calls.n1": "l0"} {
		if cursor, err := s.Checkpoint(journal); string(cursor) != want || err != nil {
			t.Errorf("%s: %q, %v", journal, cursor, err)
		}
	}
	progress, err := s.AsOf(ctx)
	if err != nil || len(progress) != 2 || progress[0].Position != 2 || progress[1].Position != uint64(len(w.log)) {
		t.Errorf("progress: %+v, %v", progress, err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Apply(cancelled, w.book, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDroppedDaysKeepTheirSums(t *testing.T) {
	s, w := threeDays(t)
	ctx := context.Background()
	query := ReportQuery{GroupBy: []Group{ByDay, ByAccount}}
	report, err := s.Report(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	totals, err := s.Totals(ctx)
	if err != nil {
		t.Fatal(err)
	}
	day := DayOf(noonUS)
	checkDays(t, s, totals.CDRs)
	dropped, err := s.DropDaysBefore(ctx, day)
	if err != nil || len(dropped) == 0 {
		t.Fatalf("%v, %v", dropped, err)
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, "cdr-*"))
	for _, path := range left {
		if strings.Contains(path, string(dropped[0])) {
			t.Errorf("%s is still there", path)
		}
	}
	// Events of a dropped day come once more.
	apply(t, s, w.log)
	again, err := s.Report(ctx, query)
	if diff := cmp.Diff(report, again); err != nil || diff != "" {
		t.Errorf("report: %v %s", err, diff)
	}
	now, err := s.Totals(ctx)
	if diff := cmp.Diff(totals, now); err != nil || diff != "" {
		t.Errorf("totals: %v %s", err, diff)
	}
	checkDays(t, s, totals.CDRs)
	if rows := all(t, s, Filter{ToUS: noonUS - 24*hourUS}); len(rows) != 0 {
		t.Errorf("%d rows of dropped days", len(rows))
	}
	if again := openTest(t, s.dir, Options{}); again.floor != day || len(again.days.days()) != len(s.days.days()) {
		t.Errorf("opened again: kept since %s", again.floor)
	}
	if _, err := s.DropDaysBefore(ctx, "soon"); !errors.Is(err, ErrInvalid) {
		t.Errorf("bad day: %v", err)
	}
}

// checkDays adds up the days.
func checkDays(t *testing.T, s *Store, want int64) {
	t.Helper()
	days, err := s.Days(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range days {
		want -= d.CDRs
		if kept := d.Day >= s.floor; kept != (d.Bytes > 0) {
			t.Errorf("%+v", d)
		}
	}
	if want != 0 {
		t.Errorf("the days lack %d rows: %+v", want, days)
	}
}

func TestLateEventsReachSettledDays(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	w.call(answeredPlan(noonUS, 1))
	apply(t, s, w.log)
	for i := range int64(4) {
		late := newWorld()
		late.serial, late.logAt = uint64(100+i), 1000*uint64(i+1)
		late.call(plan{startUS: noonUS + (i+1)*24*hourUS, account: 1})
		apply(t, s, late.log)
	}
	if !s.settled[DayOf(noonUS)] {
		t.Fatal("the first day is not settled")
	}
	apply(t, s, w.book)
	report, err := s.Report(context.Background(), ReportQuery{ToUS: noonUS + hourUS})
	if err != nil || len(report) != 1 || report[0].Attempts != 1 || report[0].SellMicro != 9000 {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAnotherFoldVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.book.exec(context.Background(), "PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrFoldVersion) {
		t.Errorf("got %v", err)
	}
}

func TestStrangeFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"cdr-x.db", "cdr-2026-13-01.db", "cdr-2026-01-01.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("no database"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openTest(t, dir, Options{})
	if rows := all(t, s, Filter{}); len(rows) != 0 || len(s.days.days()) != 0 {
		t.Errorf("%d rows, days %v", len(rows), s.days.days())
	}
}

func TestEventsThatCannotBePlacedAreCounted(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	apply(t, s, []events.Recorded{
		{Journal: "log.calls.n1", Position: 1, Event: &wire.Event{}},
		{Journal: "log.calls.n1", Position: 2, Event: &wire.Event{Body: &wire.Event_LegEnded{
			LegEnded: &wire.LegEnded{Call: []byte("short")}}}},
		{Journal: "log.calls.n1", Position: 3},
	})
	if s.Skipped() != 3 {
		t.Errorf("%d skipped", s.Skipped())
	}
}
