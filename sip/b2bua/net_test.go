package b2bua

import (
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/rating"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// air is a network that loses, doubles and reorders datagrams as its seed says.
type air struct {
	mu  sync.Mutex
	rng *rand.Rand
	faults
	parties map[netip.AddrPort]func(from netip.AddrPort, data []byte)
	// sent are all datagrams that the switch sent, for what must not be in them.
	sent []string
	dead netip.AddrPort // nothing comes from there any more
}

// faults are in parts of a hundred.
type faults struct{ lose, double, delay int }

func (a *air) chance(percent int) bool { return a.rng.IntN(100) < percent }

// send delivers a datagram, perhaps, after a while.
func (a *air) send(from, to netip.AddrPort, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	deliver := a.parties[to]
	if deliver == nil || a.dead == from || a.chance(a.lose) {
		return
	}
	times := 1
	if a.chance(a.double) {
		times = 2
	}
	for range times {
		wait := time.Duration(1+a.rng.IntN(20)) * time.Millisecond
		if a.chance(a.delay) {
			wait += time.Duration(a.rng.IntN(900)) * time.Millisecond
		}
		time.AfterFunc(wait, func() { deliver(from, data) })
	}
}

// socket is the switch's end of the air.
type socket struct {
	air    *air
	at     netip.AddrPort
	in     chan datagram
	closed chan struct{}
	once   sync.Once
}

type datagram struct {
	from netip.AddrPort
	data []byte
}

func (a *air) socket(at netip.AddrPort) *socket {
	s := &socket{air: a, at: at, in: make(chan datagram, 1024), closed: make(chan struct{})}
	a.parties[at] = func(from netip.AddrPort, data []byte) {
		select {
		case s.in <- datagram{from, data}:
		case <-s.closed:
		}
	}
	return s
}

func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-s.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-s.closed:
		return 0, nil, net.ErrClosed
	}
}

func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	at := to.(*net.UDPAddr).AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	s.air.mu.Lock()
	s.air.sent = append(s.air.sent, at.String()+" "+string(b))
	s.air.mu.Unlock()
	s.air.send(s.at, at, append([]byte(nil), b...))
	return len(b), nil
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *socket) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(s.at) }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// memoryBook is the book's own rules over a state in memory, under an auditor.
type memoryBook struct {
	t     *testing.T
	mu    sync.Mutex
	audit *state.Auditor
	// thinks is how long it takes to answer who wants to try another vendor.
	thinks time.Duration
}

