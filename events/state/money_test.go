package state_test

import (
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

func (b *book) posted(account string) money.Amount { return b.st.Ledger.Balance(account).Posted }

func TestPostings(t *testing.T) {
	kinds := func(k wire.PostingKind, account string, micro int64, to string) *wire.Command {
		return posting(&wire.PostMoney{Kind: k, Account: account, AmountMicro: micro, ToAccount: to})
	}
	const (
		credit   = wire.PostingKind_POSTING_KIND_CREDIT
		debit    = wire.PostingKind_POSTING_KIND_DEBIT
		forced   = wire.PostingKind_POSTING_KIND_FORCED_DEBIT
		transfer = wire.PostingKind_POSTING_KIND_TRANSFER
		reversal = wire.PostingKind_POSTING_KIND_REVERSAL
	)
	for _, c := range []struct {
		name string
		cmd  *wire.Command
		want events.Code
		a, o money.Amount // what accounts a and other have afterwards
	}{
		{"credit", kinds(credit, "a", 5, ""), "", 105, 0},
		{"debit", kinds(debit, "a", 100, ""), "", 0, 0},
		{"debit of more", kinds(debit, "a", 101, ""), events.CodeInsufficientFunds, 100, 0},
		{"debit on credit", kinds(debit, "other", 50, ""), "", 100, -50},
		{"debit beyond the credit limit", kinds(debit, "other", 51, ""), events.CodeInsufficientFunds, 100, 0},
		{"forced", kinds(forced, "a", 1000, ""), "", -900, 0},
		{"transfer", kinds(transfer, "a", 100, "other"), "", 0, 100},
		{"transfer of more", kinds(transfer, "a", 101, "other"), events.CodeInsufficientFunds, 100, 0},
		{"transfer to itself", kinds(transfer, "a", 1, "a"), events.CodeInvalid, 100, 0},
		{"transfer to nobody", kinds(transfer, "a", 1, "who"), events.CodeNotFound, 100, 0},
		{"transfer to another currency", kinds(transfer, "a", 1, "euro"), events.CodeInvalid, 100, 0},
		{"zero", kinds(credit, "a", 0, ""), events.CodeInvalid, 100, 0},
		{"negative", kinds(credit, "a", -5, ""), events.CodeInvalid, 100, 0},
		{"too much", kinds(credit, "a", int64(money.MaxAmount), ""), events.CodeInvalid, 100, 0},
		{"no kind", kinds(0, "a", 5, ""), events.CodeInvalid, 100, 0},
		{"another kind", kinds(99, "a", 5, ""), events.CodeInvalid, 100, 0},
		{"strange account", kinds(credit, "who", 5, ""), events.CodeNotFound, 100, 0},
		{"our own account", kinds(credit, "own/revenue/USD", 5, ""), events.CodeNotFound, 100, 0},
		{"wrong currency", posting(&wire.PostMoney{Kind: credit, Account: "a", AmountMicro: 5, Currency: "EUR"}), events.CodeInvalid, 100, 0},
		{"no reason", &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{Kind: credit, Account: "a", AmountMicro: 5}}}, events.CodeInvalid, 100, 0},
		{"long reason", posting(&wire.PostMoney{Kind: credit, Account: "a", AmountMicro: 5, Reason: string(make([]byte, 501))}), events.CodeInvalid, 100, 0},
		{"reversal of nothing", posting(&wire.PostMoney{Kind: reversal, Reverses: 1}), events.CodeNotFound, 100, 0},
		// Folding such an event would mark position 4 as reversed, or fail.
		{"a credit that reverses", posting(&wire.PostMoney{Kind: credit, Account: "a", AmountMicro: 5, Reverses: 4}), events.CodeInvalid, 100, 0},
		{"a credit that reverses nothing", posting(&wire.PostMoney{Kind: credit, Account: "a", AmountMicro: 5, Reverses: 77}), events.CodeInvalid, 100, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			euro := account("euro", 0)
			euro.Currency = "EUR"
			b := start(t, account("a", 0), account("other", 50), euro)
			b.must(crediting("a", 100))
			if reply, _ := b.do(c.cmd); code(reply) != c.want {
				t.Errorf("%v, want %q", reply, c.want)
			}
			if b.posted("a") != c.a || b.posted("other") != c.o {
				t.Errorf("a has %s, the other %s", b.posted("a"), b.posted("other"))
			}
		})
	}
}

func TestBalancesStayInBounds(t *testing.T) {
	b := start(t, account("a", 0))
	half := int64(money.MaxAmount) / 2
	b.must(crediting("a", half))
	b.must(crediting("a", half))
	if reply, _ := b.do(crediting("a", half)); code(reply) != events.CodeInvalid {
		t.Errorf("%v, the account has %s", reply, b.posted("a"))
	}
}

