package catalog_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

const now = 1_783_000_800_000_000

func put(m any) *wire.ExpectedChange {
	return &wire.ExpectedChange{Change: &wire.Change{Entity: catalog.EntityOf(m)}}
}

func remove(m any) *wire.ExpectedChange {
	c := put(m)
	c.Change.Remove = true
	return c
}

func version(deck string, n uint64, from int64) *wire.DeckVersion {
	digest := make([]byte, 32)
	digest[0] = byte(n)
	return &wire.DeckVersion{Id: catalog.VersionID(deck, n), Deck: deck, Number: n, Digest: digest, Rows: 1, EffectiveFromUs: from}
}

// small is a world with one entity of each kind, each of which is right.
func small() []any {
	return []any{
		&wire.Settings{Id: "settings", BaseCurrency: "USD", MaxDurationS: 7200, HuntStopCodes: []uint32{404}},
		&wire.Company{Id: "co", Name: "Company"},
		&wire.Account{Id: "cust", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER},
		&wire.Account{Id: "vend", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_VENDOR},
		&wire.Deck{Id: "d", Currency: "USD"},
		version("d", 1, 100),
		&wire.NumberList{Id: "l", Prefixes: []string{"4990"}},
		&wire.OriginSet{Id: "os", CallerPrefixes: []string{"49"}},
		&wire.ExchangeRate{Id: "EUR-USD-1", Base: "EUR", Quote: "USD", RateE12: 1_080_000_000_000, EffectiveFromUs: 1},
		&wire.DeckMapping{Id: "dm", Columns: map[string]string{"dial code": "prefix"}},
		&wire.Terminator{Id: "t", Company: "co", Account: "vend", BuyDeck: "d", Host: "192.0.2.1"},
		&wire.RoutePlan{Id: "p"},
		&wire.Route{Id: "p/49/t", Plan: "p", Prefix: "49", Terminator: "t"},
		&wire.Originator{Id: "o", Company: "co", Account: "cust", SellDeck: "d", RoutePlan: "p", Networks: []string{"192.0.2.0/24"}},
		&wire.Subscriber{Id: "s", Company: "co", Account: "cust", SellDeck: "d"},
		&wire.Did{Number: "15550100", Company: "co", Subscriber: "s", Account: "cust", SellDeck: "d"},
		&wire.Registration{Id: "reg", Originator: "o", Registrar: "sip.example.net", User: "10", ExpiryS: 60},
		&wire.GuardRule{Id: "guard", Accounts: []string{"cust"}, Measure: wire.GuardMeasure_GUARD_MEASURE_NEW_DESTINATION, WindowS: 60, Action: wire.GuardAction_GUARD_ACTION_ALERT},
		&wire.EvidenceRule{Id: "ev", Callers: []string{"49"}, Recording: wire.RecordingPolicy_RECORDING_POLICY_ON},
		&wire.CdrProfile{Id: "cdrs", Company: "co", FromUs: 1, IntervalS: 60, Format: wire.CdrFormat_CDR_FORMAT_CSV, Directory: "in"},
		&wire.CdrProgress{Id: "cdrs", Number: 1, Rows: make([]byte, 18), Count: 1, CutUs: 1},
		&wire.Webhook{Id: "erp", Company: "co", Kinds: []string{"call_charged"}, Url: "https://erp.example.net/in", Secret: []byte{1}},
		&wire.WebhookProgress{Id: "erp", Position: 1, AtUs: 1},
		&wire.Job{Id: aJob, Actor: "user:anna", CreatedUs: 1, List: "accounts", State: wire.JobState_JOB_STATE_QUEUED},
		&wire.User{Id: "u", Role: wire.Role_ROLE_ADMIN, Password: "$argon2id$"},
		&wire.Token{Id: "k", Role: wire.Role_ROLE_PARTNER, Company: "co", Hash: make([]byte, 32)},
	}
}

func changes(ms []any) []*wire.ExpectedChange {
	var out []*wire.ExpectedChange
	for _, m := range ms {
		out = append(out, put(m))
	}
	return out
}

// world is the state of the given entities, put at position 1.
func world(t testing.TB, ms ...any) *catalog.State {
	t.Helper()
	return apply(t, catalog.New(), 1, changes(ms)...)
}

