package alone_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/alone"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is the way to the book, which can be cut, or lose the answers.
type line struct {
	keeper     *book.Keeper
	cut, loses atomic.Bool
}

func (l *line) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if l.cut.Load() {
		<-ctx.Done()
		return nil, events.Refuse(events.CodeUnavailable, "cut")
	}
	reply, err := l.keeper.Execute(ctx, cmd)
	if l.loses.Load() {
		return nil, events.Refuse(events.CodeUnavailable, "the answer is lost")
	}
	if err != nil {
		return nil, err
	}
	return reply, events.FromRefusal(reply.Error)
}

type rig struct {
	t        *testing.T
	line     *line
	follower *book.Follower
	path     string
	desk     *alone.Desk
	n        int
}

// newRig has account a with money and an allowance of three calls and 0.2.
func newRig(t *testing.T) *rig {
	t.Helper()
	store := journal.NewMemory("BOOK", book.Journal)
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: "n1"}, journal.Cursor{})
	log := slog.New(slog.DiscardHandler)
	k, err := book.Open(t.Context(), w, state.New(), "n1", time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, line: &line{keeper: k}, follower: book.NewFollower(state.New(), journal.Cursor{}), path: filepath.Join(t.TempDir(), "alone")}
	r.background(func(ctx context.Context) { _ = k.Run(ctx) })
	r.background(func(ctx context.Context) {
		_, _ = journal.Follow(ctx, store, book.Journal, journal.Cursor{}, func(b journal.Block) error {
			_, err := r.follower.Apply(b)
			return err
		})
	})
	digest := sha256.Sum256(nil)
	set := &wire.ChangeCatalog{}
	for _, m := range []any{
		&wire.Company{Id: "co"},
		&wire.Account{Id: "a", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, OfflineCalls: 3, OfflineMicro: 200_000},
		&wire.Account{Id: "none", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER},
		&wire.Deck{Id: "sell", Currency: "USD", Decimals: 6},
		&wire.DeckVersion{Id: catalog.VersionID("sell", 1), Deck: "sell", Number: 1, Digest: digest[:], Rows: 1},
	} {
		set.Changes = append(set.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}})
	}
	r.must(r.line, &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: set}})
	last := r.must(r.line, &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: "a", AmountMicro: 1_000_000, Reason: "test",
	}}})
	if err := r.follower.Wait(t.Context(), events.Position(last.Position)); err != nil {
		t.Fatal(err)
	}
	r.open()
	return r
}

func (r *rig) background(fn func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); fn(ctx) }()
	r.t.Cleanup(func() { cancel(); <-over })
}

// open begins a run of the node.
func (r *rig) open() {
	r.t.Helper()
	d, err := alone.Open(alone.Config{
		Book: r.line, Follower: r.follower, Node: "n1", Path: r.path, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.desk = d
	r.t.Cleanup(func() { _ = d.Close() }) // again is no harm
}

func (r *rig) ask(to alone.Book, cmd *wire.Command) (*wire.Reply, error) {
	r.n++
	key := events.KeyOf("command", time.Now().String(), string(rune(r.n)))
	cmd.Key, cmd.Actor, cmd.Node = key[:], "test", "n1"
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Second)
	defer cancel()
	return to.Execute(ctx, cmd)
}

func (r *rig) must(to alone.Book, cmd *wire.Command) *wire.Reply {
	r.t.Helper()
	reply, err := r.ask(to, cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply
}

func id(n int) events.CallID { return events.CallID{0: 1, 15: byte(n)} }

// hold is of a call at 0.06 a minute, paid for by an account.
func hold(n int, payer string) *wire.Command {
	call := id(n)
	return &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call: call[:],
		Lines: []*wire.HoldLine{{Payer: payer, Sell: &wire.Terms{
			Deck: "sell", DeckVersion: 1, Currency: "USD", PriceFirstNano: 60_000_000, PriceNextNano: 60_000_000,
			IntervalFirstS: 60, IntervalNextS: 60, Decimals: 6,
		}}},
		Route: []*wire.Candidate{{}, {}}, CatalogPosition: 1 << 40, SetupMs: 1000, MaxMs: 3_600_000,
	}}}
}

// charge is of a second candidate that answered, a minute.
func charge(n int) *wire.Command {
	call, now := id(n), time.Now().UnixMicro()
	return &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
		Call: call[:], Candidate: 1, EgressLeg: 2, AnsweredAtUs: now, EndedAtUs: now + 60_000_000, RawMs: 60_000, SipCode: 200,
	}}}
}

func release(n int) *wire.Command {
	call := id(n)
	return &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: call[:], Reason: "cancelled"}}}
}

func extend(n int) *wire.Command {
	call := id(n)
	return &wire.Command{Body: &wire.Command_ExtendHold{ExtendHold: &wire.ExtendHold{Call: call[:], AnsweredAtUs: time.Now().UnixMicro(), PaidMs: 60_000}}}
}

