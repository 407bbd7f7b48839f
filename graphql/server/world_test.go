package server_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/console"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/graphql/server"
	"github.com/tollbook/tollbook/projections/stores"
)

// password is that of every user of the tests.
const password = "correct horse"

// fixture is a switch with a world, some calls, and the server before it.
type fixture struct {
	*fakeSwitch
	handler  http.Handler
	door     *auth.Door
	resolver *resolve.Resolver
	// answered, failed and running are calls of acme; other is one of initech.
	answered, failed, running, other events.CallID
	credit                           uint64

	noting   sync.Mutex
	recorded []*wire.Event // by the door
}

func newFixture(t testing.TB, now func() time.Time) *fixture {
	t.Helper()
	f := &fixture{fakeSwitch: newSwitch(t, now)}
	f.build(now().Add(-20 * time.Hour))
	f.door = auth.New(auth.Config{Catalog: f.Catalog, Now: now, Unwrap: func(user string, wrapped []byte) ([]byte, error) {
		return bytes.TrimPrefix(wrapped, []byte("wrapped for user "+user+": ")), nil
	}, Record: func(_ context.Context, e *wire.Event) error {
		f.noting.Lock()
		defer f.noting.Unlock()
		f.recorded = append(f.recorded, e)
		return nil
	}})
	f.resolver = &resolve.Resolver{Backend: f, History: f.history, CDRs: f.stores(), Door: f.door, Now: now}
	f.handler = server.New(server.Config{Resolver: f.resolver, Door: f.door, Console: console.Files()})
	return f
}

// stores answer from the history alone.
func (f *fakeSwitch) stores() *stores.Stores {
	return stores.New(f.history, nil, 0, f.now, slog.New(slog.DiscardHandler))
}

func (f *fixture) build(at time.Time) {
	hash, err := auth.HashPassword(password)
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(at, "the beginning",
		&wire.Company{Id: "acme", Name: "Acme Telecom Ltd", TimeZone: "Europe/London"},
		&wire.Company{Id: "initech", Name: "Initech GmbH", TimeZone: "Europe/Berlin"},
		&wire.Company{Id: "globex", Name: "Globex Carrier Services", TimeZone: "America/New_York"},
		&wire.Company{Id: "umbrella", Name: "Umbrella Wholesale"},
		account("acme-usd", "acme", "USD", wire.AccountKind_ACCOUNT_KIND_CUSTOMER, 500),
		account("initech-eur", "initech", "EUR", wire.AccountKind_ACCOUNT_KIND_CUSTOMER, 0),
		account("globex-usd", "globex", "USD", wire.AccountKind_ACCOUNT_KIND_VENDOR, 0),
		account("umbrella-usd", "umbrella", "USD", wire.AccountKind_ACCOUNT_KIND_VENDOR, 0),
		account("umbrella-eur", "umbrella", "EUR", wire.AccountKind_ACCOUNT_KIND_VENDOR, 0),
		&wire.User{Id: "root", Name: "Root", Password: hash, Role: wire.Role_ROLE_ADMIN},
		&wire.User{Id: "fiona", Name: "Fiona Finance", Password: hash, Role: wire.Role_ROLE_FINANCE},
		&wire.User{Id: "noel", Name: "Noel Operations", Password: hash, Role: wire.Role_ROLE_NOC},
		&wire.User{Id: "adam", Name: "Adam of Acme", Password: hash, Role: wire.Role_ROLE_PARTNER, Company: "acme"},
		&wire.User{Id: "bert", Name: "Bert of Initech", Password: hash, Role: wire.Role_ROLE_PARTNER, Company: "initech"},
		&wire.RoutePlan{Id: "standard", Name: "Standard"},
	)
	f.decks(at)
	f.peers(at)
	for _, c := range []struct {
		account, currency, reference string
		units                        int64
	}{{"acme-usd", "USD", "INV-2041", 2500}, {"initech-eur", "EUR", "SEPA-991", 800}} {
		f.credit = f.must(at.Add(time.Minute), &wire.Command{Actor: "user:fiona", Body: &wire.Command_PostMoney{PostMoney: &wire.PostMoney{
			Kind: wire.PostingKind_POSTING_KIND_CREDIT, Account: c.account, AmountMicro: c.units * 1_000_000,
			Currency: c.currency, Reason: "Bank transfer received", Reference: c.reference,
		}}}).Position
	}
	f.calls(at.Add(time.Hour))
}

