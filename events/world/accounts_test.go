package world_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/events/world"
)

const packaged = `
settings:
  emergency_numbers: ["112", "911"]
  emergency_prefixes: ["88112"]
companies:
  - id: acme
    mutual_limits: {USD: "50", EUR: "0"}
    accounts:
      - {id: acme-min, currency: SEC, kind: customer, package_prefixes: ["49", "44"]}
      - {id: acme-usd, currency: USD, kind: customer, package: acme-min, alerts: {low: "0", high: "99.5", distance: "1.5", forecast_minutes: 30}}
      - {id: acme-ven, currency: USD, kind: vendor, cut_off: true}
`

// Keys that a document does not have keep what there is; empty ones take it away.
func TestPackagesAndCutOffs(t *testing.T) {
	read := func(cat *catalog.State, doc string) *world.Edit {
		t.Helper()
		e, err := world.Read([]byte(doc), cat, &plain{}, boxes{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	apply := func(cat *catalog.State, doc string) *catalog.State {
		t.Helper()
		changes, err := cat.Decide(1, read(cat, doc).Changes)
		if err != nil {
			t.Fatal(err)
		}
		return cat.Evolve(cat.Position()+1, &wire.Event{Body: &wire.Event_ChangeSetAccepted{ChangeSetAccepted: &wire.ChangeSetAccepted{Changes: changes}}})
	}
	same := func(name string, got, want proto.Message) {
		t.Helper()
		if !proto.Equal(got, want) {
			t.Errorf("%s: %s, want %s", name, prototext.Format(got), prototext.Format(want))
		}
	}
	customer, vendor := wire.AccountKind_ACCOUNT_KIND_CUSTOMER, wire.AccountKind_ACCOUNT_KIND_VENDOR
	cat := apply(catalog.New(), packaged)
	same("package", cat.Account("acme-min"), &wire.Account{Id: "acme-min", Company: "acme", Currency: "SEC", Kind: customer, PackagePrefixes: []string{"49", "44"}})
	same("account", cat.Account("acme-usd"), &wire.Account{Id: "acme-usd", Company: "acme", Currency: "USD", Kind: customer, Package: "acme-min",
		Alerts: &wire.AccountAlerts{LowMicro: proto.Int64(0), HighMicro: proto.Int64(99_500_000), RearmMicro: 1_500_000, ForecastMinutes: 30}})
	same("vendor", cat.Account("acme-ven"), &wire.Account{Id: "acme-ven", Company: "acme", Currency: "USD", Kind: vendor, CutOff: true})
	same("company", cat.Company("acme"), &wire.Company{Id: "acme", MutualLimits: []*wire.MutualLimit{{Currency: "EUR"}, {Currency: "USD", LimitMicro: 50_000_000}}})
	same("settings", cat.Settings(), &wire.Settings{Id: "settings", EmergencyNumbers: []string{"112", "911"}, EmergencyPrefixes: []string{"88112"}})
	const silent = `
settings: {}
companies:
  - id: acme
    accounts:
      - {id: acme-min, currency: SEC, kind: customer}
      - {id: acme-usd, currency: USD, kind: customer}
      - {id: acme-ven, currency: USD, kind: vendor}
`
	for _, doc := range []string{packaged, silent} {
		if d := read(cat, doc).Differences; len(d) != 0 {
			t.Errorf("%d differences: %v", len(d), d)
		}
	}
	const cleared = `
settings: {emergency_numbers: [], emergency_prefixes: []}
companies:
  - id: acme
    mutual_limits: {}
    accounts:
      - {id: acme-min, currency: SEC, kind: customer, package_prefixes: []}
      - {id: acme-usd, currency: USD, kind: customer, package: "", alerts: {}}
      - {id: acme-ven, currency: USD, kind: vendor, cut_off: false}
`
	cat = apply(cat, cleared)
	same("package", cat.Account("acme-min"), &wire.Account{Id: "acme-min", Company: "acme", Currency: "SEC", Kind: customer})
	same("account", cat.Account("acme-usd"), &wire.Account{Id: "acme-usd", Company: "acme", Currency: "USD", Kind: customer})
	same("vendor", cat.Account("acme-ven"), &wire.Account{Id: "acme-ven", Company: "acme", Currency: "USD", Kind: vendor})
	same("company", cat.Company("acme"), &wire.Company{Id: "acme"})
	same("settings", cat.Settings(), &wire.Settings{Id: "settings"})
}

func TestAlertsFaults(t *testing.T) {
	for text, want := range map[string]string{`low: "x"`: "low", `high: "1e3"`: "high", `distance: "1.0000001"`: "distance", `loww: "1"`: "unknown key"} {
		doc := "companies: [{id: c, accounts: [{id: a, currency: USD, kind: customer, alerts: {" + text + "}}]}]"
		if _, err := world.Read([]byte(doc), catalog.New(), &plain{}, boxes{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
