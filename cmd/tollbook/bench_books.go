package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/sample"
	"github.com/tollbook/tollbook/projections/sinks"
)

// booksFigures are what bench books prints. An engine that is not there has no figures.
type booksFigures struct {
	CDRs  int `json:"cdrs"`
	Days  int `json:"days"`
	Cores int `json:"cores"`
	// Arriving are the CDRs that arrived a second while the questions were asked.
	Arriving float64               `json:"arriving_cdrs_per_second"`
	Stores   map[string]booksStore `json:"stores"`
	// ClickHouseMissing says why there are no figures of ClickHouse.
	ClickHouseMissing string `json:"clickhouse_missing,omitempty"`
}

// booksStore is one engine's figures: the slowest hundredth of the answers began here.
type booksStore struct {
	AccountPageP99MS    float64 `json:"account_page_p99_ms"`
	OneCallP99MS        float64 `json:"one_call_p99_ms"`
	Sum90dP99MS         float64 `json:"sum_90d_p99_ms"`
	ASRP99MS            float64 `json:"asr_p99_ms"`
	InsertRowsPerSecond int     `json:"insert_rows_per_second"`
	// Questions is how often each was asked, Bytes what the store takes on the disk.
	Questions int   `json:"questions"`
	Bytes     int64 `json:"bytes,omitempty"`
}

func (g booksFigures) print(w io.Writer) {
	fmt.Fprintf(w, "%d CDRs of %d days, %.0f a second arriving\n", g.CDRs, g.Days, g.Arriving)
	for _, name := range []string{"embedded", "clickhouse"} {
		s, is := g.Stores[name]
		if !is {
			fmt.Fprintf(w, "%-11s %s\n", name, g.ClickHouseMissing)
			continue
		}
		fmt.Fprintf(w, "%-11s p99 of an account's page %.1f ms, one call %.1f ms, sums of 90 days %.1f ms, ASR %.1f ms; %d rows/s inserted\n",
			name, s.AccountPageP99MS, s.OneCallP99MS, s.Sum90dP99MS, s.ASRP99MS, s.InsertRowsPerSecond)
	}
}

// booksBench is one run.
type booksBench struct {
	rows, days, rate, questions int
	address                     string
	// kept is where a filled store is kept for other runs, empty for nowhere.
	kept string

	store *history.Store
	sink  *sinks.ClickHouse
	calls *sample.Calls
}

// dayUS is a day in microseconds.
const dayUS = 24 * 3600 * 1_000_000

func benchBooks(ctx context.Context, c *console, args []string) error {
	f := c.flags("bench books", "CDRs at scale: pages, calls and sums while more arrive")
	b := &booksBench{calls: sample.New()}
	output := f.String("o", "text", "text or json")
	dir := f.String("dir", "", "where to put the store; default: the system's temporary directory")
	f.StringVar(&b.kept, "keep", "", "a directory that keeps the filled stores, or has them from a run with the same -rows, -days and -clickhouse")
	f.IntVar(&b.rows, "rows", 10_000_000, "CDRs in the store")
	f.IntVar(&b.days, "days", 90, "days that they spread over")
	f.IntVar(&b.rate, "rate", 500, "CDRs that arrive a second")
	f.IntVar(&b.questions, "questions", 200, "how often each question is asked")
	f.StringVar(&b.address, "clickhouse", "", "host:port of a ClickHouse server whose database tollbook_bench may be replaced")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	if b.rows < 1000 || b.days < 1 || b.days > 1000 || b.rate < 0 || b.questions < 1 {
		return usageError{errors.New("rows are at least 1000, days 1 to 1000, questions at least 1")}
	}
	at := b.kept
	if at == "" {
		temp, err := os.MkdirTemp(*dir, "tollbook-bench-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp)
		at = temp
	}
	g, err := b.measure(ctx, c, at)
	if err != nil {
		return err
	}
	if *output == "json" {
		return c.json(g)
	}
	g.print(c.out)
	return nil
}

func (b *booksBench) measure(ctx context.Context, c *console, dir string) (g booksFigures, err error) {
	g = booksFigures{CDRs: b.rows, Days: b.days, Cores: runtime.NumCPU(), Stores: map[string]booksStore{}}
	if b.store, err = history.Open(filepath.Join(dir, "store"), history.Options{OpenDays: b.days + 2, Feed: b.address != ""}); err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, b.store.Close()) }()
	if b.address != "" {
		b.sink, err = sinks.Open(sinks.Config{Addresses: []string{b.address}, Database: "tollbook_bench", User: "default", Node: "bench"}, b.store)
		if err != nil {
			return g, err
		}
		defer func() { err = errors.Join(err, b.sink.Close()) }()
	} else {
		g.ClickHouseMissing = "no server was named with -clickhouse"
	}
	embedded, copied, err := b.filled(ctx, c, dir)
	if err != nil {
		return g, err
	}
	if b.sink != nil && b.kept == "" {
		defer func() { err = errors.Join(err, b.sink.Drop(context.WithoutCancel(ctx))) }()
	}
	if g.Arriving, err = b.ask(ctx, &embedded, &copied); err != nil {
		return g, err
	}
	days, err := b.store.Days(ctx)
	for _, day := range days {
		embedded.Bytes += day.Bytes
	}
	g.Stores["embedded"] = embedded
	if b.sink != nil {
		g.Stores["clickhouse"] = copied
	}
	return g, err
}

