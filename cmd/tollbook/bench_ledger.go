package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// ledgerFigures are what bench ledger prints.
type ledgerFigures struct {
	Accounts           int     `json:"accounts"`
	OpenCalls          int     `json:"open_calls"`
	HotPerSecond       int     `json:"operations_per_second"`
	SpreadPerSecond    int     `json:"operations_per_second_10000_accounts"`
	HoldP50MS          float64 `json:"hold_p50_ms"`
	HoldP99MS          float64 `json:"hold_p99_ms"`
	HoldP99ImportMS    float64 `json:"hold_p99_during_import_ms"`
	PostgresPerSecond  int     `json:"postgres_operations_per_second,omitempty"`
	Ratio              float64 `json:"ratio,omitempty"`
	PostgresMissing    string  `json:"postgres_missing,omitempty"`
	EventsPerBlock     int     `json:"events_per_block"`
	Cores              int     `json:"cores"`
	OperationIsDurable bool    `json:"durable"`
}

type ledgerBench struct {
	accounts, open, workers int
	seconds                 time.Duration

	book *book.Book
	next atomic.Uint64
}

// benchLedger measures durable decisions: an operation is one Execute with a call
// id and terms of its own and its own answer after the disk's sync; half are
// holds, half charges.
func benchLedger(ctx context.Context, c *console, args []string) error {
	f := c.flags("bench ledger", "durable decisions a second, beside PostgreSQL when it is installed")
	b := &ledgerBench{}
	output := f.String("o", "text", "text or json")
	dir := f.String("dir", "", "where to put the store; default: the system's temporary directory")
	f.IntVar(&b.accounts, "accounts", 100_000, "accounts in the state")
	f.IntVar(&b.open, "open", 100_000, "calls open in the state")
	f.IntVar(&b.workers, "workers", 4096, "callers that wait at a time")
	f.DurationVar(&b.seconds, "for", 8*time.Second, "how long each part runs")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(*dir, "tollbook-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	figures, err := b.run(ctx, temp)
	if err != nil {
		return err
	}
	if *output == "json" {
		return c.json(figures)
	}
	figures.print(c.out)
	return nil
}

func (g ledgerFigures) print(w io.Writer) {
	fmt.Fprintf(w, "one hot account      %d operations/s\n", g.HotPerSecond)
	fmt.Fprintf(w, "10000 accounts       %d operations/s\n", g.SpreadPerSecond)
	fmt.Fprintf(w, "1000 holds/s offered p50 %.2f ms, p99 %.2f ms; during an import of 1M rows p99 %.2f ms\n",
		g.HoldP50MS, g.HoldP99MS, g.HoldP99ImportMS)
	if g.PostgresMissing != "" {
		fmt.Fprintf(w, "PostgreSQL           not measured: %s\n", g.PostgresMissing)
		return
	}
	fmt.Fprintf(w, "PostgreSQL           %d operations/s, ratio %.1f\n", g.PostgresPerSecond, g.Ratio)
}

func (b *ledgerBench) run(ctx context.Context, dir string) (ledgerFigures, error) {
	g := ledgerFigures{Accounts: b.accounts, OpenCalls: b.open, Cores: runtime.NumCPU(), OperationIsDurable: true}
	quiet := slog.New(slog.DiscardHandler)
	server, err := cluster.Start(ctx, cluster.Options{Dir: dir, Node: "bench", Logger: quiet})
	if err != nil {
		return g, err
	}
	defer server.Stop()
	heads, err := journal.OpenHeads(dir)
	if err != nil {
		return g, err
	}
	defer func() { _ = heads.Close() }() // the directory goes with it
	store, err := journal.OpenStream(ctx, server.Conn(), cluster.StreamBook)
	if err != nil {
		return g, err
	}
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: "bench", Heads: heads}, journal.Cursor{})
	keeper, err := book.Open(ctx, w, state.New(), "bench", time.Now, quiet)
	if err != nil {
		return g, err
	}
	keeping, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := keeper.Run(keeping); err != nil {
			stop() // what waits for the keeper says so
		}
	})
	defer func() {
		stop()
		running.Wait()
	}()
	bk, stopServing, err := book.Serve(keeping, server, keeper, "bench")
	if err != nil {
		return g, err
	}
	defer func() { _ = stopServing() }() // the server stops with it
	b.book = bk
	if err := b.prepare(ctx); err != nil {
		return g, err
	}
	err = b.measure(ctx, &g, w, server)
	return g, err
}

func (b *ledgerBench) measure(ctx context.Context, g *ledgerFigures, w *journal.Writer, server *cluster.Server) error {
	before := w.Cursor()
	hot, err := b.throughput(ctx, 1)
	if err != nil {
		return err
	}
	after := w.Cursor()
	g.HotPerSecond = hot
	if n := after.Number - before.Number; n > 0 {
		g.EventsPerBlock = int((after.Position - before.Position) / n)
	}
	if g.SpreadPerSecond, err = b.throughput(ctx, 10_000); err != nil {
		return err
	}
	if g.HoldP50MS, g.HoldP99MS, err = b.latency(ctx, 1000); err != nil {
		return err
	}
	if g.HoldP99ImportMS, err = b.latencyDuringImport(ctx, server); err != nil {
		return err
	}
	if pg, missing := postgresPerSecond(ctx, b.seconds); missing != nil {
		g.PostgresMissing = missing.Error()
	} else {
		g.PostgresPerSecond, g.Ratio = pg, float64(hot)/float64(pg)
	}
	return nil
}

func (b *ledgerBench) execute(ctx context.Context, cmd *wire.Command) error {
	cmd.Actor, cmd.Node = "bench", "bench"
	_, err := b.book.Execute(ctx, cmd)
	return err
}