func (b *memoryBook) Execute(ctx context.Context, cmd *wire.Command) (*wire.Reply, error) {
	if a := cmd.GetAdvanceRoute(); a != nil && b.thinks > 0 {
		select {
		case <-ctx.Done():
			return nil, events.Refuse(events.CodeUnavailable, "the book thinks for too long")
		case <-time.After(b.thinks):
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now().UnixMicro()
	evs, reply := b.audit.State.Decide(now, nil, cmd)
	for _, e := range evs {
		if err := b.audit.Check(now, e); err != nil {
			b.t.Errorf("the book: %v", err)
		}
	}
	reply.Position = uint64(b.audit.State.Position)
	return reply, events.FromRefusal(reply.Error)
}

func (b *memoryBook) inUse(terminator string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.audit.State.Ledger.VendorCalls(terminator)
}

func (b *memoryBook) must(name string, cmd *wire.Command) {
	b.t.Helper()
	key := events.KeyOf(name)
	cmd.Key, cmd.Actor, cmd.Node = key[:], "test", "n1"
	if _, err := b.Execute(context.Background(), cmd); err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
}

func (b *memoryBook) balance(account string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return int64(b.audit.State.Ledger.Balance(account).Posted)
}

// The prices of the tests' world: what a second costs, in micro-units.
const (
	sellSecond = 1000
	buySecond  = 400
	opening    = 50_000_000
)

// newBook makes a book with a customer, two vendors behind one route plan, and money.
func newBook(t *testing.T, edit func(*wire.Originator, []*wire.Terminator)) (*memoryBook, *routing.World) {
	t.Helper()
	b := &memoryBook{t: t, audit: state.NewAuditor()}
	customer := &wire.Originator{
		Id: "o", Company: "co", Account: "a", SellDeck: "sell", RoutePlan: "p", Networks: []string{callerAddr.Addr().String() + "/32"},
	}
	vendors := []*wire.Terminator{
		{Id: "t1", Company: "v", Account: "va", BuyDeck: "buy", Host: vendorAddrs[0].Addr().String(), Port: 5060, Transport: "udp"},
		{Id: "t2", Company: "v", Account: "va", BuyDeck: "buy", Host: vendorAddrs[1].Addr().String(), Port: 5060, Transport: "udp"},
	}
	if edit != nil {
		edit(customer, vendors)
	}
	digest := make([]byte, 32)
	set := &wire.ChangeCatalog{}
	for _, m := range []any{
		&wire.Company{Id: "co", Name: "co"}, &wire.Company{Id: "v", Name: "v"},
		&wire.Account{Id: "a", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER},
		&wire.Account{Id: "va", Company: "v", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_VENDOR},
		&wire.Deck{Id: "sell", Currency: "USD", Decimals: 6}, &wire.Deck{Id: "buy", Currency: "USD", Decimals: 6},
		&wire.DeckVersion{Id: catalog.VersionID("sell", 1), Deck: "sell", Number: 1, Digest: digest, Rows: 1},
		&wire.DeckVersion{Id: catalog.VersionID("buy", 1), Deck: "buy", Number: 1, Digest: digest, Rows: 1},
		&wire.RoutePlan{Id: "p"}, vendors[0], vendors[1], customer,
		&wire.Route{Id: catalog.RouteID("p", "4", "t1"), Plan: "p", Prefix: "4", Terminator: "t1", Priority: 1},
		&wire.Route{Id: catalog.RouteID("p", "4", "t2"), Plan: "p", Prefix: "4", Terminator: "t2", Priority: 2},
	} {
		set.Changes = append(set.Changes, &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}})
	}
	b.must("world", &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: set}})
	b.must("money", &wire.Command{Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
		Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: "a", AmountMicro: opening, Reason: "test",
	}}})
	cat := b.audit.State.Catalog
	tables := map[string]*rating.Table{}
	for id, second := range map[string]int64{"sell": sellSecond, "buy": buySecond} {
		rate := money.Rate(second * 60 * 1000)
		tables[id] = rating.NewTable(cat.Deck(id), cat.VersionAt(id, time.Now().UnixMicro()), []rating.Row{{
			Prefix: "4", PriceFirst: rate, PriceNext: rate, IntervalFirst: 1, IntervalNext: 1,
		}})
	}
	return b, routing.Compile(cat, tables)
}

// diary keeps what is recorded.
type diary struct {
	mu     sync.Mutex
	events []*wire.Event
}

func (d *diary) Record(e *wire.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) ends() map[uint32][]*wire.LegEnded {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[uint32][]*wire.LegEnded{}
	for _, e := range d.events {
		if l := e.GetLegEnded(); l != nil {
			out[l.Leg] = append(out[l.Leg], l)
		}
	}
	return out
}

// legs are those of each call that began, with how many ends they have.
func (d *diary) legs() map[string]map[uint32]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]map[uint32]int{}
	for _, e := range d.events {
		id := string(e.Correlation)
		if out[id] == nil {
			out[id] = map[uint32]int{}
		}
		switch b := e.Body.(type) {
		case *wire.Event_CallReceived:
			out[id][0] += 0
		case *wire.Event_AttemptStarted:
			out[id][b.AttemptStarted.Leg] += 0
		case *wire.Event_LegEnded:
			out[id][b.LegEnded.Leg]++
		}
	}
	return out
}

// traced prints the messages of one seed when TOLLBOOK_TRACE is set.
func traced(who string, data []byte) {
	if os.Getenv("TOLLBOOK_TRACE") != "" {
		line, _, _ := strings.Cut(string(data), "\r\n")
		_, seq, _ := strings.Cut(string(data), "\r\nCSeq: ")
		seq, _, _ = strings.Cut(seq, "\r\n")
		println(time.Now().Format("04:05.000"), who, line, "|", seq)
	}
}