// filled fills the stores, or finds them filled by an earlier run, and says how fast that
// went. Questions count from now on.
func (b *booksBench) filled(ctx context.Context, c *console, dir string) (embedded, copied booksStore, err error) {
	note := filepath.Join(dir, "filled.json")
	before := booksFigures{Stores: map[string]booksStore{}}
	if text, err := os.ReadFile(note); err == nil {
		if err := json.Unmarshal(text, &before); err != nil {
			return embedded, copied, fmt.Errorf("read %s: %w", note, err)
		}
	}
	embedded, there := before.Stores["embedded"]
	if there && (before.CDRs != b.rows || before.Days != b.days) {
		return embedded, copied, fmt.Errorf("%s has %d CDRs of %d days", dir, before.CDRs, before.Days)
	}
	if there {
		b.calls.Skip(b.rows) // what arrived in earlier runs, too
	}
	embedded.Questions, copied.Questions = b.questions, b.questions
	if !there {
		if embedded.InsertRowsPerSecond, err = b.fill(ctx); err != nil {
			return embedded, copied, err
		}
		fmt.Fprintf(c.err, "%d CDRs are in the embedded store\n", b.rows)
	}
	if b.sink != nil {
		if copied, there = before.Stores["clickhouse"]; !there {
			if copied.InsertRowsPerSecond, err = b.copy(ctx); err != nil {
				return embedded, copied, err
			}
			fmt.Fprintf(c.err, "and in ClickHouse\n")
		}
		copied.Questions = b.questions
	}
	before = booksFigures{CDRs: b.rows, Days: b.days, Stores: map[string]booksStore{"embedded": embedded}}
	if b.sink != nil {
		before.Stores["clickhouse"] = copied
	}
	text, err := json.Marshal(before)
	if err != nil {
		return embedded, copied, err
	}
	return embedded, copied, os.WriteFile(note, text, 0o600)
}

// fill has the past happen: calls evenly over the days, the last one now.
func (b *booksBench) fill(ctx context.Context) (perSecond int, err error) {
	began := time.Now()
	n := b.rows / 2
	from, step := began.UnixMicro()-int64(b.days)*dayUS, int64(b.days)*dayUS/int64(n)
	for i := 0; i < n; {
		next := min(i+2000, n)
		if err := b.happen(ctx, next-i, func(k int) int64 { return from + int64(i+k)*step }); err != nil {
			return 0, err
		}
		i = next
	}
	return int(float64(b.rows) / time.Since(began).Seconds()), nil
}

// happen writes calls into the store in one batch.
func (b *booksBench) happen(ctx context.Context, n int, at func(int) int64) error {
	batch := b.calls.Call(at(0))
	for i := 1; i < n; i++ {
		batch = append(batch, b.calls.Call(at(i))...)
	}
	return b.store.Apply(ctx, batch, nil)
}

// copy has the sink copy everything.
func (b *booksBench) copy(ctx context.Context) (perSecond int, err error) {
	if err := b.sink.Drop(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		if _, err := b.sink.Step(ctx); err != nil {
			return 0, err
		}
		fed, err := b.store.Fed(ctx, 1)
		if err != nil {
			return 0, err
		}
		if len(fed.Calls) == 0 {
			return int(float64(b.rows) / time.Since(began).Seconds()), nil
		}
	}
}

// ask measures the answers while CDRs arrive, a batch every quarter of a second.
func (b *booksBench) ask(ctx context.Context, embedded, copied *booksStore) (arriving float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	arrived, done := 0, make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		arrived, err = b.arrive(ctx)
		done <- err
	}()
	err = b.askEmbedded(ctx, embedded)
	if err == nil && b.sink != nil {
		err = b.askCopied(ctx, copied)
	}
	spent := time.Since(began).Seconds()
	cancel()
	err = errors.Join(err, <-done)
	return float64(arrived) / spent, err
}

// arrive has CDRs arrive, four times a second, until ctx ends.
func (b *booksBench) arrive(ctx context.Context) (arrived int, err error) {
	if b.rate < 8 {
		return 0, nil
	}
	copied := make(chan error, 1)
	go func() { copied <- b.follow(ctx) }()
	defer func() { err = errors.Join(err, <-copied) }()
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return arrived, nil
		case now := <-tick.C:
			n := b.rate / 8 // calls of two CDRs
			err := b.happen(context.WithoutCancel(ctx), n, func(k int) int64 { return now.UnixMicro() + int64(k) })
			if err != nil {
				return arrived, err
			}
			arrived += 2 * n
		}
	}
}

// follow has what arrives copied, as a node does.
func (b *booksBench) follow(ctx context.Context) error {
	for b.sink != nil && ctx.Err() == nil {
		moved, err := b.sink.Step(context.WithoutCancel(ctx))
		if err != nil {
			return err
		}
		if !moved {
			time.Sleep(time.Second / 4)
		}
	}
	return nil
}

// p99 asks a question again and again and returns the time of the slowest hundredth.
func (b *booksBench) p99(ask func(i int) error) (float64, error) {
	var took []float64
	for i := range b.questions {
		began := time.Now()
		if err := ask(i); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(began).Microseconds())/1000)
	}
	slices.Sort(took)
	return took[min(len(took)*99/100, len(took)-1)], nil
}