func account(id, company, currency string, kind wire.AccountKind, limit int64) *wire.Account {
	return &wire.Account{Id: id, Company: company, Name: currency + " account", Currency: currency, Kind: kind, CreditLimitMicro: limit * 1_000_000, Channels: 120}
}

func (f *fixture) decks(at time.Time) {
	f.deck(at, &wire.Deck{Id: "acme-sell", Name: "Acme wholesale", Currency: "USD", Decimals: 4, TaxPpm: 200_000, Company: "acme"},
		"prefix,destination,price,increments\n44,United Kingdom,0.0120,30/6/0\n447,United Kingdom mobile,0.0310,30/6/0\n49,Germany,0.0095,60/60/0\n4915,Germany mobile,0.0280,1/1/0\n33,France,0.0088,1/1/0\n")
	f.deck(at, &wire.Deck{Id: "initech-sell", Name: "Initech retail", Currency: "EUR", Decimals: 4, TaxPpm: 190_000, Company: "initech"},
		"prefix,destination,price,increments\n44,United Kingdom,0.0210,60/60/0\n49,Germany,0.0150,60/60/0\n")
	f.deck(at, &wire.Deck{Id: "globex-buy", Name: "Globex A-Z", Currency: "USD", Decimals: 6, Company: "globex"},
		"prefix,destination,price,increments\n44,UK,0.0071,1/1/0\n447,UK mobile,0.0223,1/1/0\n49,Germany,0.0062,1/1/0\n4915,Germany mobile,0.0204,1/1/0\n33,France,0.0051,1/1/0\n")
	f.deck(at, &wire.Deck{Id: "umbrella-buy", Name: "Umbrella premium", Currency: "USD", Decimals: 6, Company: "umbrella"},
		"prefix,destination,price,increments\n44,UK,0.0083,1/1/0\n447,UK mobile,0.0219,1/1/0\n49,Germany,0.0070,1/1/0\n4915,Germany mobile,0.0239,1/1/0\n")
	f.deck(at, &wire.Deck{Id: "umbrella-eur", Name: "Umbrella Europe", Currency: "EUR", Decimals: 6, Company: "umbrella"},
		"prefix,destination,price,increments\n44,UK,0.0079,1/1/0\n49,Germany,0.0066,1/1/0\n")
}

func (f *fixture) peers(at time.Time) {
	terminator := func(id, company, account, deck, host string) *wire.Terminator {
		return &wire.Terminator{Id: id, Company: company, Account: account, BuyDeck: deck, Host: host, Channels: 200, PddTimeoutMs: 6000, RingTimeoutMs: 45000}
	}
	route := func(prefix, to string, priority uint32) *wire.Route {
		return &wire.Route{Id: "standard/" + prefix + "/" + to, Plan: "standard", Prefix: prefix, Terminator: to, Priority: priority, Weight: 100}
	}
	f.put(at, "peers and routes",
		terminator("globex-ams", "globex", "globex-usd", "globex-buy", "198.51.100.20"),
		terminator("umbrella-fra", "umbrella", "umbrella-usd", "umbrella-buy", "203.0.113.7"),
		terminator("umbrella-eu", "umbrella", "umbrella-eur", "umbrella-eur", "203.0.113.8"),
		route("44", "globex-ams", 1), route("44", "umbrella-fra", 1), route("44", "umbrella-eu", 1), route("49", "globex-ams", 1),
		route("49", "umbrella-fra", 2), route("49", "umbrella-eu", 1), route("33", "globex-ams", 1),
		&wire.Originator{
			Id: "acme-1", Company: "acme", Account: "acme-usd", SellDeck: "acme-sell", RoutePlan: "standard",
			Networks: []string{"192.0.2.0/28"}, Channels: 60, CallsPerSecond: 10, MaxDurationS: 7200,
		},
		&wire.Originator{
			Id: "initech-pbx", Company: "initech", Account: "initech-eur", SellDeck: "initech-sell", RoutePlan: "standard",
			Networks: []string{"192.0.2.64/32"}, Port: 5060, TechPrefix: "77#", Channels: 30,
		},
		&wire.Subscriber{
			Id: "acme-anna", Name: "Anna", Company: "acme", Account: "acme-usd", SellDeck: "acme-sell", RoutePlan: "standard",
			CallerNumber: "442079460018", Channels: 2, ForwardBusy: "442079460019", Secret: []byte("wrapped"),
		},
		&wire.Did{Number: "33100", Company: "acme", Subscriber: "acme-anna"},
	)
}

