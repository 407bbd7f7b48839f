package state_test

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// book is a state under test, fed with commands like a keeper's: what is folded
// has gone through bytes, and an auditor looks over its shoulder.
type book struct {
	t     tester
	st    *state.State
	rates *state.Rates
	audit *state.Auditor
	now   int64
	keys  int
	log   []record
}

// record is an event as the journal keeps it.
type record struct {
	at   int64
	data []byte
}

const noon = 1_783_000_800_000_000 // 2 July 2026, 14:00 UTC

func newBook(t tester) *book {
	return &book{t: t, st: state.New(), audit: state.NewAuditor(), now: noon}
}

// command completes a command with a key of its own.
func (b *book) command(c *wire.Command) *wire.Command {
	if c.Key == nil {
		b.keys++
		k := events.KeyOf("command", fmt.Sprint(b.keys))
		c.Key = k[:]
	}
	if c.Actor == "" {
		c.Actor = "test"
	}
	if c.Node == "" {
		c.Node = "n1"
	}
	return c
}

// do decides a command and folds what it led to.
func (b *book) do(c *wire.Command) (*wire.Reply, []*wire.Event) {
	b.t.Helper()
	before := b.st.Hash()
	evs, reply := b.st.Decide(b.now, b.rates, b.command(c))
	if b.st.Hash() != before {
		b.t.Fatalf("Decide changed the state: %v", c)
	}
	if reply.Error != nil && len(evs) > 0 {
		b.t.Fatalf("a refusal with events: %v %v", reply, evs)
	}
	for _, e := range evs {
		b.fold(e)
	}
	return reply, evs
}

func (b *book) fold(e *wire.Event) {
	b.t.Helper()
	data, err := events.Marshal(e)
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	b.log = append(b.log, record{b.now, data})
	for _, evolve := range []func(int64, *wire.Event) error{b.st.Evolve, b.audit.Check} {
		back, err := events.Unmarshal(data)
		if err != nil {
			b.t.Fatalf("%v", err)
		}
		if err := evolve(b.now, back); err != nil {
			b.t.Fatalf("fold %v: %v", e, err)
		}
	}
}

// must is do for commands that cannot be refused.
func (b *book) must(c *wire.Command) *wire.Reply {
	b.t.Helper()
	reply, _ := b.do(c)
	if reply.Error != nil {
		b.t.Fatalf("%v: refused: %v", c, reply.Error)
	}
	return reply
}

func (b *book) put(entities ...any) *wire.Reply {
	b.t.Helper()
	return b.must(putting(entities...))
}

func putting(entities ...any) *wire.Command {
	c := &wire.ChangeCatalog{}
	for _, e := range entities {
		c.Changes = append(c.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(e)}})
	}
	return &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: c}}
}

// account makes an account of company co; credit is its limit.
func account(id string, credit int64) *wire.Account {
	return &wire.Account{Id: id, Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, CreditLimitMicro: credit}
}

func vendor(id string) *wire.Account {
	return &wire.Account{Id: id, Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_VENDOR}
}

func deckOf(id string) (*wire.Deck, *wire.DeckVersion) {
	digest := sha256.Sum256([]byte(id))
	return &wire.Deck{Id: id, Currency: "USD", Decimals: 6},
		&wire.DeckVersion{Id: catalog.VersionID(id, 1), Deck: id, Number: 1, Digest: digest[:], Rows: 1}
}

// terms are a price a minute in micro-units, billed by the second.
func terms(deck string, perMinute int64) *wire.Terms {
	return &wire.Terms{
		Deck: deck, DeckVersion: 1, Prefix: "49", Currency: "USD", PriceFirstNano: perMinute * 1000, PriceNextNano: perMinute * 1000,
		IntervalFirstS: 1, IntervalNextS: 1, Decimals: 6,
	}
}

// start puts a company, a vendor, two decks and the given accounts.
func start(t tester, accounts ...*wire.Account) *book {
	b := newBook(t)
	sell, sell1 := deckOf("sell")
	buy, buy1 := deckOf("buy")
	b.put(&wire.Company{Id: "co"}, vendor("vendor"), sell, sell1, buy, buy1)
	for _, a := range accounts {
		b.put(a)
	}
	return b
}

