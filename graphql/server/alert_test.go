package server_test

import "testing"

func TestAlerts(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	put := `mutation($i: AccountPutInput!) { accountPut(input: $i) { account { lowBalance { amount } highBalance { amount } alertDistance { amount } forecastMinutes } userErrors { code path message } } }`
	alerts := `{ alerts(first: 10) { nodes { kind account { key } balance { amount } threshold { amount } } } }`
	if got := c.must(alerts, nil); got.len("alerts.nodes") != 0 {
		t.Fatalf("%v", got)
	}
	got := c.must(put, map[string]any{"i": map[string]any{"key": "acme-usd", "highBalance": "100000", "alertDistance": "5", "forecastMinutes": 10}})
	if got.text("accountPut.account.highBalance.amount") != "100000.000000" || got.at("accountPut.account.lowBalance") != nil ||
		got.at("accountPut.account.forecastMinutes") != 10.0 {
		t.Errorf("%v", got)
	}
	c.must(creditMutation, credit("k1", "200000"))
	raised := c.must(alerts, nil)
	if raised.len("alerts.nodes") != 1 || raised.text("alerts.nodes.0.kind") != "HIGH_BALANCE" || raised.text("alerts.nodes.0.account.key") != "acme-usd" {
		t.Errorf("%v", raised)
	}
	if got := f.as("bert").must(alerts, nil); got.len("alerts.nodes") != 0 {
		t.Errorf("another company's: %v", got)
	}
	c.must(put, map[string]any{"i": map[string]any{"key": "acme-usd", "highBalance": nil}})
	if got := c.must(alerts, nil); got.len("alerts.nodes") != 0 {
		t.Errorf("without a threshold: %v", got)
	}
	wrong := c.must(put, map[string]any{"i": map[string]any{"key": "acme-usd", "lowBalance": "5", "highBalance": "4"}})
	if wrong.text("accountPut.userErrors.0.code") != "INVALID" {
		t.Errorf("%v", wrong)
	}
}

func TestCompanyBalances(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	put := `mutation($l: [MoneyInput!]) { companyPut(input: {key: "acme", mutualLimits: $l}) { company { balances { theirs { amount currency } ours { amount } mutual { amount } limit { amount } } } userErrors { message } } }`
	got := c.must(put, map[string]any{"l": []any{map[string]any{"amount": "250", "currency": "USD"}}})
	a := f.Ledger("acme-usd")
	if got.text("companyPut.company.balances.0.limit.amount") != "250.000000" ||
		got.text("companyPut.company.balances.0.theirs.amount") != (a.Posted-a.Held).String() ||
		got.text("companyPut.company.balances.0.mutual.amount") != (a.Posted-a.Held).String() {
		t.Errorf("%v", got)
	}
}