// back lets the book answer and waits until it has all.
func (r *rig) back() {
	r.t.Helper()
	r.line.cut.Store(false)
	r.background(func(ctx context.Context) { _ = r.desk.Run(ctx) })
	for range 100 {
		if r.desk.Waiting() == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Fatal("the book has not taken the calls")
}

// owed is what the account has paid and what is held of it.
func (r *rig) owed() (paid int64, holds int) {
	last := r.must(r.line, &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: "none", AmountMicro: 1, Reason: "a position to wait for",
	}}})
	if err := r.follower.Wait(r.t.Context(), events.Position(last.Position)); err != nil {
		r.t.Fatal(err)
	}
	r.follower.View(func(st *state.State) {
		paid = 1_000_000 - int64(st.Ledger.Balance("a").Posted)
		holds = 0
		st.Ledger.Holds(func(events.CallID, *ledger.Hold) { holds++ })
	})
	return paid, holds
}

// TestSilence has the book fall silent: calls of an account with an allowance go on being
// let through within it, and are in the book when it is back.
func TestSilence(t *testing.T) {
	r := newRig(t)
	r.must(r.desk, hold(1, "a"))
	r.must(r.desk, charge(1)) // by the book
	r.line.cut.Store(true)
	for n := 2; n <= 4; n++ {
		if reply := r.must(r.desk, hold(n, "a")); reply.GetHoldGranted().GetPaidMs() != 60_000 {
			t.Fatal(reply)
		}
	}
	for _, c := range []*wire.Command{hold(5, "a"), hold(6, "none"), extend(2)} {
		if _, err := r.ask(r.desk, c); events.CodeOf(err) != events.CodeUnavailable {
			t.Errorf("beyond the allowance: %v", err)
		}
	}
	urgent := hold(7, "none")
	urgent.GetPlaceHold().Emergency = "112"
	r.must(r.desk, urgent)
	r.must(r.desk, charge(2))
	r.must(r.desk, charge(2)) // again
	r.must(r.desk, release(3))
	if h := r.desk.Running(); len(h) != 2 || h[id(4)].PaidMs != 60_000 || len(h[id(4)].Route) != 2 {
		t.Errorf("those that go on are %v", h)
	}
	r.back()
	if paid, holds := r.owed(); paid != 120_000 || holds != 2 {
		t.Errorf("paid %d, %d holds: want two calls of a minute, and two that go on", paid, holds)
	}
	r.must(r.desk, charge(4)) // by the book again
	r.must(r.desk, charge(7))
	if paid, holds := r.owed(); paid != 180_000 || holds != 0 {
		t.Errorf("paid %d, %d holds", paid, holds)
	}
	if info, err := os.Stat(r.path); err != nil || info.Size() != 0 {
		t.Errorf("the file has %d bytes when all is in the book: %v", info.Size(), err)
	}
	r.must(r.desk, hold(8, "a"))
}

// TestRestart ends the program while the book is silent, in the midst of a record.
func TestRestart(t *testing.T) {
	r := newRig(t)
	r.line.cut.Store(true)
	r.must(r.desk, hold(1, "a"))
	r.must(r.desk, hold(2, "a"))
	r.must(r.desk, charge(2))
	if err := r.desk.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.path, append(text, text[:20]...), 0o600); err != nil {
		t.Fatal(err)
	}
	r.open()
	if r.desk.Waiting() != 2 || len(r.desk.Running()) != 1 {
		t.Fatalf("%d calls wait", r.desk.Waiting())
	}
	r.must(r.desk, charge(1)) // by who recovers calls
	r.back()
	if paid, holds := r.owed(); paid != 120_000 || holds != 0 {
		t.Errorf("paid %d, %d holds", paid, holds)
	}
	if err := r.desk.Close(); err != nil {
		t.Fatal(err)
	}
	text[12] ^= 1
	if err := os.WriteFile(r.path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = alone.Open(alone.Config{Book: r.line, Follower: r.follower, Node: "n1", Path: r.path, Now: time.Now, Log: slog.Default()})
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Error("a damaged file is opened")
	}
}

// TestLostAnswers has the book take what it does not answer: the call is held by it and
// let through here, and ends once.
func TestLostAnswers(t *testing.T) {
	r := newRig(t)
	r.line.loses.Store(true)
	r.must(r.desk, hold(1, "a")) // the book has a hold, too
	r.must(r.desk, hold(2, "a"))
	if r.desk.Waiting() != 2 {
		t.Fatal("nothing was decided here")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	_ = r.desk.Run(ctx) // the calls are written up as going on; the answer is lost
	cancel()
	r.must(r.desk, charge(1))
	r.line.loses.Store(false)
	r.back()
	if paid, holds := r.owed(); paid != 60_000 || holds != 1 {
		t.Errorf("paid %d, %d holds: want a minute, and the call that goes on", paid, holds)
	}
	r.must(r.desk, charge(2))
	if paid, holds := r.owed(); paid != 120_000 || holds != 0 {
		t.Errorf("paid %d, %d holds", paid, holds)
	}
}
