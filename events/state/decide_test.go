package state_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// TestMoneyForOneCall states what must be served, and not only what must not: with
// money for one first minute exactly one of two calls is let through, with money
// for two both are.
func TestMoneyForOneCall(t *testing.T) {
	for _, c := range []struct {
		credit int64
		served []bool
	}{
		{0, []bool{false, false}},
		{999, []bool{false, false}}, // a second costs 1000
		{60_000, []bool{true, false}},
		{120_000, []bool{true, true}},
		{60_000 + 1000, []bool{true, true}}, // the second call gets one second
	} {
		b := start(t, account("a", 0))
		if c.credit > 0 {
			b.must(crediting("a", c.credit))
		}
		for i, want := range c.served {
			reply, _ := b.do(b.placing(i, "a", 60_000))
			if served := reply.Error == nil; served != want {
				t.Errorf("with %d: call %d served: %v, want %v (%v)", c.credit, i, served, want, reply.Error)
			}
			if !want && code(reply) != events.CodeInsufficientFunds {
				t.Errorf("with %d: %v", c.credit, reply.Error)
			}
		}
	}
}

func TestHoldCoversWhatMoneyAllows(t *testing.T) {
	b := start(t, account("a", 0))
	b.must(crediting("a", 100_000))
	if got := b.must(b.placing(1, "a", 60_000)).GetHoldGranted(); got.PaidMs != 60_000 || got.AmountsMicro[0] != 60_000 {
		t.Errorf("at first %v", got)
	}
	if got := b.must(extending(1, 60_000)).GetHoldGranted(); got.PaidMs != 100_000 || got.AmountsMicro[0] != 100_000 {
		t.Errorf("extended: %v", got)
	}
	if reply, _ := b.do(extending(1, 100_000)); code(reply) != events.CodeInsufficientFunds {
		t.Errorf("without money: %v", reply)
	}
	b.must(crediting("a", 1_000_000)) // a payment during the call extends it
	if got := b.must(extending(1, 100_000)).GetHoldGranted(); got.PaidMs != 160_000 {
		t.Errorf("after a payment: %v", got)
	}
	repeated, evs := b.do(extending(1, 100_000))
	if !repeated.Repeated || len(evs) > 0 || repeated.GetHoldGranted().PaidMs != 160_000 {
		t.Errorf("the same question: %v", repeated)
	}
}

// TestOnePayerOfTwoLines pays for the incoming leg and for the forwarded one.
func TestOnePayerOfTwoLines(t *testing.T) {
	for credit, want := range map[int64]int64{200_000: 60_000, 120_000: 60_000, 119_999: 59_000, 100_000: 50_000, 2000: 1000, 1999: 0} {
		b := start(t, account("a", 0))
		b.must(crediting("a", credit))
		c := b.placing(1, "a", 60_000)
		p := c.GetPlaceHold()
		p.Lines = append(p.Lines, &wire.HoldLine{Leg: 1, Payer: "a", Sell: terms("sell", 60_000)})
		reply, _ := b.do(c)
		if got := reply.GetHoldGranted().GetPaidMs(); got != want {
			t.Errorf("with %d: %d ms, want %d (%v)", credit, got, want, reply.Error)
		}
		if held := b.st.Ledger.Balance("a").Held; int64(held) != 2*want {
			t.Errorf("with %d: %s held", credit, held)
		}
	}
}

func TestExtensionStopsAtTheLongestDuration(t *testing.T) {
	b := start(t, account("a", 1_000_000_000))
	place := b.placing(1, "a", 60_000)
	place.GetPlaceHold().MaxMs = 90_000
	b.must(place)
	if got := b.must(extending(1, 60_000)).GetHoldGranted(); got.PaidMs != 90_000 {
		t.Errorf("%v", got)
	}
	if reply, _ := b.do(extending(1, 90_000)); code(reply) != events.CodeLimit {
		t.Errorf("%v", reply)
	}
}

