package node

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/call"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/projections/history"
)

const smallWorld = `
companies:
  - {id: cust, accounts: [{id: cust-usd, currency: USD, kind: customer, credit_limit: "10"}]}
  - {id: vend, accounts: [{id: vend-usd, currency: USD, kind: vendor}]}
decks:
  - {id: sell, currency: USD, rows: "prefix,destination,price,increments,attempt_fee\n44,UK,0.60,1/1/0,0.02\n"}
  - {id: buy, currency: USD, rows: "prefix,destination,price,increments,attempt_fee\n44,UK,0.30,1/1/0,0.01\n"}
terminators:
  - {id: term, company: vend, account: vend-usd, buy_deck: buy, host: 127.0.0.99, port: 5099}
route_plans:
  - {id: plan, routes: [{prefix: "44", terminator: term}]}
originators:
  - {id: orig, company: cust, account: cust-usd, sell_deck: sell, route_plan: plan, networks: [127.0.0.98/32]}
`

// loopback is the configuration of a node on free ports of loopback.
func loopback(t *testing.T, dir string) Config {
	t.Helper()
	free, err := net.ListenPacket("udp", "127.0.0.97:0")
	if err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Data, c.HTTP, c.SIP = dir, "127.0.0.1:0", ListenOn(free.LocalAddr().String())
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

// start opens a node on free ports of loopback.
func start(t *testing.T, dir string) *Node {
	t.Helper()
	n, err := Start(t.Context(), loopback(t, dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// unanswered is a call that the last run left before its answer.
const unanswered = -1

// talk brings a call of five seconds as far as the last run has stored it: some of
// the events of its end, and no charge.
func talk(t *testing.T, n *Node, id events.CallID, ends int) {
	t.Helper()
	world := n.tables.World()
	origin := world.Catalog.Originator("orig")
	d := world.Route(routing.Request{Originator: origin, Called: "442071234567", InUse: func(string) int { return 0 }})
	if d.Refused != "" {
		t.Fatal(d.Refused)
	}
	plan := call.Plan{Candidate: &wire.Candidate{Terminator: "term", VendorAccount: "vend-usd", Buy: d.Candidates[0].Buy}}
	key := events.KeyOf(id.String(), "hold")
	reply, err := n.Execute(t.Context(), &wire.Command{Key: key[:], Actor: "node:n1", Body: &wire.Command_PlaceHold{PlaceHold: &wire.PlaceHold{
		Call: id[:], CatalogPosition: uint64(world.Position), SetupMs: 1000, MaxMs: 60_000,
		Lines: []*wire.HoldLine{{Payer: "cust-usd", Originator: "orig", Sell: d.Sell}}, Route: []*wire.Candidate{plan.Candidate},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	now := call.Now{US: time.Now().UnixMicro(), Mono: time.Hour}
	record := func(e *wire.Event) { n.calls.Record(call.Observed(id, now, e)) }
	record(&wire.Event{Body: &wire.Event_CallReceived{CallReceived: &wire.CallReceived{
		Call: id[:], Node: "n1", Originator: "orig", Company: "cust", Account: "cust-usd", AtUs: now.US}}})
	record(&wire.Event{Body: &wire.Event_AttemptStarted{AttemptStarted: &wire.AttemptStarted{
		Call: id[:], Leg: 1, Terminator: "term", Company: "vend", Account: "vend-usd", AtUs: now.US}}})
	if ends == unanswered {
		if err := n.calls.log.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	m := call.New(id, []call.Plan{plan}, time.Duration(reply.GetHoldGranted().GetPaidMs())*time.Millisecond, nil)
	keep := func(effects []call.Effect, most int) {
		for _, e := range effects {
			if r, ok := e.(call.Record); ok && most > 0 {
				most--
				n.calls.Record(r.Event)
			}
		}
	}
	m.Start(now, 0)
	keep(m.Answer(now, 1), 2)
	now.US, now.Mono = now.US+4_500_000, now.Mono+4500*time.Millisecond
	keep(m.Bye(now, 0, 0), ends)
	if err := n.calls.log.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// A call had ended, and the log said so, when the node died; the book had not yet
// taken its charge. The next start charges what the log says.
func TestRecoverChargesEndedCalls(t *testing.T) {
	dir := t.TempDir()
	n := start(t, dir)
	if _, err := n.ApplyWorld(t.Context(), resolve.WorldEdit{YAML: smallWorld, Actor: "test"}); err != nil {
		t.Fatal(err)
	}
	at, _ := n.follower.Position()
	if err := n.Await(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	for n.tables.World().Catalog.Originator("orig") == nil {
		time.Sleep(time.Millisecond)
	}
	ids := map[int]events.CallID{}
	for _, ends := range []int{unanswered, 0, 1, 2} { // of the two legs' ends, so many were stored
		ids[ends] = events.NewCallID(time.Now(), [10]byte{byte(ends)})
		talk(t, n, ids[ends], ends)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}

	n = start(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := n.caughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	n.follower.View(func(st *state.State) {
		st.Ledger.Holds(func(id events.CallID, _ *ledger.Hold) { t.Errorf("the hold of %s is open", id) })
	})
	for ends, id := range ids {
		told, err := n.history.Call(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if ends == unanswered {
			checkAttempt(t, told)
			continue
		}
		for _, l := range told.Legs {
			// With an end in the log it is that; without, the last sign of life.
			if l.State != history.Final || ends > 0 && (l.RawMS != 4500 || l.Price.GrossMicro != map[int64]int64{0: 50_000, 1: 25_000}[l.Leg]) {
				t.Errorf("%d ends stored: %+v", ends, l)
			}
		}
	}
}

// checkAttempt wants the fee for the attempt on both sides, as if the node had
// lived to see the call end.
func checkAttempt(t *testing.T, told history.Call) {
	t.Helper()
	sum := map[string]int64{}
	for _, l := range told.Lines {
		sum[l.Side] += l.GrossMicro
	}
	if sum["sell"] != 20_000 || sum["buy"] != 10_000 {
		t.Errorf("an attempt that nobody answered: %v", sum)
	}
	for _, l := range told.Legs {
		if l.State != history.Final || l.Answered || l.EndedBy != "lost" {
			t.Errorf("%+v", l)
		}
	}
}
