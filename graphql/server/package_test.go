package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const putAccount = `mutation($i: AccountPutInput!) { accountPut(input: $i) {
	account { packageId packagePrefixes currency balance { available { amount currency } owable { amount currency } } } userErrors { code message path } } }`

func TestPackagesAreEdited(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	put := func(input map[string]any) tree { return c.must(putAccount, map[string]any{"i": input}) }
	got := put(map[string]any{"key": "acme-min", "company": "company:acme", "currency": "SEC", "kind": "CUSTOMER", "packagePrefixes": []string{"44"}})
	if got.len("accountPut.userErrors") != 0 || got.text("accountPut.account.packagePrefixes.0") != "44" {
		t.Fatalf("package: %v", got)
	}
	got = put(map[string]any{"key": "acme-usd", "package": "account:acme-min"})
	if got.text("accountPut.account.packageId") != "account:acme-min" || f.Catalog().Account("acme-usd").Package != "acme-min" {
		t.Errorf("account: %v", got)
	}
	if got := put(map[string]any{"key": "acme-usd", "name": "as before"}); got.text("accountPut.account.packageId") != "account:acme-min" {
		t.Errorf("an edit of something else: %v", got)
	}
	if got := put(map[string]any{"key": "acme-usd", "packagePrefixes": []string{"44"}}); !strings.Contains(got.text("accountPut.userErrors.0.message"), "only an account in seconds") {
		t.Errorf("prefixes of money: %v", got)
	}
	topUp := c.must(`mutation { accountCredit(input: {idempotencyKey: "k", account: "account:acme-min", reason: "500 minutes", amount: {amount: "30000", currency: "SEC"}}) {
		account { balance { available { amount currency } } } userErrors { message } } }`, nil)
	if topUp.text("accountCredit.account.balance.available.amount") != "30000.000000" {
		t.Errorf("top-up: %v", topUp)
	}
	route := f.as("noel").must(`{ routeSimulate(input: {originator: "originator:acme-1", called: "442071234567"}) { decision { packageId emergency } } }`, nil)
	if route.text("routeSimulate.decision.packageId") != "account:acme-min" || route.at("routeSimulate.decision.emergency") != nil {
		t.Errorf("a covered destination: %v", route)
	}
	if got := put(map[string]any{"key": "acme-usd", "package": nil}); got.at("accountPut.account.packageId") != nil || f.Catalog().Account("acme-usd").Package != "" {
		t.Errorf("taken away: %v", got)
	}
}

// A customer's credit is his to spend, a vendor's is not ours: it says what we may owe.
func TestCreditOfBothKinds(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	const query = `query($a: ID!) { account(id: $a) { balance { posted { amount } available { amount } owable { amount } } } }`
	customer := c.must(query, map[string]any{"a": "acme-usd"})
	if customer.at("account.balance.available") == nil || customer.at("account.balance.owable") != nil {
		t.Errorf("customer: %v", customer)
	}
	const vendor = "globex-usd"
	if got := c.must(query, map[string]any{"a": vendor}); got.at("account.balance.available") != nil || got.at("account.balance.owable") != nil {
		t.Errorf("a vendor who is not cut off: %v", got)
	}
	c.must(putAccount, map[string]any{"i": map[string]any{"key": vendor, "creditLimit": "100", "cutOff": true}})
	before := f.Ledger(vendor).Posted
	got := c.must(query, map[string]any{"a": vendor})
	if got.at("account.balance.available") != nil || got.text("account.balance.owable.amount") != (100_000_000-before).String() {
		t.Errorf("vendor with %s: %v", before, got)
	}
}

// A vendor that is cut off is left out with the reason, now and as it was.
func TestSimulatorKnowsWhoIsCutOff(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	reasons := func() []string {
		got := c.must(`{ routeSimulate(input: {originator: "originator:acme-1", called: "442071234567"}) { decision { choices { terminatorId rejected } } } }`, nil)
		var out []string
		for i := range got.len("routeSimulate.decision.choices") {
			out = append(out, got.text("routeSimulate.decision.choices."+string(rune('0'+i))+".rejected"))
		}
		return out
	}
	if slices.Contains(reasons(), "vendor_out") {
		t.Fatalf("before: %v", reasons())
	}
	f.as("fiona").must(putAccount, map[string]any{"i": map[string]any{"key": "globex-usd", "cutOff": true, "creditLimit": "0"}})
	if got := reasons(); !slices.Contains(got, "vendor_out") {
		t.Errorf("we owe globex %s and may owe nothing: %v", f.Ledger("globex-usd").Posted, got)
	}
}