func TestRefusalsOfHolds(t *testing.T) {
	limited := account("few", 1_000_000)
	limited.Channels = 1
	off := account("off", 1_000_000)
	off.Disabled = true
	for _, c := range []struct {
		name  string
		spoil func(*book, *wire.PlaceHold)
		want  events.Code
	}{
		{"nothing", func(*book, *wire.PlaceHold) {}, ""},
		{"short id", func(_ *book, p *wire.PlaceHold) { p.Call = p.Call[:15] }, events.CodeInvalid},
		{"no lines", func(_ *book, p *wire.PlaceHold) { p.Lines = nil }, events.CodeInvalid},
		{"many lines", func(_ *book, p *wire.PlaceHold) {
			for range 4 {
				p.Lines = append(p.Lines, p.Lines[0])
			}
		}, events.CodeInvalid},
		{"no route", func(_ *book, p *wire.PlaceHold) { p.Route = nil }, events.CodeInvalid},
		{"long route", func(_ *book, p *wire.PlaceHold) {
			for range 8 {
				p.Route = append(p.Route, p.Route[0])
			}
		}, events.CodeInvalid},
		{"no time", func(_ *book, p *wire.PlaceHold) { p.MaxMs = 0 }, events.CodeInvalid},
		{"33 days", func(_ *book, p *wire.PlaceHold) { p.MaxMs = 33 * 86_400_000 }, events.CodeInvalid},
		{"no set-up", func(_ *book, p *wire.PlaceHold) { p.SetupMs = 0 }, events.CodeInvalid},
		{"long set-up", func(_ *book, p *wire.PlaceHold) { p.SetupMs = 600_001 }, events.CodeInvalid},
		{"no terms", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell = nil }, events.CodeInvalid},
		{"no vendor terms", func(_ *book, p *wire.PlaceHold) { p.Route[1].Buy = nil }, events.CodeInvalid},
		{"negative price", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell.PriceNextNano = -1 }, events.CodeInvalid},
		{"interval of nothing", func(_ *book, p *wire.PlaceHold) { p.Route[0].Buy.IntervalNextS = 0 }, events.CodeInvalid},
		{"strange account", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Payer = "who" }, events.CodeNotFound},
		{"strange vendor", func(_ *book, p *wire.PlaceHold) { p.Route[0].VendorAccount = "who" }, events.CodeNotFound},
		{"disabled account", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Payer = "off" }, events.CodeForbidden},
		{"disabled company", func(b *book, p *wire.PlaceHold) { b.put(&wire.Company{Id: "co", Disabled: true}) }, events.CodeForbidden},
		{"other currency", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell.Currency = "EUR" }, events.CodeInvalid},
		{"other vendor currency", func(_ *book, p *wire.PlaceHold) { p.Route[0].Buy.Currency = "EUR" }, events.CodeInvalid},
		{"stale deck", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell.DeckVersion = 2 }, events.CodeStale},
		{"unknown deck", func(_ *book, p *wire.PlaceHold) { p.Route[0].Buy.Deck = "gone" }, events.CodeStale},
		{"terms of no deck", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell.Deck = "" }, events.CodeStale},
		{"older catalog", func(_ *book, p *wire.PlaceHold) { p.CatalogPosition = 0 }, events.CodeStale},
		{"unknown originator", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Originator = "gone" }, events.CodeStale},
		{"unknown terminator", func(_ *book, p *wire.PlaceHold) { p.Route[0].Terminator = "gone" }, events.CodeStale},
		{"channels in use", func(b *book, p *wire.PlaceHold) {
			b.must(b.placing(99, "few", 60_000))
			p.Lines[0].Payer = "few"
		}, events.CodeLimit},
		{"in use by another node", func(b *book, p *wire.PlaceHold) {
			c := b.placing(1, "a", 60_000)
			c.Node = "n2"
			b.must(c)
		}, events.CodeConflict},
		{"closed", func(b *book, p *wire.PlaceHold) {
			b.must(b.placing(1, "a", 60_000))
			b.must(releasing(1))
		}, events.CodeConflict},
		{"more than there is", func(_ *book, p *wire.PlaceHold) { p.Lines[0].Sell.PriceFirstNano = 9_000_000_000_000 }, events.CodeInsufficientFunds},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, account("a", 1_000_000), limited, off)
			cmd := b.placing(1, "a", 60_000)
			c.spoil(b, cmd.GetPlaceHold())
			if reply, _ := b.do(cmd); code(reply) != c.want {
				t.Errorf("%v, want %q", reply, c.want)
			}
		})
	}
}

func TestDeckEditMakesRoutesStale(t *testing.T) {
	b := start(t, account("a", 1_000_000))
	old := b.placing(1, "a", 60_000)
	deck, next := deckOf("sell")
	next.Id, next.Number, next.EffectiveFromUs = catalog.VersionID("sell", 2), 2, b.now+1_000_000
	b.put(next)
	b.must(old) // not in force yet
	b.now += 1_000_000
	if reply, _ := b.do(b.placing(2, "a", 60_000)); code(reply) != events.CodeStale {
		t.Errorf("after the next version took effect: %v", reply)
	}
	fresh := b.placing(3, "a", 60_000)
	fresh.GetPlaceHold().Lines[0].Sell.DeckVersion = 2
	routed := proto.CloneOf(fresh)
	routed.GetPlaceHold().Call = callID(4)
	b.must(fresh)
	deck.TaxPpm = 5
	b.put(deck)
	if reply, _ := b.do(routed); code(reply) != events.CodeStale {
		t.Errorf("after the deck's tax was edited: %v", reply)
	}
}

func TestCommandsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		cmd  *wire.Command
		want events.Code
	}{
		{"key", &wire.Command{Key: []byte("short"), Actor: "x", Body: crediting("a", 1).Body}, events.CodeInvalid},
		{"nothing asked", &wire.Command{}, events.CodeInvalid},
		{"late", &wire.Command{DeadlineUs: noon - 1, Body: crediting("a", 1).Body}, events.CodeExpired},
		{"in time", &wire.Command{DeadlineUs: noon, Body: crediting("a", 1).Body}, ""},
		{"actor of a megabyte", &wire.Command{Actor: strings.Repeat("x", 1<<20), Body: crediting("a", 1).Body}, events.CodeInvalid},
		{"note of 501 bytes", &wire.Command{Body: &wire.Command_ChangeCatalog{ChangeCatalog: &wire.ChangeCatalog{
			Note: strings.Repeat("x", 501), Changes: putting(&wire.Company{Id: "c2"}).GetChangeCatalog().Changes,
		}}}, events.CodeInvalid},
		{"entity of a megabyte", putting(&wire.Settings{Id: "settings", Secrets: map[string][]byte{"x": make([]byte, 1<<20)}}), events.CodeInvalid},
		{"call of 15 bytes", &wire.Command{Body: &wire.Command_ReleaseHold{ReleaseHold: &wire.ReleaseHold{Call: make([]byte, 15)}}}, events.CodeInvalid},
		{"charge of 15 bytes", &wire.Command{Body: &wire.Command_ChargeCall{ChargeCall: &wire.ChargeCall{Call: make([]byte, 15)}}}, events.CodeInvalid},
		{"claim of 15 bytes", &wire.Command{Body: &wire.Command_ClaimHold{ClaimHold: &wire.ClaimHold{Call: make([]byte, 15)}}}, events.CodeInvalid},
		{"charge of nothing", charging(9, 1000), events.CodeNotFound},
		{"extension of nothing", extending(9, 1000), events.CodeNotFound},
		{"claim of nothing", claiming(9, "n2"), events.CodeNotFound},
		{"release of nothing", releasing(9), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := start(t, account("a", 0))
			if reply, _ := b.do(c.cmd); code(reply) != c.want {
				t.Errorf("%v, want %q", reply, c.want)
			}
		})
	}
	b := start(t)
	key := events.KeyOf("k")
	if _, reply := b.st.Decide(noon, nil, &wire.Command{Key: key[:]}); code(reply) != events.CodeInvalid {
		t.Errorf("without an actor: %v", reply)
	}
}

func TestLargeChangeSetsAreSplit(t *testing.T) {
	b := start(t)
	var all []any
	for i := range 800 {
		id := strings.Repeat("x", 40) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))
		all = append(all, &wire.Company{Id: id, Name: strings.Repeat("n", 100)})
	}
	cmd := putting(all...)
	reply, evs := b.do(cmd)
	if reply.Error != nil || len(evs) < 3 || reply.GetPosted().Position != uint64(b.st.Position) {
		t.Fatalf("%d events, %v", len(evs), reply.Error)
	}
	again := b.must(&wire.Command{Key: cmd.Key, Body: cmd.Body})
	if !again.Repeated || again.GetPosted().Position != reply.GetPosted().Position {
		t.Errorf("%v", again)
	}
	if got := b.st.Catalog.Len(catalog.KindCompany); got != 801 {
		t.Errorf("%d companies", got)
	}
	restored(t, b.st)
}

func TestDryRunRecordsNothing(t *testing.T) {
	b := start(t, account("a", 0))
	cmd := crediting("a", 5)
	cmd.DryRun = true
	reply, evs := b.do(cmd)
	if reply.Error != nil || len(evs) > 0 || reply.GetPosted() == nil {
		t.Errorf("%v %v", reply, evs)
	}
	if real := b.must(&wire.Command{Key: cmd.Key, Body: cmd.Body}); real.Repeated {
		t.Error("a dry run used its key up")
	}
}

func TestPositionOfAReply(t *testing.T) {
	b := start(t, account("a", 0))
	reply, _ := b.do(crediting("a", 5))
	if reply.GetPosted().Position != uint64(b.st.Position) {
		t.Errorf("%v, the event lies at %d", reply, b.st.Position)
	}
	k, ok := b.st.Ledger.Key(events.KeyOf("command", "3"))
	if !ok || uint64(k.Position) != reply.GetPosted().Position {
		t.Errorf("%v %v", k, ok)
	}
	if ledger.IsOwn("a") || !ledger.IsOwn(ledger.Own(ledger.Revenue, "USD")) {
		t.Error("our own accounts are not known")
	}
}

func TestFoldRefusesANewerVersion(t *testing.T) {
	st := state.New()
	e := &wire.Event{Body: &wire.Event_KeeperOpened{KeeperOpened: &wire.KeeperOpened{FoldVersion: state.FoldVersion + 1}}}
	if err := st.Evolve(noon, e); err == nil || !strings.Contains(err.Error(), "upgrade") {
		t.Error(err)
	}
}
