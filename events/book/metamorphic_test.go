package book_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// rounds is how many histories a test of random ones plays; make soak plays more.
func rounds(t *testing.T, usual int) int {
	text := os.Getenv("TOLLBOOK_SOAK")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// act is one thing that happens in a history.
type act struct {
	at      time.Time
	node    string
	cmd     *wire.Command
	restart bool // the keeper is replaced before this
}

var midnight = time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC)

// acts is a history with every kind of command, from two nodes, some of them twice.
func acts(dice *rand.Rand) []act {
	at := midnight.Add(10 * time.Hour)
	var all []act
	for n := range 120 {
		at = at.Add(time.Duration(dice.IntN(20_000)) * time.Millisecond)
		if dice.IntN(30) == 0 {
			at = at.Add(25 * time.Hour) // closed calls are forgotten
		}
		a := act{at: at, node: "n1", cmd: anyCommand(dice, at), restart: n%40 == 39}
		if dice.IntN(6) == 0 {
			a.node = "n2"
		}
		if n > 0 && dice.IntN(8) == 0 { // a client that lost its answer
			old := all[dice.IntN(len(all))]
			a.node, a.cmd = old.node, old.cmd
		} else {
			key := events.KeyOf("act", fmt.Sprint(n), fmt.Sprint(dice.Uint64()))
			a.cmd.Key = key[:]
		}
		all = append(all, a)
	}
	return all
}

// anyCommand draws one of all kinds of commands.
func anyCommand(dice *rand.Rand, at time.Time) *wire.Command {
	n := dice.IntN(25)
	switch dice.IntN(12) {
	case 0, 1, 2:
		return hold(n)
	case 3, 4:
		c := charge(n)
		c.GetChargeCall().RawMs, c.GetChargeCall().AnsweredAtUs = dice.Int64N(100_000), at.UnixMicro()
		return c
	case 5:
		return &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: call(n)}}}
	case 6:
		return &wire.Command{Body: &wire.Command_ExtendHold{ExtendHold: &wire.ExtendHold{Call: call(n), PaidMs: 60_000, AnsweredAtUs: at.UnixMicro()}}}
	case 7:
		return &wire.Command{Body: &wire.Command_ClaimHold{ClaimHold: &wire.ClaimHold{Call: call(n)}}}
	case 8:
		return &wire.Command{Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{
			Account: "a", ToUs: midnight.AddDate(0, 0, dice.IntN(4)).UnixMicro(),
		}}}
	case 9:
		return &wire.Command{Body: &wire.Command_WriteUpOffline{WriteUpOffline: &wire.WriteUpOffline{Calls: offlineCalls(dice, at)}}}
	case 10:
		return anyEdit(dice)
	}
	if dice.IntN(5) == 0 {
		return &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
			Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: 1 + dice.Uint64N(60), Reason: "test",
		}}}
	}
	return &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
		Kind: wire.PostingKind(1 + dice.IntN(8)), Account: "a", ToAccount: "b", AmountMicro: dice.Int64N(200_000), Reason: "test",
		EffectiveAtUs: at.Add(-time.Duration(dice.IntN(48)) * time.Hour).UnixMicro(),
	}}}
}

// offlineCalls begin at a number that a node may have reached, or not.
func offlineCalls(dice *rand.Rand, at time.Time) (calls []*wire.OfflineCall) {
	first := 1 + dice.IntN(6)
	for i := range 1 + dice.IntN(3) {
		h := hold(dice.IntN(25)).GetPlaceHold()
		o := &wire.OfflineCall{
			Number: uint64(first + i), Call: h.Call, Payer: "a", Sell: h.Lines[0].Sell, Candidate: h.Route[0], EgressLeg: 1,
			PlacedAtUs: at.Add(-time.Hour).UnixMicro(), SetupMs: 1000, MaxMs: 3_600_000, PaidMs: 60_000,
		}
		if o.Running = dice.IntN(3) == 0; !o.Running {
			o.AnsweredAtUs, o.RawMs = o.PlacedAtUs, dice.Int64N(90_000)
		}
		calls = append(calls, o)
	}
	return calls
}

