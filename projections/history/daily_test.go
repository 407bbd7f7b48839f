package history

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestDaysAddUpLikeHours: a report of any time gives the same sums, whether it reads
// settled days whole or hour by hour.
func TestDaysAddUpLikeHours(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{SettleAfter: 1})
	w := newWorld()
	const hours = 9 * 24
	dice := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		w.call(answeredPlan(noonUS+dice.Int64N(hours*hourUS), i%3))
	}
	for len(w.book) > 0 { // in pieces: each settles a day at most
		n, m := min(40, len(w.book)), min(200, len(w.log))
		apply(t, s, w.book[:n])
		apply(t, s, w.log[:m])
		w.book, w.log = w.book[n:], w.log[m:]
	}
	for _, day := range s.days.days() {
		if err := s.settleOld(t.Context()); err != nil {
			t.Fatal(day, err)
		}
	}
	settled := 0
	for _, is := range s.settled {
		if is {
			settled++
		}
	}
	if settled < 5 {
		t.Fatalf("%d days are settled", settled)
	}
	partiesAreWhole(t, s)
	at := func() int64 { return noonUS + dice.Int64N(hours*hourUS) }
	groups := []Group{ByAccount, ByDestination}
	for i := range 200 {
		q := ReportQuery{FromUS: at(), ToUS: at(), GroupBy: groups}
		switch i % 10 {
		case 0:
			q.FromUS = 0
		case 1:
			q.ToUS = 0
		case 2:
			q.GroupBy = append(q.GroupBy, ByDay)
		case 3:
			q.FromUS, q.ToUS = noonUS+12*hourUS, noonUS+84*hourUS
		}
		alikeByHours(t, s, q)
	}
}

// alikeByHours compares a report with the sum of its hours.
func alikeByHours(t *testing.T, s *Store, q ReportQuery) {
	t.Helper()
	got, err := s.Report(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	hourly := q
	hourly.GroupBy = append(slices.Clone(q.GroupBy), ByHour)
	parts, err := s.Report(t.Context(), hourly)
	if err != nil {
		t.Fatal(err)
	}
	want := map[ReportRow]ReportRow{}
	for _, part := range parts {
		part.HourUS = 0
		want[part.Key()] = part.Plus(want[part.Key()])
	}
	if len(got) != len(want) {
		t.Fatalf("%+v: %d rows, by hours %d", q, len(got), len(want))
	}
	for _, row := range got {
		if want[row.Key()] != row {
			t.Errorf("%+v: %+v, by hours %+v", q, row, want[row.Key()])
		}
	}
}

// partiesAreWhole compares what filters find with all rows that there are.
func partiesAreWhole(t *testing.T, s *Store) {
	t.Helper()
	rows, found, skipped := all(t, s, Filter{}), map[Filter]int{}, false
	for i := range rows {
		company, account := rows[i].party()
		for _, f := range []Filter{{Account: account}, {Company: company}, {Terminator: rows[i].Terminator}} {
			if _, name := f.party(); name != "" {
				found[f]++
			}
		}
	}
	if len(found) < 6 {
		t.Fatalf("%d filters", len(found))
	}
	for f, n := range found {
		if got := len(all(t, s, f)); got != n {
			t.Errorf("%+v finds %d rows of %d", f, got, n)
		}
	}
	days, err := s.daysFor(t.Context(), Filter{Account: "nobody's"})
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range days {
		if s.settled[day] {
			t.Errorf("%s is looked into for nobody", day)
		}
		skipped = true
	}
	if !skipped || len(days) == len(s.days.days()) {
		t.Errorf("looks into %v", days)
	}
}