// prepare makes the accounts and opens the calls.
func (b *ledgerBench) prepare(ctx context.Context) error {
	if err := b.put(ctx, &wire.Company{Id: "c"}, &wire.Account{
		Id: "vendor", Company: "c", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_VENDOR,
	}, &wire.Deck{Id: "deck", Currency: "USD", Decimals: 6}, &wire.DeckVersion{
		Id: "deck/1", Deck: "deck", Number: 1, Digest: make([]byte, 32), Rows: 1,
	}); err != nil {
		return err
	}
	const atOnce = 2000
	for from := 0; from < b.accounts; from += atOnce {
		var put []any
		for i := from; i < min(from+atOnce, b.accounts); i++ {
			put = append(put, &wire.Account{
				Id: accountName(i), Company: "c", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER,
				CreditLimitMicro: 1_000_000_000_000,
			})
		}
		if err := b.put(ctx, put...); err != nil {
			return err
		}
	}
	return b.together(ctx, b.open, func(ctx context.Context, n int) error {
		return b.execute(ctx, b.hold(b.call(), accountName(n%b.accounts)))
	})
}

func accountName(n int) string {
	name := []byte("a000000")
	for i := len(name) - 1; n > 0; i, n = i-1, n/10 {
		name[i] += byte(n % 10)
	}
	return string(name)
}

func (b *ledgerBench) put(ctx context.Context, entities ...any) error {
	change := &wire.ChangeCatalog{Note: "bench"}
	for _, e := range entities {
		change.Changes = append(change.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(e)}})
	}
	key := events.KeyOf("put", fmt.Sprint(b.next.Add(1)))
	return b.execute(ctx, &wire.Command{Key: key[:], Body: &wire.Command_ChangeCatalog{ChangeCatalog: change}})
}

// together runs fn n times on as many goroutines as there are workers.
func (b *ledgerBench) together(ctx context.Context, n int, fn func(context.Context, int) error) error {
	var at atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, b.workers)
	for range b.workers {
		wg.Go(func() {
			for i := int(at.Add(1)) - 1; i < n; i = int(at.Add(1)) - 1 {
				if err := fn(ctx, i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func (b *ledgerBench) call() events.CallID {
	var random [10]byte
	n := b.next.Add(1)
	for i := range 7 { // the bytes that a UUID's version and variant leave alone
		random[3+i] = byte(n >> (8 * i))
	}
	return events.NewCallID(time.Now(), random)
}

func terms(price int64) *wire.Terms {
	return &wire.Terms{
		Deck: "deck", DeckVersion: 1, Prefix: "4420", Destination: "United Kingdom London", Currency: "USD",
		PriceFirstNano: price, PriceNextNano: price, IntervalFirstS: 1, IntervalNextS: 1, Decimals: 6,
	}
}

func (b *ledgerBench) hold(id events.CallID, payer string) *wire.Command {
	key := events.KeyOf("hold", string(id[:]))
	return &wire.Command{Key: key[:], Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call: id[:], CatalogPosition: 1 << 40, SetupMs: 60_000, MaxMs: 3_600_000,
		Lines: []*wire.HoldLine{{Payer: payer, Sell: terms(12_000_000)}},
		Route: []*wire.Candidate{{VendorAccount: "vendor", Buy: terms(7_000_000)}},
	}}}
}

func (b *ledgerBench) charge(id events.CallID) *wire.Command {
	key := events.KeyOf("charge", string(id[:]))
	now := time.Now().UnixMicro()
	return &wire.Command{Key: key[:], Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
		Call: id[:], EgressLeg: 1, AnsweredAtUs: now - 30_000_000, EndedAtUs: now, RawMs: 30_000, SipCode: 200, Q850: 16,
		EndedBy: wire.EndedBy_ENDED_BY_CALLER,
	}}}
}

// throughput counts operations a second: a hold and its charge are two.
func (b *ledgerBench) throughput(ctx context.Context, accounts int) (int, error) {
	zipf := func(seed uint64) func() int {
		if accounts == 1 {
			return func() int { return 0 }
		}
		z := rand.NewZipf(rand.New(rand.NewPCG(seed, 1)), 1.1, 1, uint64(min(accounts, b.accounts)-1))
		return func() int { return int(z.Uint64()) }
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, b.workers)
	start := time.Now()
	for w := range b.workers {
		wg.Go(func() {
			draw := zipf(uint64(w))
			for time.Since(start) < b.seconds {
				id := b.call()
				if err := errors.Join(b.execute(ctx, b.hold(id, accountName(draw()))), b.execute(ctx, b.charge(id))); err != nil {
					errs <- err
					return
				}
				done.Add(2)
			}
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return 0, err
	}
	return int(float64(done.Load()) / time.Since(start).Seconds()), nil
}

// latency offers holds at a rate and gives the median and the 99th percentile of
// the time from the question to the answer, in milliseconds.
func (b *ledgerBench) latency(ctx context.Context, rate int) (p50, p99 float64, err error) {
	n := int(b.seconds.Seconds()) * rate
	took := make([]time.Duration, n)
	errs := make(chan error, n)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range n {
		if wait := time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(rate))); wait > 0 {
			time.Sleep(wait)
		}
		wg.Go(func() {
			asked := time.Now()
			if err := b.execute(ctx, b.hold(b.call(), accountName(i%b.accounts))); err != nil {
				errs <- err
			}
			took[i] = time.Since(asked)
		})
	}
	wg.Wait()
	close(errs)
	if err := <-errs; err != nil {
		return 0, 0, err
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return ms(took[n/2]), ms(took[n*99/100]), nil
}
