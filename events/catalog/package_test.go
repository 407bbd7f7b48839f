package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// pack is a package of company co.
func pack(prefixes ...string) *wire.Account {
	return &wire.Account{Id: "pack", Company: "co", Currency: "SEC", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, PackagePrefixes: prefixes}
}

func TestPackagesRefuse(t *testing.T) {
	with := func(spoil func(p, a *wire.Account)) []any {
		p := pack("49")
		a := &wire.Account{Id: "new", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, Package: "pack"}
		spoil(p, a)
		return []any{p, a}
	}
	var many []string
	for i := range 501 {
		many = append(many, fmt.Sprint(1000+i))
	}
	vendor := wire.AccountKind_ACCOUNT_KIND_VENDOR
	for _, c := range []struct {
		name string
		put  []any
		want string // empty for none
	}{
		{"right", with(func(_, _ *wire.Account) {}), ""},
		{"covers everything", with(func(p, _ *wire.Account) { p.PackagePrefixes = nil }), ""},
		{"no such package", with(func(_, a *wire.Account) { a.Package = "gone" }), "needs account gone"},
		{"a package in money", with(func(_, a *wire.Account) { a.Package = "cust" }), "is in USD; a package is in seconds"},
		{"another company's", append(with(func(p, _ *wire.Account) { p.Company = "co2" }), &wire.Company{Id: "co2"}), "is of company co2"},
		{"a vendor's package", with(func(_, a *wire.Account) { a.Kind = vendor }), "only a customer's account in money"},
		{"a package's package", with(func(p, _ *wire.Account) { p.Package = "pack" }), "only a customer's account in money"},
		{"vendor in seconds", with(func(p, _ *wire.Account) { p.Kind = vendor }), "its kind is customer"},
		{"channels", with(func(p, _ *wire.Account) { p.Channels = 1 }), "no limits on calls of its own"},
		{"offline calls", with(func(p, _ *wire.Account) { p.OfflineCalls = 1 }), "no limits on calls of its own"},
		{"no digits", with(func(p, _ *wire.Account) { p.PackagePrefixes = []string{"49", "x"} }), "package_prefixes.1"},
		{"twice", with(func(p, _ *wire.Account) { p.PackagePrefixes = []string{"49", "49"} }), "package_prefixes.1: 49 stands twice"},
		{"many prefixes", with(func(p, _ *wire.Account) { p.PackagePrefixes = many }), "at most 500"},
		{"prefixes of an account in money", with(func(_, a *wire.Account) { a.PackagePrefixes = []string{"49"} }), "only an account in seconds"},
		{"who calls on it", append(with(func(_, _ *wire.Account) {}),
			&wire.Originator{Id: "o2", Company: "co", Account: "pack", SellDeck: "d", RoutePlan: "p", Networks: []string{"192.0.3.0/24"}}), "is a package of seconds"},
		{"deck in seconds", []any{&wire.Deck{Id: "sec", Currency: "SEC"}}, "a currency of money is needed"},
		{"exchange of seconds", []any{&wire.ExchangeRate{Id: "SEC-USD-1", Base: "SEC", Quote: "USD", RateE12: 1, EffectiveFromUs: 1}}, "a currency of money is needed"},
		{"mutual limit in seconds", []any{&wire.Company{Id: "co", MutualLimits: []*wire.MutualLimit{{Currency: "SEC"}}}}, "a currency of money is needed"},
		{"base currency", []any{&wire.Settings{Id: "settings", BaseCurrency: "SEC"}}, "a currency of money is needed"},
		{"emergency number", []any{&wire.Settings{Id: "settings", EmergencyNumbers: []string{"112", "+49"}}}, "emergency_numbers.1"},
		{"emergency prefix", []any{&wire.Settings{Id: "settings", EmergencyPrefixes: []string{""}}}, "emergency_prefixes.0: the prefix is empty"},
		{"many emergency numbers", []any{&wire.Settings{Id: "settings", EmergencyNumbers: many[:65]}}, "at most 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := world(t, small()...).Decide(now, changes(c.put))
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var domain *events.Error
			if !errors.As(err, &domain) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestPackageFor(t *testing.T) {
	covered := func(p *wire.Account, called string) string {
		a := &wire.Account{Id: "new", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, Package: "pack"}
		s := world(t, append(small(), p, a)...)
		if got := s.PackageFor("cust", called); got != "" {
			t.Errorf("an account without a package has %s", got)
		}
		return s.PackageFor("new", called)
	}
	disabled := pack()
	disabled.Disabled = true
	for _, c := range []struct {
		p            *wire.Account
		called, want string
	}{
		{pack(), "4930", "pack"}, {pack("49", "44"), "4430", "pack"}, {pack("49"), "4430", ""}, {pack("4930"), "493", ""}, {disabled, "4930", ""},
	} {
		if got := covered(c.p, c.called); got != c.want {
			t.Errorf("%v for %s: %q, want %q", c.p.PackagePrefixes, c.called, got, c.want)
		}
	}
}

func TestEmergency(t *testing.T) {
	st := &wire.Settings{EmergencyNumbers: []string{"112", "911"}, EmergencyPrefixes: []string{"88112", "8811"}}
	for called, want := range map[string]string{
		"112": "112", "911": "911", "9111234567": "", "1123": "", "88112345": "88112", "88113": "8811", "49112": "",
	} {
		if got := catalog.Emergency(st, called); got != want || (want != "") != catalog.IsEmergency(st, got) {
			t.Errorf("%s: %q, want %q", called, got, want)
		}
	}
}

// The accounts of a company are the same for an older state after a later one was
// made of it, and after a snapshot.
func TestAccountsOfACompany(t *testing.T) {
	list := func(s *catalog.State, currency string) []string {
		var out []string
		n := s.SumAccounts("co", currency, func(id string) int64 {
			out = append(out, id)
			return 1
		})
		if int(n) != len(out) {
			t.Errorf("the sum of %d ones is %d", len(out), n)
		}
		slices.Sort(out)
		return out
	}
	first := world(t, small()...)
	other := &wire.Account{Id: "more", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER}
	second := apply(t, first, 2, put(other))
	euro := &wire.Account{Id: "euro", Company: "co", Currency: "EUR", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER}
	third := apply(t, first, 2, put(euro))
	renamed := &wire.Account{Id: "more", Company: "co", Currency: "USD", Kind: wire.AccountKind_ACCOUNT_KIND_CUSTOMER, Name: "renamed"}
	second = apply(t, second, 3, put(renamed))
	snap := new(wire.BookSnapshot)
	second.Save(snap)
	for _, c := range []struct {
		s        *catalog.State
		currency string
		want     []string
	}{
		{first, "USD", []string{"cust", "vend"}},
		{second, "USD", []string{"cust", "more", "vend"}},
		{catalog.Load(snap), "USD", []string{"cust", "more", "vend"}},
		{third, "USD", []string{"cust", "vend"}},
		{third, "EUR", []string{"euro"}},
		{first, "EUR", nil},
	} {
		if got := list(c.s, c.currency); !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}
