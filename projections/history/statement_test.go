package history

import (
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// TestStatementsAddUp books something each half hour of a year and reads it by
// days: each day's opening is the closing of the day before, nothing is counted
// twice and nothing is left out.
func TestStatementsAddUp(t *testing.T) {
	s := openTest(t, t.TempDir(), Options{})
	w := newWorld()
	z := zone(t, "Europe/Berlin")
	begin, end := events.DayStart(2026, 3, 1, z), events.DayStart(2026, 11, 1, z)
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
		next := events.DayStart(local.Year(), local.Month(), local.Day()+1, z)
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