func callID(n int) []byte {
	id := events.CallID{15: byte(n), 14: byte(n >> 8), 0: 1}
	return id[:]
}

// placing is a call's hold: a minute costs the payer perMinute, and us half.
func (b *book) placing(n int, payer string, perMinute int64) *wire.Command {
	return &wire.Command{Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call:  callID(n),
		Lines: []*wire.HoldLine{{Payer: payer, Sell: terms("sell", perMinute)}},
		Route: []*wire.Candidate{
			{VendorAccount: "vendor", Buy: terms("buy", perMinute/2)},
			{VendorAccount: "vendor", Buy: terms("buy", perMinute/4)},
		},
		CatalogPosition: uint64(b.st.Catalog.Position()), SetupMs: 120_000, MaxMs: 7_200_000,
	}}}
}

func advancing(n int, candidate uint32) *wire.Command {
	return &wire.Command{Body: &wire.Command_AdvanceRoute{AdvanceRoute: &wire.AdvanceRoute{Call: callID(n), Candidate: candidate}}}
}

func extending(n int, paidMS int64) *wire.Command {
	return &wire.Command{Body: &wire.Command_ExtendHold{ExtendHold: &wire.ExtendHold{Call: callID(n), PaidMs: paidMS, AnsweredAtUs: noon}}}
}

func charging(n int, rawMS int64) *wire.Command {
	return &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{
		Call: callID(n), EgressLeg: 1, AnsweredAtUs: noon, EndedAtUs: noon + rawMS*1000, RawMs: rawMS, SipCode: 200,
	}}}
}

func releasing(n int) *wire.Command {
	return &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: callID(n), Reason: "busy"}}}
}

func claiming(n int, node string) *wire.Command {
	return &wire.Command{Node: node, Body: &wire.Command_ClaimHold{ClaimHold: &wire.ClaimHold{Call: callID(n)}}}
}

func posting(p *wire.PostMoney) *wire.Command {
	if p.Reason == "" {
		p.Reason = "test"
	}
	return &wire.Command{Body: &wire.Command_PostMoney{PostMoney: p}}
}

func crediting(account string, micro int64) *wire.Command {
	return posting(&wire.PostMoney{Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: account, AmountMicro: micro})
}

// code is a reply's refusal, "" for none.
func code(r *wire.Reply) events.Code {
	if r.Error == nil {
		return ""
	}
	return events.Code(r.Error.Code)
}

// replay folds the log anew, from bytes.
func (b *book) replay() *state.State {
	b.t.Helper()
	st := state.New()
	for _, r := range b.log {
		e, err := events.Unmarshal(r.data)
		if err != nil {
			b.t.Fatalf("%v", err)
		}
		if err := st.Evolve(r.at, e); err != nil {
			b.t.Fatalf("%v", err)
		}
	}
	return st
}

func restored(t tester, st *state.State) *state.State {
	t.Helper()
	data, err := st.Snapshot()
	if err != nil {
		t.Fatalf("%v", err)
	}
	back, err := state.Restore(data)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if back.Hash() != st.Hash() || back.Rehash() != st.Hash() || back.Position != st.Position || back.TimeUS != st.TimeUS {
		t.Fatalf("the snapshot of position %d gives %s, not %s", st.Position, back.Hash(), st.Hash())
	}
	return back
}

// alike checks that two states decide a command in the same way.
func alike(t tester, a, b *state.State, now int64, c *wire.Command) {
	t.Helper()
	evs, reply := a.Decide(now, nil, c)
	evs2, reply2 := b.Decide(now, nil, c)
	same := proto.Equal(reply, reply2) && len(evs) == len(evs2)
	for i := 0; same && i < len(evs); i++ {
		same = proto.Equal(evs[i], evs2[i])
	}
	if !same {
		t.Fatalf("%v is decided in two ways: %v %v and %v %v", c, reply, evs, reply2, evs2)
	}
}

var _ tester = (*testing.T)(nil)
