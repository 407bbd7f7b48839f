package history

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDayStart(t *testing.T) {
	for _, c := range []struct {
		zone  string
		month time.Month
		day   int
		year  int
		want  string
		hours float64
	}{
		{"UTC", 3, 29, 2026, "2026-03-29T00:00:00Z", 24},
		{"Europe/Berlin", 3, 29, 2026, "2026-03-28T23:00:00Z", 23},
		{"Europe/Berlin", 10, 25, 2026, "2026-10-24T22:00:00Z", 25},
		{"America/New_York", 3, 8, 2026, "2026-03-08T05:00:00Z", 23},
		{"America/New_York", 11, 1, 2026, "2026-11-01T04:00:00Z", 25},
		{"Asia/Beirut", 3, 29, 2026, "2026-03-28T22:00:00Z", 23},          // there is no midnight
		{"America/Sao_Paulo", 11, 4, 2018, "2018-11-04T03:00:00Z", 23},    // nor here
		{"America/Sao_Paulo", 2, 17, 2018, "2018-02-17T02:00:00Z", 25},    // 23 o'clock comes twice
		{"Australia/Lord_Howe", 4, 5, 2026, "2026-04-04T13:00:00Z", 24.5}, // half an hour
		{"Asia/Kolkata", 1, 1, 2026, "2025-12-31T18:30:00Z", 24},
	} {
		z := zone(t, c.zone)
		from, to := DayStart(c.year, c.month, c.day, z), DayStart(c.year, c.month, c.day+1, z)
		if got := from.Format(time.RFC3339); got != c.want || to.Sub(from).Hours() != c.hours {
			t.Errorf("%s %d-%d: %s and %v, want %s and %v hours", c.zone, c.month, c.day, got, to.Sub(from), c.want, c.hours)
		}
	}
}

// TestStatementsAddUp books something each half hour of a year and reads it by
// days: each day's opening is the closing of the day before, nothing is counted
// twice and nothing is left out.
func TestStatementsAddUp(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	z := zone(t, "Europe/Berlin")
	begin, end := DayStart(2026, 3, 1, z), DayStart(2026, 11, 1, z)
	balance := int64(0)
	at := map[int64]int64{} // by position
	for us, n := begin.UnixMicro(), int64(0); us < end.UnixMicro(); us, n = us+hourUS/2, n+1 {
		amount := n*7919%1000 - 480
		w.credit("acc-1", amount, us)
		w.credit("acc-2", 1, us)
		balance += amount
		at[int64(w.bookAt-1)], at[int64(w.bookAt)] = balance, balance
	}
	apply(t, s, w.book)
	closing, entries := int64(0), int64(0)
	for day := begin; day.Before(end); {
		local := day.In(z)
		next := DayStart(local.Year(), local.Month(), local.Day()+1, z)
		st, err := s.Statement(t.Context(), "acc-1", day.UnixMicro(), next.UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
		hours := int64(next.Sub(day).Hours())
		if name := local.Format("01-02"); name == "03-29" && hours != 23 || name == "10-25" && hours != 25 {
			t.Errorf("%s has %d hours", name, hours)
		}
		if st.OpeningMicro != closing || st.ClosingMicro != st.OpeningMicro+st.CreditsMicro+st.DebitsMicro || st.Entries != 2*hours {
			t.Fatalf("%v: %+v after %d", local, st, closing)
		}
		// The first entry of the next day is not in it, the last of this one is.
		page, err := s.Entries(t.Context(), "acc-1", EntryFilter{FromUS: day.UnixMicro(), ToUS: next.UnixMicro()}, Page{First: 1})
		if err != nil || page.Rows[0].BalanceAfterMicro != st.ClosingMicro {
			t.Fatal(page, err)
		}
		closing, entries, day = st.ClosingMicro, entries+st.Entries, next
	}
	if closing != balance || entries*2 != int64(w.bookAt) {
		t.Errorf("closing %d, entries %d; want %d, %d", closing, entries, balance, w.bookAt/2)
	}
	for _, p := range []int64{0, 1, 2, 77, 1000, int64(w.bookAt), int64(w.bookAt) + 5} {
		got, err := s.BalanceAt(t.Context(), "acc-1", p)
		if want := at[min(p, int64(w.bookAt))]; err != nil || got != want {
			t.Errorf("at %d: %d, want %d (%v)", p, got, want, err)
		}
	}
	none, err := s.Statement(t.Context(), "nobody", begin.UnixMicro(), end.UnixMicro())
	if none != (Statement{}) || err != nil {
		t.Error(none, err)
	}
}