func TestSettings(t *testing.T) {
	f := newFixture(t, noon)
	root := f.as("root")
	const put = `mutation($i: SettingsPutInput!) { settingsPut(input: $i) {
		settings { baseCurrency maxDuration huntStopCodes emergencyNumbers emergencyPrefixes version } position userErrors { code message path } } }`
	got := root.must(put, map[string]any{"i": map[string]any{"emergencyNumbers": []string{"112", "911"}, "emergencyPrefixes": []string{"88112"}, "huntStopCodes": []int{404}, "maxDuration": "3600"}})
	if got.len("settingsPut.userErrors") != 0 || got.text("settingsPut.settings.emergencyNumbers.1") != "911" || got.at("settingsPut.settings.huntStopCodes.0") != 404.0 {
		t.Fatalf("%v", got)
	}
	root.must(put, map[string]any{"i": map[string]any{"baseCurrency": "USD"}})
	read := f.as("noel").must(`{ settings { baseCurrency maxDuration emergencyNumbers emergencyPrefixes version } }`, nil)
	if read.text("settings.baseCurrency") != "USD" || read.len("settings.emergencyNumbers") != 2 || read.text("settings.emergencyPrefixes.0") != "88112" || read.text("settings.version") == "0" {
		t.Errorf("%v", read)
	}
	for path, input := range map[string]map[string]any{
		"emergency_numbers.0": {"emergencyNumbers": []string{"+112"}},
		"300 to 699":          {"huntStopCodes": []int{99}},
		"a currency of money": {"baseCurrency": "SEC"},
	} {
		if got := root.must(put, map[string]any{"i": input}); !strings.Contains(got.text("settingsPut.userErrors.0.message"), path) {
			t.Errorf("%v: %v", input, got)
		}
	}
	f.as("noel").refused("FORBIDDEN", put, map[string]any{"i": map[string]any{"baseCurrency": "EUR"}})
	route := root.must(`{ routeSimulate(input: {originator: "originator:acme-1", called: "911"}) { decision { emergency refused } } }`, nil)
	if route.text("routeSimulate.decision.emergency") != "911" {
		t.Errorf("%v", route)
	}
}

// A terminator's password goes in wrapped and never comes out.
func TestDigestPasswordIsWriteOnly(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("noel")
	const put = `mutation($i: TerminatorPutInput!) { terminatorPut(input: $i) { terminator { key authUser } userErrors { code path message } } }`
	run := func(input map[string]any) tree {
		input["key"] = "globex-ams"
		return c.must(put, map[string]any{"i": input})
	}
	secret := func() string { return string(f.Catalog().Terminator("globex-ams").AuthSecret) }
	const wrapped = "wrapped for terminator globex-ams: hunter2"
	if got := run(map[string]any{"authUser": "us", "authPassword": "hunter2"}); got.text("terminatorPut.terminator.authUser") != "us" || secret() != wrapped {
		t.Fatalf("%v, the catalog has %q", got, secret())
	}
	run(map[string]any{"channels": 3})
	if secret() != wrapped {
		t.Errorf("an edit of something else leaves %q", secret())
	}
	c.refused("GRAPHQL_VALIDATION_FAILED", `{ terminators(first: 1) { nodes { authPassword } } }`, nil)
	for _, a := range []tree{
		f.as("fiona").must(`{ audit(first: 5) { nodes { changes { before after } } } }`, nil),
		c.must(`{ terminators(first: 10) { nodes { key authUser } } }`, nil),
	} {
		if text := fmt.Sprint(a); strings.Contains(text, "hunter2") {
			t.Errorf("the password is shown: %s", text)
		}
	}
	if got := run(map[string]any{"authUser": "", "authPassword": "x"}); got.text("terminatorPut.userErrors.0.path") != "input.authUser" {
		t.Errorf("a password for nobody: %v", got)
	}
	if got := run(map[string]any{"authPassword": strings.Repeat("x", 129)}); got.text("terminatorPut.userErrors.0.path") != "input.authPassword" {
		t.Errorf("a long password: %v", got)
	}
	run(map[string]any{"authUser": ""})
	if secret() != "" {
		t.Errorf("what was taken away leaves %q", secret())
	}
}
