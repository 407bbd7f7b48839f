package history

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
)

// benchCalls makes n answered calls 10 ms apart, of 100 accounts, 20 vendors
// and 50 prefixes.
func benchCalls(n int, free bool) *world {
	w := newWorld()
	w.accounts, w.terminators, w.prefixes = 100, 20, 50
	for i := range n {
		p := answeredPlan(noonUS-12*hourUS+int64(i)*10_000, i%w.accounts)
		p.attempts, p.priced = 1+i%7/6, !free
		w.call(p)
	}
	return w
}

// both has the book's and the log's events of a world's calls side by side.
func (w *world) both() []events.Recorded {
	merged := make([]events.Recorded, 0, len(w.book)+len(w.log))
	b, l := 0, 0
	for b < len(w.book) || l < len(w.log) {
		if l < len(w.log) && (b == len(w.book) || l*len(w.book) <= b*len(w.log)) {
			merged = append(merged, w.log[l])
			l++
		} else {
			merged = append(merged, w.book[b])
			b++
		}
	}
	return merged
}

// cpuTime is what the process has used so far: unlike the clock it says the same
// on a busy machine.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkApply reports CDR rows and events made durable in a second, and the
// processor time of a row. In "rows" a batch has whole calls, about 1000 CDRs,
// with the charges, entries and rollups that belong to them; "free" is the same
// without the book; in "events" a batch has 1000 events of all sorts.
func BenchmarkApply(b *testing.B) {
	for _, bench := range []struct {
		name  string
		batch int
		free  bool
	}{{"rows", 4700, false}, {"free", 3600, true}, {"events", 1000, false}} {
		b.Run(bench.name, func(b *testing.B) {
			events := benchCalls(12000, bench.free).both()
			rows, applied := int64(0), 0
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				s, err := Open(b.TempDir(), Options{})
				if err != nil {
					b.Fatal(err)
				}
				before := cpuTime(b)
				b.StartTimer()
				for rest := events; len(rest) > 0; {
					n := min(bench.batch, len(rest))
					apply(b, s, rest[:n])
					rest = rest[n:]
				}
				b.StopTimer()
				used += cpuTime(b) - before
				totals, err := s.Totals(context.Background())
				if err != nil || totals.Pending != 0 {
					b.Fatal(totals, err)
				}
				rows += totals.CDRs
				applied += len(events)
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(applied)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(used.Microseconds())/float64(rows), "cpu-µs/row")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkPage reads a page of 50 out of 20,000 CDRs.
func BenchmarkPage(b *testing.B) {
	s := openTest(b, b.TempDir(), Options{})
	events := benchCalls(10000, false).both()
	for len(events) > 0 {
		n := min(2000, len(events))
		apply(b, s, events[:n])
		events = events[n:]
	}
	for name, filter := range map[string]Filter{
		"all": {}, "account": {Account: "acc-7"}, "company": {Company: "co-7"},
		"called": {Called: "49300000"}, "terminator": {Terminator: "term-1"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := s.CDRs(context.Background(), filter, Page{})
				if err != nil || len(page.Rows) != 50 {
					b.Fatal(len(page.Rows), err)
				}
			}
		})
	}
}
