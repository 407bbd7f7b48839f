package sinks

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/sample"
	"github.com/tollbook/tollbook/projections/sinktest"
)

// noonUS is a noon of long ago, so that no test is about today.
var noonUS = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC).UnixMicro()

// bench is a history, a server, and a sink between them.
type bench struct {
	*testing.T
	engine  *sinktest.ClickHouse
	history *history.Store
	config  Config
	sink    *ClickHouse
	calls   *sample.Calls
	made    int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, engine: sinktest.StartClickHouse(t), calls: sample.New()}
	var err error
	if b.history, err = history.Open(t.TempDir(), history.Options{Feed: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.history.Close(); err != nil {
			t.Error(err)
		}
	})
	b.config = Config{Addresses: []string{b.engine.Address}, HTTP: b.engine.HTTP, Database: fmt.Sprintf("test_%d", time.Now().UnixNano()), User: "default",
		Node: "n1", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	b.again()
	t.Cleanup(func() { _ = b.sink.Close() })
	return b
}

// again is the sink after a crash: nothing that it knew is left.
func (b *bench) again() {
	b.Helper()
	if b.sink != nil {
		_ = b.sink.Close()
	}
	var err error
	if b.sink, err = Open(b.config, b.history); err != nil {
		b.Fatal(err)
	}
}

// happen makes n calls, a quarter of an hour apart, and writes them into the history.
func (b *bench) happen(n int) {
	b.Helper()
	var batch []events.Recorded
	for range n {
		batch = append(batch, b.calls.Call(noonUS+b.made*400_000_000)...)
		b.made++
	}
	b.apply(batch)
}

func (b *bench) apply(batch []events.Recorded) {
	b.Helper()
	if err := b.history.Apply(b.Context(), batch, nil); err != nil {
		b.Fatal(err)
	}
}

