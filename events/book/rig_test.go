package book_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eachStore runs a test on the store in memory and on JetStream.
func eachStore(t *testing.T, test func(t *testing.T, store journal.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, memory()) })
	t.Run("JetStream", func(t *testing.T) { test(t, stream(t, server(t, t.TempDir()))) })
}

func memory() journal.Store { return journal.NewMemory("BOOK", book.Journal) }

func server(t *testing.T, dir string) *cluster.Server {
	t.Helper()
	s, err := cluster.Start(t.Context(), cluster.Options{Dir: dir, Node: "n1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func stream(t *testing.T, s *cluster.Server) journal.Store {
	t.Helper()
	st, err := journal.OpenStream(t.Context(), s.Conn(), cluster.StreamBook)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// fold reads a journal from its beginning, under the eyes of an auditor.
func fold(t *testing.T, store journal.Store) (*state.State, journal.Cursor) {
	t.Helper()
	audit := state.NewAuditor()
	at, err := journal.Read(context.Background(), store, book.Journal, journal.Cursor{}, func(b journal.Block) error {
		for _, data := range b.Events {
			e, err := events.Unmarshal(data)
			if err != nil {
				return err
			}
			if err := audit.Check(b.Time.UnixMicro(), e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := audit.Finish(); err != nil {
		t.Fatal(err)
	}
	return audit.State, at
}

// term opens a keeper on what a store holds, without running it.
func term(t *testing.T, store journal.Store, node string) *book.Keeper {
	t.Helper()
	st, at := fold(t, store)
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: node}, at)
	k, err := book.Open(t.Context(), w, st, node, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keep runs a keeper until stop is called or the test ends.
func keep(t *testing.T, store journal.Store, node string) (k *book.Keeper, stop func()) {
	t.Helper()
	k = term(t, store, node)
	return k, run(t, k)
}

func run(t *testing.T, k *book.Keeper) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = k.Run(ctx) // what ended it is what its callers are told
	}()
	stop = func() {
		cancel()
		<-over
	}
	t.Cleanup(stop)
	return stop
}

// world puts account a, prepaid, and what calls need, and credits it.
func world(t *testing.T, k *book.Keeper, micro int64) {
	t.Helper()
	digest := sha256.Sum256(nil)
	set := &wire.ChangeCatalog{}
	for _, m := range []any{
		&wire.Company{Id: "co"},
		&wire.Account{Id: "a", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER},
		&wire.Deck{Id: "sell", Currency: "USD", Decimals: 6},
		&wire.DeckVersion{Id: catalog.VersionID("sell", 1), Deck: "sell", Number: 1, Digest: digest[:], Rows: 1},
	} {
		set.Changes = append(set.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}})
	}
	must(t, k, "world", &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: set}})
	must(t, k, "money", credit(micro))
}

func credit(micro int64) *wire.Command {
	return &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: "a", AmountMicro: micro, Reason: "test",
	}}}
}

func call(n int) []byte {
	id := events.CallID{0: 1, 14: byte(n >> 8), 15: byte(n)}
	return id[:]
}

// hold is of a call at 0.06 a minute: a first period holds 60000.
func hold(n int) *wire.Command {
	return &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call: call(n),
		Lines: []*wire.HoldLine{{Payer: "a", Sell: &wire.Terms{
			Deck: "sell", DeckVersion: 1, Currency: "USD", PriceFirstNano: 60_000_000, PriceNextNano: 60_000_000,
			IntervalFirstS: 60, IntervalNextS: 60, Decimals: 6,
		}}},
		Route: []*wire.Candidate{{}}, CatalogPosition: 1 << 40, SetupMs: 1000, MaxMs: 3_600_000,
	}}}
}

func charge(n int) *wire.Command {
	return &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{Call: call(n), EgressLeg: 1, AnsweredAtUs: 1, RawMs: 60_000}}}
}

// ask executes a command under a key made of its name.
func ask(ctx context.Context, k *book.Keeper, name string, c *wire.Command) (*wire.Reply, error) {
	key := events.KeyOf(name)
	c.Key, c.Actor, c.Node = key[:], "test", "n1"
	reply, err := k.Execute(ctx, c)
	if err != nil {
		return nil, err
	}
	return reply, events.FromRefusal(reply.Error)
}

func must(t *testing.T, k *book.Keeper, name string, c *wire.Command) *wire.Reply {
	t.Helper()
	reply, err := ask(t.Context(), k, name, c)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return reply
}

func name(what string, n int) string { return fmt.Sprintf("%s %d", what, n) }