func anyEdit(dice *rand.Rand) *wire.Command {
	a := &wire.Account{Id: "a", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, CreditLimitMicro: dice.Int64N(3) * 100_000}
	a.Alerts = &wire.AccountAlerts{LowMicro: proto.Int64(dice.Int64N(600_000))}
	b := proto.CloneOf(a)
	b.Id = "b"
	set := &wire.ChangeCatalog{}
	for _, m := range []any{
		a, b, &wire.Company{Id: "co", MutualLimits: []*wire.MutualLimit{{Currency: "USD", LimitMicro: dice.Int64N(2_000_000)}}},
		&wire.NumberList{Id: "list", Numbers: []string{fmt.Sprint(1000 + dice.IntN(3))}},
	} {
		set.Changes = append(set.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}})
	}
	return &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: set}}
}

// house is a store that a keeper can be lost on.
type house struct {
	store func() journal.Store // as the next term finds it
	again func()               // what happens between two terms
	// accepted counts commands by kind; nil does not.
	accepted map[string]int
}

// play runs a history and gives the state that a reader of the store then has. The
// keeper that is replaced goes on, and must not be heard.
func play(t *testing.T, in house, history []act) *state.State {
	t.Helper()
	clock := midnight
	open := func() *book.Keeper {
		st, at := fold(t, in.store())
		data, err := st.Snapshot() // a node starts from a snapshot of its fold
		if err != nil {
			t.Fatal(err)
		}
		if st, err = state.Restore(data); err != nil {
			t.Fatal(err)
		}
		w := journal.OpenWriterAt(in.store(), journal.WriterOptions{Journal: book.Journal, Node: "n1"}, at)
		k, err := book.Open(t.Context(), w, st, "n1", func() time.Time { return clock }, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open()
	stop := run(t, k)
	world(t, k, 2_000_000)
	for i, a := range history {
		if a.restart {
			old, stopOld := k, stop
			if in.again != nil {
				stopOld()
				in.again()
			}
			k = open()
			stop = run(t, k)
			if in.again == nil {
				superseded(t, old)
				stopOld()
			}
			if i > 0 && history[i-1].cmd.GetExtendHold() == nil { // its answer may have been lost
				execute(t, k, history[i-1])
			}
		}
		clock = a.at
		if execute(t, k, a) && in.accepted != nil {
			in.accepted[fmt.Sprintf("%T", a.cmd.Body)]++
		}
	}
	stop()
	st, _ := fold(t, in.store())
	return st
}

// superseded sends a command to a keeper that another one has replaced.
func superseded(t *testing.T, k *book.Keeper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if reply, err := ask(ctx, k, "too late", credit(1_000_000)); err == nil {
		t.Fatalf("a keeper that was replaced decides: %v", reply)
	}
}

func execute(t *testing.T, k *book.Keeper, a act) (accepted bool) {
	t.Helper()
	c := proto.CloneOf(a.cmd)
	c.Actor, c.Node = "test", a.node
	reply, err := k.Execute(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Error == nil
}

// TestTheSameBookEverywhere plays one history on a store in memory, on one that loses
// and doubles messages, with keepers that do not know that they were replaced, and on
// JetStream, whose server ends and starts in the middle: the state is the same.
func TestTheSameBookEverywhere(t *testing.T) {
	accepted := map[string]int{}
	for seed := range uint64(rounds(t, 2)) {
		history := acts(rand.New(rand.NewPCG(seed, 1)))
		plain := memory()
		want := play(t, house{store: func() journal.Store { return plain }, accepted: accepted}, history)
		bad := &faulty{Store: memory(), dice: rand.New(rand.NewPCG(seed, 2))}
		for name, got := range map[string]*state.State{
			"with faults": play(t, house{store: func() journal.Store { return bad }}, history),
			"JetStream":   play(t, jetStream(t), history),
		} {
			if got.Hash() != want.Hash() || got.Position != want.Position {
				t.Fatalf("seed %d: %s the state is %s at %d, in memory %s at %d", seed, name, got.Hash(), got.Position, want.Hash(), want.Position)
			}
		}
		if bad.n == 0 {
			t.Fatal("nothing went wrong: the test tests nothing")
		}
	}
	if len(accepted) != 9 {
		t.Errorf("not all kinds of commands were accepted: %v", accepted)
	}
}

// jetStream is a server that is stopped and started between two terms.
func jetStream(t *testing.T) house {
	dir := t.TempDir()
	s := server(t, dir)
	return house{
		store: func() journal.Store { return stream(t, s) },
		again: func() { s.Stop(); s = server(t, dir) },
	}
}