func TestReversal(t *testing.T) {
	b := start(t, account("a", 0), account("b", 0))
	credit := b.must(crediting("a", 100)).GetPosted().Position
	b.must(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_TRANSFER, Account: "a", ToAccount: "b", AmountMicro: 70}))
	reverse := func(pos uint64) (*wire.Reply, uint64) {
		reply, _ := b.do(posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_REVERSAL, Reverses: pos}))
		return reply, reply.GetPosted().GetPosition()
	}
	_, back := reverse(credit)
	if b.posted("a") != -70 || b.posted("b") != 70 {
		t.Errorf("a has %s, b %s", b.posted("a"), b.posted("b"))
	}
	if again, _ := reverse(credit); code(again) != events.CodeConflict {
		t.Errorf("twice: %v", again)
	}
	// A reversal is a posting as any other; so is its own reversal.
	if reply, _ := reverse(back); code(reply) != "" || b.posted("a") != 30 {
		t.Errorf("%v, a has %s", reply, b.posted("a"))
	}
	// A call's charge is not a person's posting.
	b.must(b.placing(1, "a", 1))
	b.must(charging(1, 1000))
	if reply, _ := reverse(uint64(b.st.Position)); code(reply) != events.CodeNotFound {
		t.Errorf("a charge: %v", reply)
	}
	b.st = restored(t, b.st)
	if again, _ := reverse(credit); code(again) != events.CodeConflict {
		t.Errorf("after a restart: %v", again)
	}
}

func TestKeysAreKeptForEver(t *testing.T) {
	b := start(t, account("a", 0))
	cmd := crediting("a", 100)
	first := b.must(cmd)
	repeat := &wire.Command{Key: cmd.Key, Node: "n2", DeadlineUs: 1 << 60, Body: cmd.Body}
	for range 2 {
		b.now += 400 * 86_400_000_000
		reply, evs := b.do(repeat)
		if !reply.Repeated || len(evs) != 0 || reply.GetPosted().Position != first.GetPosted().Position {
			t.Errorf("%v %v", reply, evs)
		}
		b.st = restored(t, b.st)
	}
	other := crediting("a", 101)
	other.Key = cmd.Key
	if reply, _ := b.do(other); code(reply) != events.CodeConflict || reply.Error.Path != "idempotencyKey" {
		t.Errorf("other inputs: %v", reply)
	}
	edit := putting(&wire.Company{Id: "x"})
	edit.Key = cmd.Key
	if reply, _ := b.do(edit); code(reply) != events.CodeConflict {
		t.Errorf("another kind of command: %v", reply)
	}
	if b.posted("a") != 100 {
		t.Errorf("a has %s", b.posted("a"))
	}
}

func TestDeficitStopsHolds(t *testing.T) {
	b := start(t, account("a", 100_000))
	b.must(b.placing(1, "a", 60_000))
	b.put(account("a", 0)) // the limit is cut below what is held
	for _, c := range []*wire.Command{
		b.placing(2, "a", 60_000), b.placing(2, "a", 0), extending(1, 60_000),
		posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_DEBIT, Account: "a", AmountMicro: 1}),
	} {
		if reply, _ := b.do(c); code(reply) != events.CodeInsufficientFunds {
			t.Errorf("%v: %v", c, reply)
		}
	}
	b.must(crediting("a", 60_000))
	b.must(b.placing(3, "a", 0))
	b.must(crediting("a", 60_000))
	b.must(b.placing(4, "a", 60_000))
	b.must(charging(1, 60_000))
	if b.posted("a") != 60_000 {
		t.Errorf("a has %s", b.posted("a"))
	}
}

func TestRates(t *testing.T) {
	a := account("a", 1_000_000)
	a.CallsPerSecond = 2
	b := start(t, a, account("free", 1_000_000))
	b.rates = state.NewRates()
	n := 0
	try := func(payer string) events.Code {
		n++
		reply, _ := b.do(b.placing(n, payer, 1))
		return code(reply)
	}
	for i, c := range []struct {
		after int64
		want  events.Code
	}{
		{0, ""}, {0, ""}, {0, events.CodeLimit}, {499_999, events.CodeLimit}, {1, ""}, {0, events.CodeLimit},
		{10_000_000, ""}, {0, ""}, {0, events.CodeLimit},
	} {
		b.now += c.after
		if got := try("a"); got != c.want {
			t.Errorf("call %d: %q, want %q", i+1, got, c.want)
		}
		if got := try("free"); got != "" {
			t.Errorf("the account without a limit: %q", got)
		}
	}
	again := b.placing(n, "free", 1)
	if reply, _ := b.do(again); !reply.Repeated {
		t.Errorf("%v", reply)
	}
}