// calls makes traffic that is the same on every run, up to the ones of the tests.
func (f *fixture) calls(at time.Time) {
	random := rand.New(rand.NewPCG(1, 2))
	called := []string{"442071838750", "447700900123", "493012345678", "4915112345678", "33142685300"}
	for i := range callCount() {
		c := script{originator: "acme-1", caller: fmt.Sprintf("4420794600%02d", random.IntN(100)), called: called[random.IntN(len(called))]}
		if random.IntN(4) == 0 {
			c.originator, c.called = "initech-pbx", called[2*random.IntN(2)]
		}
		if random.IntN(5) > 1 {
			c.talk = time.Duration(900+random.IntN(240_000)) * time.Millisecond
		}
		c.at, c.failFirst = at.Add(time.Duration(i)*2*time.Minute), random.IntN(6) == 0
		f.play(c)
	}
	last := f.now().Add(-10 * time.Minute)
	f.answered = f.play(script{originator: "acme-1", caller: "442079460018", called: "447700900123", at: last, talk: 73_412 * time.Millisecond, failFirst: true})
	f.failed = f.play(script{originator: "acme-1", caller: "442079460018", called: "442071838750", at: last.Add(time.Minute)})
	f.other = f.play(script{originator: "initech-pbx", caller: "4930901820", called: "493012345678", at: last.Add(2 * time.Minute), talk: 61 * time.Second})
	f.running = f.play(script{originator: "acme-1", caller: "442079460018", called: "493012345678", at: last.Add(3 * time.Minute), running: true})
	f.observe("log.audit.n1", last, &wire.Event{Actor: "user:mallory", Body: &wire.Event_SignInFailed{
		SignInFailed: &wire.SignInFailed{User: "mallory", Address: "203.0.113.99", Reason: "unknown user"},
	}})
	f.running2live(last.Add(3 * time.Minute))
}

func (f *fixture) running2live(at time.Time) {
	for i := range 24 {
		c := resolve.LiveCall{
			Call: f.newCall(at.Add(time.Duration(i) * time.Second)), Node: "n1", State: "talking", Company: "acme", Account: "acme-usd",
			Originator: "acme-1", Terminator: "globex-ams", VendorCompany: "globex", Caller: fmt.Sprintf("44207946%04d", i*37),
			Called: "493012345678", SetupAt: at.Add(time.Duration(i) * 17 * time.Second), AnsweredAt: at.Add(time.Duration(i)*17*time.Second + 6*time.Second),
		}
		switch {
		case i == 0:
			c.Call = f.running
		case i%5 == 3:
			c.State, c.AnsweredAt = "ringing", time.Time{}
		case i%7 == 5:
			c.Company, c.Account, c.Originator = "initech", "initech-eur", "initech-pbx"
		}
		f.live = append(f.live, c)
	}
	f.traffic = resolve.Traffic{Attempts: 214, Answered: 97, TalkTime: 97 * 142 * time.Second, Ended: 97, PDD: 180 * 1710 * time.Millisecond, Rang: 180}
	random := rand.New(rand.NewPCG(3, 4))
	start := f.now().Truncate(time.Minute).Add(-59 * time.Minute)
	for i := range 60 {
		f.traffic.Minutes = append(f.traffic.Minutes, resolve.Minute{
			At: start.Add(time.Duration(i) * time.Minute), Attempts: 10 + random.IntN(7), Answered: 4 + random.IntN(5),
		})
	}
}

// callCount is how many calls there are beside those of the tests.
func callCount() int {
	if os.Getenv("TOLLBOOK_CONSOLE") != "" {
		return 400
	}
	return 12
}
