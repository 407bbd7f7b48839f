package history

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"pgregory.net/rapid"
)

// drawWorld makes some calls of all sorts around midnight, and some edits.
func drawWorld(t *rapid.T) *world {
	w := newWorld()
	midnight := noonUS + 12*hourUS
	for i := range rapid.IntRange(1, 12).Draw(t, "calls") {
		p := plan{
			startUS:    midnight + rapid.Int64Range(-30e6, 30e6).Draw(t, "start")/1000*1000,
			account:    rapid.IntRange(0, 2).Draw(t, "account"),
			attempts:   rapid.IntRange(0, 3).Draw(t, "attempts"),
			priced:     rapid.Bool().Draw(t, "priced"),
			lostLog:    rapid.IntRange(0, 4).Draw(t, "lost") == 0,
			unfinished: rapid.IntRange(0, 4).Draw(t, "unfinished") == 0,
			released:   rapid.IntRange(0, 4).Draw(t, "released") == 0,
			talkMS:     rapid.Int64Range(1, 90000).Draw(t, "talk"),
			extensions: rapid.SampledFrom([]int{0, 0, 2, 40}).Draw(t, "extensions"),
		}
		p.answered = p.attempts > 0 && rapid.Bool().Draw(t, "answered")
		w.call(p)
		switch rapid.IntRange(0, 6).Draw(t, "and then") {
		case 0:
			w.offline(p.startUS, p.account, p.unfinished)
		case 1:
			w.closePeriod("acc-1", w.bookUS)
		}
		if i%4 == 0 {
			w.edit("c1", "Company "+string(rune('A'+i)))
		}
	}
	return w
}

// edit makes a change set of one company.
func (w *world) edit(id, name string) {
	w.decided(w.bookUS, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{
		Note: "edit", Changes: []*wire.Change{{Entity: &wire.Entity{Of: &wire.Entity_Company{
			Company: &wire.Company{Id: id, Name: name}}}}}}}})
}

// interleave mixes the journals at random, each in its own order, in batches of
// random size.
func interleave(t *rapid.T, w *world) [][]events.Recorded {
	var batches [][]events.Recorded
	book, log := w.book, w.log
	for len(book)+len(log) > 0 {
		var batch []events.Recorded
		for range rapid.IntRange(1, 30).Draw(t, "size") {
			fromBook := rapid.Bool().Draw(t, "book")
			switch {
			case len(book) > 0 && (fromBook || len(log) == 0):
				batch, book = append(batch, book[0]), book[1:]
			case len(log) > 0:
				batch, log = append(batch, log[0]), log[1:]
			}
		}
		batches = append(batches, batch)
	}
	return batches
}

var errCrash = errors.New("crash")

// TestFoldCommutes applies the same events in a plain order and in a random one,
// with batches cut anywhere, with crashes between the day files and book.db, and
// with events that come twice. The rows must be the same, byte for byte.
func TestFoldCommutes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := drawWorld(rt)
		plain := openRapid(rt, t, Options{})
		for _, journal := range [][]events.Recorded{w.log, w.book} {
			if err := plain.Apply(context.Background(), journal, nil); err != nil {
				rt.Fatal(err)
			}
		}
		options := Options{WorkingSet: rapid.IntRange(1, 3).Draw(rt, "set"), OpenDays: 1}
		mixed := openRapid(rt, t, options)
		var before []events.Recorded
		for _, batch := range interleave(rt, w) {
			switch rapid.IntRange(0, 5).Draw(rt, "fault") {
			case 0:
				mixed = crash(rt, mixed, batch)
			case 1:
				batch = append(append([]events.Recorded{}, before...), batch...)
			case 2:
				mixed = reopen(rt, mixed)
			}
			if err := mixed.Apply(context.Background(), batch, nil); err != nil {
				rt.Fatal(err)
			}
			before = batch
		}
		want, got := dump(t, plain), dump(t, mixed)
		if want != got {
			rt.Fatalf("rows differ (-plain +mixed):\n%s", cmp.Diff(want, got))
		}
		checkSums(rt, mixed)
		for _, s := range []*Store{plain, mixed} {
			if err := s.Close(); err != nil {
				rt.Fatal(err)
			}
			_ = os.RemoveAll(s.dir)
		}
	})
}

// openRapid opens a store in a fresh directory.
func openRapid(rt *rapid.T, t *testing.T, options Options) *Store {
	dir, err := os.MkdirTemp(t.TempDir(), "s")
	if err != nil {
		rt.Fatal(err)
	}
	s, err := Open(dir, options)
	if err != nil {
		rt.Fatal(err)
	}
	return s
}

func reopen(rt *rapid.T, s *Store) *Store {
	if err := s.Close(); err != nil {
		rt.Fatal(err)
	}
	again, err := Open(s.dir, s.options)
	if err != nil {
		rt.Fatal(err)
	}
	return again
}

// crash commits a batch to its day files, but not to book.db, and opens the
// store again.
func crash(rt *rapid.T, s *Store, batch []events.Recorded) *Store {
	ctx := context.Background()
	for _, day := range s.daysOf(batch) {
		if err := s.unsettle(ctx, day); err != nil {
			rt.Fatal(err)
		}
	}
	if err := s.applyDays(ctx, batch); err != nil {
		rt.Fatal(err)
	}
	err := s.book.transaction(ctx, func() error {
		return errors.Join(s.applyBook(ctx, batch, nil), errCrash)
	})
	if !errors.Is(err, errCrash) {
		rt.Fatal(err)
	}
	return reopen(rt, s)
}

// checkSums compares totals and reports with the CDRs that they are sums of.
func checkSums(rt *rapid.T, s *Store) {
	ctx := context.Background()
	var want Totals
	var attempts, sell, raw int64
	err := s.Stream(ctx, Filter{}, func(c *CDR) error {
		want.CDRs++
		if c.State == Pending {
			want.Pending++
		}
		if c.Leg == 0 && c.State != Pending {
			attempts++
			sell += c.NetMicro
			raw += c.RawMS
		}
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
	got, err := s.Totals(ctx)
	if err != nil || got.CDRs != want.CDRs || got.Pending != want.Pending {
		rt.Fatalf("totals %+v, rows %+v, %v", got, want, err)
	}
	report, err := s.Report(ctx, ReportQuery{GroupBy: []Group{ByHour, ByPrefix}})
	if err != nil {
		rt.Fatal(err)
	}
	for _, r := range report {
		attempts, sell, raw = attempts-r.Attempts, sell-r.SellMicro, raw-r.RawMS
	}
	if attempts != 0 || sell != 0 || raw != 0 {
		rt.Fatalf("report is off by %d attempts, %d micro, %d ms", attempts, sell, raw)
	}
}