// sync copies until nothing is left to do; failures are tried again.
func (b *bench) sync() {
	b.Helper()
	var last error
	for range 40 {
		more, err := b.sink.Step(b.Context())
		if last = err; err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		fed, err := b.history.Fed(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		if !more && len(fed.Calls) == 0 && b.sink.ready && !b.sink.checked.IsZero() {
			return
		}
	}
	b.Fatal("the sink does not come to an end: ", last)
}

// exec has the server do something.
func (b *bench) exec(format string, args ...any) {
	b.Helper()
	if err := b.sink.conn.Exec(b.Context(), fmt.Sprintf(format, args...)); err != nil {
		b.Fatal(err)
	}
}

// equal compares every row and every sum of the server with the history.
func (b *bench) equal() {
	b.Helper()
	want := map[key]int64{}
	rows := map[key]line{}
	err := b.history.Stream(b.Context(), history.Filter{}, func(c *history.CDR) error {
		if c.State != history.Pending {
			k := key{c.Call.String(), c.Leg, digest(c)}
			want[k], rows[k] = 1, newLine(c, k.digest, 1)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	got := map[key]int64{}
	for _, day := range b.history.KeptDays() {
		there, err := b.sink.has(b.Context(), calls{day: day, from: "", to: "g"})
		if err != nil {
			b.Fatal(err)
		}
		for k, net := range there {
			got[k] = net
			if len(got)%16 != 1 {
				continue // all of the others have a digest as well
			}
			stored, err := b.sink.stored(b.Context(), day, k)
			if err != nil {
				b.Fatal(err)
			}
			stored[5] = int8(1)
			if diff := cmp.Diff(rows[k], stored); diff != "" {
				b.Fatal("a row differs: ", diff)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		b.Fatalf("rows, %d wanted: %s", len(want), diff)
	}
	b.equalSums()
}

func (b *bench) equalSums() {
	b.Helper()
	want, err := sumsOf(b.Context(), b.history, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	got, err := sumsOf(b.Context(), b.sink, 0, 0)
	if err != nil {
		b.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sumKey{})); diff != "" || len(want) == 0 {
		b.Fatal("sums: ", diff)
	}
}

// TestEveryRowOnce has a copy made whatever breaks meanwhile: afterwards rows and sums
// are what the events give.
func TestEveryRowOnce(t *testing.T) {
	b := newBench(t)
	b.happen(40)
	b.sync()
	b.equal()
	t.Run("a row that becomes another", func(t *testing.T) { b.becomes() })
	t.Run("the sink killed between rows and sums", func(t *testing.T) { b.killed() })
	t.Run("a batch sent twice", func(t *testing.T) { b.twice() })
	t.Run("the table dropped", func(t *testing.T) { b.dropped() })
	t.Run("rows gone and rows that nobody made", func(t *testing.T) { b.damaged() })
	t.Run("another node", func(t *testing.T) { b.other() })
	t.Run("the store stopped", func(t *testing.T) {
		if !b.engine.Own() {
			t.Skip("the server is not the test's own")
		}
		b.stopped()
	})
}

// becomes has the log of a call arrive after the book closed it: its CDR was complete
// as a lost one, and is another now.
func (b *bench) becomes() {
	all := b.calls.Call(noonUS + 77)
	var book, log []events.Recorded
	for _, r := range all {
		if r.Journal == "book" {
			book = append(book, r)
		} else {
			log = append(log, r)
		}
	}
	b.apply(book)
	b.sync()
	b.equal()
	before := b.sink.Stats()
	b.apply(log)
	b.sync()
	b.equal()
	if after := b.sink.Stats(); after.Taken == before.Taken {
		b.Fatal("no row was taken back")
	}
}

// killed ends the sink when the rows of a batch are there, but neither their sums nor
// the word that they are.
func (b *bench) killed() {
	b.happen(30)
	fed, err := b.history.Fed(b.Context(), batchCalls)
	if err != nil {
		b.Fatal(err)
	}
	want, err := b.history.Complete(b.Context(), fed.Day, fed.Calls)
	if err != nil {
		b.Fatal(err)
	}
	if n, err := b.sink.rows(b.Context(), calls{day: fed.Day, ids: fed.Calls}, want, true); err != nil || n == 0 {
		b.Fatal(n, err)
	}
	b.again()
	b.sync()
	b.equal()
}

// twice sends a batch again as if its answer had been lost, in the way that an old
// server cannot notice.
func (b *bench) twice() {
	rows := b.count("SELECT count() FROM %s", b.sink.table("cdrs"))
	columns, sums := strings.Join(cdrColumns(), ", "), strings.Join(sumColumns, ", ")
	day := b.history.KeptDays()[0]
	b.exec("INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM %[1]s WHERE day = '%[3]s' AND leg = 0", b.sink.table("cdrs"), columns, day)
	b.exec("INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM %[1]s WHERE day = '%[3]s'", b.sink.table("rollups"), sums, day)
	if now := b.count("SELECT count() FROM %s", b.sink.table("cdrs")); now == rows {
		b.Fatal("nothing was there twice")
	}
	b.again()
	b.sync()
	b.equal()
	if b.sink.Stats().Mended == 0 {
		b.Fatal("nothing was mended")
	}
}

func (b *bench) count(format string, args ...any) (n uint64) {
	b.Helper()
	if err := b.sink.conn.QueryRow(b.Context(), fmt.Sprintf(format, args...)).Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

func (b *bench) dropped() {
	b.happen(5)
	b.exec("DROP TABLE %s", b.sink.table("cdrs"))
	b.sync()
	b.equal()
	b.happen(5)
	b.exec("DROP TABLE %s", b.sink.table("rollups"))
	b.sync()
	b.equal()
	b.happen(5)
	b.exec("DROP DATABASE `%s`", b.config.Database)
	b.sync()
	b.equal()
}

// damaged removes a day's rows from the server, and gives it a row of nobody's.
func (b *bench) damaged() {
	day := b.history.KeptDays()[0]
	b.exec("ALTER TABLE %s DROP PARTITION '%s'", b.sink.table("cdrs"), day[:7])
	b.again()
	b.sync()
	b.equal()
	columns := strings.Join(cdrColumns(), ", ")
	b.exec("INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM %[1]s WHERE day = '%[4]s' AND leg = 0 AND sign = 1 LIMIT 1", b.sink.table("cdrs"), columns,
		strings.Replace(columns, ", leg", ", toInt64(9)", 1), day)
	b.again()
	b.sync()
	b.equal()
}

// other has a second node with the same events, and changes of its own to tell, go on
// where the first one stopped. It only looks while it does not write.
func (b *bench) other() {
	b.happen(3)
	writes, before := false, b.count("SELECT count() FROM %s", b.sink.table("cdrs"))
	b.config.Node, b.config.Writes = "n2", func() bool { return writes }
	b.again()
	for range 3 {
		if _, err := b.sink.Step(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if now := b.count("SELECT count() FROM %s", b.sink.table("cdrs")); now != before {
		b.Fatalf("a node that does not write has written %d rows", now-before)
	}
	writes = true
	b.sync()
	b.equal()
	b.config.Writes = nil
}

// stopped kills the server while the sink sends, and has calls happen while it is away.
func (b *bench) stopped() {
	for round := range 3 {
		b.happen(100)
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			b.sink.Run(ctx)
		}()
		time.Sleep(time.Duration(20+40*round) * time.Millisecond)
		b.engine.Kill()
		b.happen(20)
		cancel()
		<-done
		if _, err := b.sink.Step(b.Context()); err == nil {
			b.Fatal("a server that is away is not noticed")
		}
		b.engine.Start()
		b.sync()
		b.equal()
	}
}

// TestCurrentWithoutTraffic: a copy of which nothing is asked stays up to date.
func TestCurrentWithoutTraffic(t *testing.T) {
	b := newBench(t)
	if b.sink.Current(time.Hour) {
		t.Error("it is up to date before it was looked")
	}
	b.happen(2)
	b.sync()
	time.Sleep(20 * time.Millisecond)
	if _, err := b.sink.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	at := b.sink.Stats().SyncedUS
	time.Sleep(20 * time.Millisecond)
	if _, err := b.sink.Step(t.Context()); err != nil || b.sink.Stats().SyncedUS <= at || !b.sink.Current(time.Minute) {
		t.Error(b.sink.Stats(), err)
	}
}