func apply(t testing.TB, s *catalog.State, pos events.Position, cs ...*wire.ExpectedChange) *catalog.State {
	t.Helper()
	out, err := s.Decide(now, cs)
	if err != nil {
		t.Fatal(err)
	}
	next := s.Evolve(pos, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: out}}})
	if next.Sum() != next.Resum() {
		t.Fatal("the hash is not of what is there")
	}
	return next
}

func TestDecideRefuses(t *testing.T) {
	w := func() *catalog.State { return world(t, small()...) }
	customer := func(spoil func(*wire.Account)) any {
		a := &wire.Account{Id: "new", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER}
		spoil(a)
		return a
	}
	originator := func(spoil func(*wire.Originator)) any {
		o := proto.CloneOf(w().Originator("o"))
		spoil(o)
		return o
	}
	registration := func(spoil func(*wire.Registration)) any {
		r := proto.CloneOf(w().Registration("reg"))
		spoil(r)
		return r
	}
	terminator := func(spoil func(*wire.Terminator)) any {
		o := proto.CloneOf(w().Terminator("t"))
		spoil(o)
		return o
	}
	for _, c := range []struct {
		name string
		cs   []*wire.ExpectedChange
		code events.Code
		want string
	}{
		{"nothing", nil, events.CodeInvalid, "empty"},
		{"too much", make([]*wire.ExpectedChange, catalog.MaxChanges+1), events.CodeInvalid, "5001 changes"},
		{"no change", []*wire.ExpectedChange{{}}, events.CodeInvalid, "changes.0: the change names no entity"},
		{"no entity", []*wire.ExpectedChange{{Change: &wire.Change{Entity: &wire.Entity{}}}}, events.CodeInvalid, "names no entity"},
		{"twice", changes([]any{&wire.Company{Id: "x"}, &wire.Company{Id: "x", Name: "y"}}), events.CodeInvalid, "changes.1: company x is changed twice"},
		{"exists", []*wire.ExpectedChange{{Change: put(&wire.Company{Id: "co"}).Change, Absent: true}}, events.CodeConflict, "exists already"},
		{"edited meanwhile", []*wire.ExpectedChange{{Change: put(&wire.Company{Id: "co"}).Change, ExpectedVersion: 7}}, events.CodeConflict, "at version 1, not 7"},
		{"gone meanwhile", []*wire.ExpectedChange{{Change: put(&wire.Company{Id: "x"}).Change, ExpectedVersion: 7}}, events.CodeConflict, "at version 0, not 7"},
		{"no id", changes([]any{&wire.Company{}}), events.CodeInvalid, "the id is missing"},
		{"capital id", changes([]any{&wire.Company{Id: "Co"}}), events.CodeInvalid, "only small letters"},
		{"dash first", changes([]any{&wire.Company{Id: "-co"}}), events.CodeInvalid, "only small letters"},
		{"slash", changes([]any{&wire.Company{Id: "own/revenue/USD"}}), events.CodeInvalid, "only small letters"},
		{"long id", changes([]any{&wire.Company{Id: strings.Repeat("x", 65)}}), events.CodeInvalid, "longer than 64"},
		{"long name", changes([]any{&wire.Company{Id: "x", Name: strings.Repeat("x", 121)}}), events.CodeInvalid, "120 bytes"},
		{"other settings", changes([]any{&wire.Settings{Id: "mine"}}), events.CodeInvalid, "settings' id"},
		{"base currency", changes([]any{&wire.Settings{Id: "settings", BaseCurrency: "usd"}}), events.CodeInvalid, "currency"},
		{"long calls", changes([]any{&wire.Settings{Id: "settings", MaxDurationS: 1 << 31}}), events.CodeInvalid, "31 days"},
		{"stop at 200", changes([]any{&wire.Settings{Id: "settings", HuntStopCodes: []uint32{404, 200}}}), events.CodeInvalid, "200 is not"},
		{"account of nobody", changes([]any{customer(func(a *wire.Account) { a.Company = "" })}), events.CodeInvalid, "company is missing"},
		{"account of a stranger", changes([]any{customer(func(a *wire.Account) { a.Company = "who" })}), events.CodeNotFound, "account new needs company who"},
		{"account without currency", changes([]any{customer(func(a *wire.Account) { a.Currency = "" })}), events.CodeInvalid, "currency"},
		{"account without kind", changes([]any{customer(func(a *wire.Account) { a.Kind = 0 })}), events.CodeInvalid, "kind"},
		{"account of an unknown kind", changes([]any{customer(func(a *wire.Account) { a.Kind = 9 })}), events.CodeInvalid, "kind"},
		{"negative limit", changes([]any{customer(func(a *wire.Account) { a.CreditLimitMicro = -1 })}), events.CodeInvalid, "negative"},
		{"huge limit", changes([]any{customer(func(a *wire.Account) { a.CreditLimitMicro = 1 << 62 })}), events.CodeInvalid, "too large"},
		{"other currency", changes([]any{customer(func(a *wire.Account) { a.Id, a.Currency = "cust", "EUR" })}), events.CodeInvalid, "cannot change"},
		{"other kind", changes([]any{customer(func(a *wire.Account) { a.Id = "vend" })}), events.CodeInvalid, "cannot change"},
		{"account goes", []*wire.ExpectedChange{remove(&wire.Account{Id: "cust"})}, events.CodeInvalid, "has a history"},
		{"deck currency", changes([]any{&wire.Deck{Id: "d", Currency: "EUR"}}), events.CodeInvalid, "cannot change"},
		{"seven decimals", changes([]any{&wire.Deck{Id: "x", Currency: "USD", Decimals: 7}}), events.CodeInvalid, "0 to 6"},
		{"tax above all", changes([]any{&wire.Deck{Id: "x", Currency: "USD", TaxPpm: 1_000_001}}), events.CodeInvalid, "100 %"},
		{"deck of a stranger", changes([]any{&wire.Deck{Id: "x", Currency: "USD", Company: "who"}}), events.CodeNotFound, "company who"},
		{"version changes", changes([]any{version("d", 1, 200)}), events.CodeInvalid, "a version cannot change"},
		{"version goes", []*wire.ExpectedChange{remove(version("d", 1, 100))}, events.CodeInvalid, "cannot be removed"},
		{"version skipped", changes([]any{version("d", 3, 200)}), events.CodeInvalid, "does not follow"},
		{"version zero", changes([]any{version("d", 0, 200)}), events.CodeInvalid, "number are needed"},
		{"version of no deck", changes([]any{version("who", 1, 200)}), events.CodeNotFound, "deck who"},
		{"version misnamed", changes([]any{&wire.DeckVersion{Id: "d/9", Deck: "d", Number: 2, Digest: make([]byte, 32), Rows: 1}}), events.CodeInvalid, `must be "d/2"`},
		{"short digest", changes([]any{&wire.DeckVersion{Id: "d/2", Deck: "d", Number: 2, Digest: make([]byte, 31), Rows: 1}}), events.CodeInvalid, "SHA-256"},
		{"no rows", changes([]any{&wire.DeckVersion{Id: "d/2", Deck: "d", Number: 2, Digest: make([]byte, 32)}}), events.CodeInvalid, "rows"},
		{"route prefix", changes([]any{&wire.Route{Id: "p/x/t", Plan: "p", Prefix: "x", Terminator: "t"}}), events.CodeInvalid, "prefix"},
		{"route misnamed", changes([]any{&wire.Route{Id: "p/1/u", Plan: "p", Prefix: "1", Terminator: "t"}}), events.CodeInvalid, `must be "p/1/t"`},
		{"route to nowhere", changes([]any{&wire.Route{Id: "p/1/", Plan: "p", Prefix: "1"}}), events.CodeInvalid, "terminator are needed"},
		{"route of no plan", changes([]any{&wire.Route{Id: "/1/t", Prefix: "1", Terminator: "t"}}), events.CodeInvalid, "plan and terminator"},
		{"route to a stranger", changes([]any{&wire.Route{Id: "p/1/who", Plan: "p", Prefix: "1", Terminator: "who"}}), events.CodeNotFound, "terminator who"},
		{"originator without networks", changes([]any{originator(func(o *wire.Originator) { o.Networks = nil })}), events.CodeInvalid, "at least one network"},
		{"65 networks", changes([]any{originator(func(o *wire.Originator) { o.Networks = make([]string, 65) })}), events.CodeInvalid, "at most 64"},
		{"host bits", changes([]any{originator(func(o *wire.Originator) { o.Networks = []string{"192.0.2.1/24"} })}), events.CodeInvalid, "networks.0"},
		{"an address", changes([]any{originator(func(o *wire.Originator) { o.Networks = []string{"192.0.2.0/24", "192.0.2.1"} })}), events.CodeInvalid, "networks.1"},
		// Addresses are unmapped before they are compared: this would never match.
		{"mapped network", changes([]any{originator(func(o *wire.Originator) { o.Networks = []string{"::ffff:192.0.2.0/120"} })}), events.CodeInvalid, "networks.0"},
		{"source port", changes([]any{originator(func(o *wire.Originator) { o.Port = 65536 })}), events.CodeInvalid, "65535"},
		{"margin", changes([]any{originator(func(o *wire.Originator) { o.MinimumMarginNano = -1 })}), events.CodeInvalid, "margin"},
		{"tech prefix", changes([]any{originator(func(o *wire.Originator) { o.TechPrefix = "7a" })}), events.CodeInvalid, "tech prefix"},
		{"vendor's account", changes([]any{originator(func(o *wire.Originator) { o.Account = "vend" })}), events.CodeInvalid, "other kind"},
		{"another's account", changes([]any{&wire.Company{Id: "c2"}, originator(func(o *wire.Originator) { o.Company = "c2" })}), events.CodeInvalid, "its account cust of company co"},
		{"deck in pounds", changes([]any{&wire.Deck{Id: "e", Currency: "GBP"}, originator(func(o *wire.Originator) { o.SellDeck = "e" })}), events.CodeInvalid, "declare an exchange rate from GBP to USD first"},
		{"no plan", changes([]any{originator(func(o *wire.Originator) { o.RoutePlan = "" })}), events.CodeInvalid, "are needed"},
		{"unknown plan", changes([]any{originator(func(o *wire.Originator) { o.RoutePlan = "who" })}), events.CodeNotFound, "route plan who"},
		{"host", changes([]any{terminator(func(o *wire.Terminator) { o.Host = "a b" })}), events.CodeInvalid, "the host"},
		{"no host", changes([]any{terminator(func(o *wire.Terminator) { o.Host = "" })}), events.CodeInvalid, "the host"},
		{"transport", changes([]any{terminator(func(o *wire.Terminator) { o.Transport = "ws" })}), events.CodeInvalid, "udp, tcp or tls"},
		{"node", changes([]any{terminator(func(o *wire.Terminator) { o.Nodes = []string{"n1", "A b"} })}), events.CodeInvalid, "nodes.1: id"},
		{"node twice", changes([]any{terminator(func(o *wire.Terminator) { o.Nodes = []string{"n1", "n1"} })}), events.CodeInvalid, "nodes.1: n1 is named twice"},
		{"half a sheet", changes([]any{terminator(func(o *wire.Terminator) { o.SheetTold = []byte{1} })}), events.CodeInvalid, "sheet_told"},
		{"a sheet at no time", changes([]any{originator(func(o *wire.Originator) { o.SheetTold = make([]byte, 32) })}), events.CodeInvalid, "sheet_told"},
		{"a place twice", changes([]any{&wire.Settings{Id: "settings", NodePlaces: []*wire.NodePlace{{Node: "n1"}, {Node: "n1"}}}}), events.CodeInvalid, "node_places.1"},
		{"a place without a port", changes([]any{&wire.Settings{Id: "settings", NodePlaces: []*wire.NodePlace{{Node: "n1", Listeners: []*wire.NodeListener{
			{Name: "a", Address: "192.0.2.1", Ports: []*wire.NodePort{{Transport: "udp"}}},
		}}}}}), events.CodeInvalid, "node_places.0"},
		{"failover from nothing", changes([]any{terminator(func(o *wire.Terminator) { o.NodesFailover = true })}), events.CodeInvalid, "nodes_failover"},
		{"listener", changes([]any{terminator(func(o *wire.Terminator) { o.Listener = "A b" })}), events.CodeInvalid, "listener: id"},
		{"a ping without pause", changes([]any{terminator(func(o *wire.Terminator) { o.Ping = &wire.Ping{} })}), events.CodeInvalid, "interval"},
		{"a ping's code", changes([]any{terminator(func(o *wire.Terminator) { o.Ping = &wire.Ping{IntervalS: 1, UpCodes: []uint32{200, 100}} })}), events.CodeInvalid, "up_codes.1"},
		{"an impatient ping", changes([]any{terminator(func(o *wire.Terminator) { o.Ping = &wire.Ping{IntervalS: 1, TimeoutMs: 32_001} })}), events.CodeInvalid, "32 s"},
		{"certificate", changes([]any{originator(func(o *wire.Originator) { o.Certificate = "a b" })}), events.CodeInvalid, "certificate"},
		{"registrar", changes([]any{registration(func(r *wire.Registration) { r.Registrar = "" })}), events.CodeInvalid, "registrar"},
		{"registration's proxy", changes([]any{registration(func(r *wire.Registration) { r.Proxy = "a:b" })}), events.CodeInvalid, "proxy"},
		{"registration's user", changes([]any{registration(func(r *wire.Registration) { r.User = "a@b" })}), events.CodeInvalid, "before the @"},
		{"registration's expiry", changes([]any{registration(func(r *wire.Registration) { r.ExpiryS = 59 })}), events.CodeInvalid, "60 to 86400"},
		{"registration's transport", changes([]any{registration(func(r *wire.Registration) { r.Transport = "ws" })}), events.CodeInvalid, "transport"},
		{"registration of nobody", changes([]any{registration(func(r *wire.Registration) { r.Originator = "who" })}), events.CodeNotFound, "originator who"},
		{"patience", changes([]any{terminator(func(o *wire.Terminator) { o.RingTimeoutMs = 600_001 })}), events.CodeInvalid, "timeout"},
		{"customer's account", changes([]any{terminator(func(o *wire.Terminator) { o.Account = "cust" })}), events.CodeInvalid, "other kind"},
		{"no role", changes([]any{&wire.User{Id: "x", Password: "$argon2id$"}}), events.CodeInvalid, "role"},
		{"a role of the future", changes([]any{&wire.User{Id: "x", Role: 99, Password: "$argon2id$"}}), events.CodeInvalid, "role"},
		{"a token's role of the future", changes([]any{&wire.Token{Id: "x", Role: 99, Hash: make([]byte, 32)}}), events.CodeInvalid, "role"},
		{"partner of nobody", changes([]any{&wire.User{Id: "x", Role: wire.Role_ROLE_PARTNER, Password: "$argon2id$"}}), events.CodeInvalid, "partner"},
		{"admin of a company", changes([]any{&wire.User{Id: "x", Role: wire.Role_ROLE_ADMIN, Company: "co", Password: "$argon2id$"}}), events.CodeInvalid, "partner"},
		{"readable password", changes([]any{&wire.User{Id: "x", Role: wire.Role_ROLE_ADMIN, Password: "secret"}}), events.CodeInvalid, "argon2id"},
		{"token", changes([]any{&wire.Token{Id: "x", Role: wire.Role_ROLE_ADMIN, Hash: []byte("x")}}), events.CodeInvalid, "SHA-256"},
		{"removal of nothing", []*wire.ExpectedChange{remove(&wire.Company{Id: "who"})}, events.CodeNotFound, "no company who"},
		{"removal of what is used", []*wire.ExpectedChange{remove(&wire.Terminator{Id: "t"})}, events.CodeConflict, "used by 1 others"},
		{"removal of a plan", []*wire.ExpectedChange{remove(&wire.RoutePlan{Id: "p"})}, events.CodeConflict, "used by 2 others"},
		{"removal and a new use", []*wire.ExpectedChange{
			remove(&wire.Route{Id: "p/49/t"}), remove(&wire.Terminator{Id: "t"}), put(&wire.Route{Id: "p/1/t", Plan: "p", Prefix: "1", Terminator: "t"}),
		}, events.CodeConflict, "changes.1"},
		{"the last of many", append(changes([]any{&wire.Company{Id: "x"}, &wire.Company{Id: "y"}}), put(&wire.Company{Id: "Z"})), events.CodeInvalid, "changes.2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w()
			before := s.Sum()
			out, err := s.Decide(now, c.cs)
			if events.CodeOf(err) != c.code || err != nil && !strings.Contains(err.Error(), c.want) || out != nil {
				t.Errorf("%v, %v, want %s %q", out, err, c.code, c.want)
			}
			if s.Sum() != before || s.Resum() != before {
				t.Error("Decide changed the state")
			}
		})
	}
}
