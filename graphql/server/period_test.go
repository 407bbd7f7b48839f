package server_test

import (
	"testing"

	"github.com/tollbook/tollbook/events/wire"
)

const periodMutation = `mutation($i: PeriodCloseInput!) { periodClose(input: $i) { position repeated
	period { from to opening { amount } closing { amount } credits { amount } debits { amount } entryCount lateCount stateHash actor account { key } }
	userErrors { code message path } } }`

func closing(key, to string, dry bool) map[string]any {
	return map[string]any{"i": map[string]any{"idempotencyKey": key, "account": "acme-usd", "to": to, "dryRun": dry}}
}

func TestPeriods(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	c.must(`mutation($i: CompanyPutInput!) { companyPut(input: $i) { userErrors { message } } }`,
		map[string]any{"i": map[string]any{"key": f.Catalog().Account("acme-usd").Company, "timeZone": "America/New_York"}})
	c.must(creditMutation, credit("k1", "12.5"))
	before, _ := f.AsOf()
	if dry := c.must(periodMutation, closing("p0", "2026-03-01", true)); dry.at("periodClose.period") != nil || dry.len("periodClose.userErrors") != 0 {
		t.Errorf("%v", dry)
	}
	if now, _ := f.AsOf(); now != before {
		t.Error("a dry run closed it")
	}
	first := c.must(periodMutation, closing("p1", "2026-03-01", false))
	posted := f.Ledger("acme-usd").Posted.String()
	if first.text("periodClose.period.to") != "2026-03-01T05:00:00Z" || first.at("periodClose.period.from") != nil ||
		first.text("periodClose.period.closing.amount") != posted || first.text("periodClose.period.actor") != "user:fiona" ||
		first.text("periodClose.period.account.key") != "acme-usd" || first.at("periodClose.repeated") != false {
		t.Errorf("%v", first)
	}
	st, err := f.StateAt(t.Context(), before)
	if hash := st.Hash(); err != nil || first.text("periodClose.period.stateHash") != hash.String() {
		t.Errorf("the book was %s: %v", hash, first)
	}
	for _, key := range []string{"p1", "another"} {
		again := c.must(periodMutation, closing(key, "2026-03-01", false))
		if again.at("periodClose.repeated") != true || again.text("periodClose.position") != first.text("periodClose.position") ||
			again.text("periodClose.period.closing.amount") != posted {
			t.Errorf("%s: %v", key, again)
		}
	}
	for name, bad := range map[string]struct {
		input map[string]any
		code  string
	}{
		"other inputs": {closing("p1", "2026-03-02", false), "CONFLICT"},
		"no key":       {closing("", "2026-03-02", false), "INVALID"},
		"earlier":      {closing("p2", "2026-02-01", false), "CONFLICT"},
		"the future":   {closing("p3", "2036-01-01", false), "INVALID"},
		"no account":   {map[string]any{"i": map[string]any{"idempotencyKey": "p4", "account": "who", "to": "2026-03-02"}}, "NOT_FOUND"},
	} {
		if got := c.must(periodMutation, bad.input); got.text("periodClose.userErrors.0.code") != bad.code {
			t.Errorf("%s: %v", name, got)
		}
	}
	// What counts in February is late now.
	late := credit("k2", "1")
	late["i"].(map[string]any)["effectiveAt"] = "2026-02-20T00:00:00Z"
	c.must(creditMutation, late)
	c.must(periodMutation, closing("p5", "2026-03-08", false))
	list := c.must(`{ account(id: "acme-usd") { entries(first: 1) { nodes { late } } periods(first: 1) { nodes { from to opening { amount } closing { amount } credits { amount } entryCount lateCount afterCount after { amount } }
		pageInfo { hasNextPage endCursor } } } statement(account: "acme-usd", from: "2026-01-01", to: "2036-01-01") { lateCount } }`, nil)
	if list.at("account.entries.nodes.0.late") != true || list.at("statement.lateCount") != float64(1) ||
		list.text("account.periods.nodes.0.opening.amount") != posted || list.text("account.periods.nodes.0.credits.amount") != "1.000000" ||
		list.at("account.periods.nodes.0.lateCount") != float64(1) || list.text("account.periods.nodes.0.from") != "2026-03-01T05:00:00Z" ||
		list.at("account.periods.nodes.0.afterCount") != float64(0) || list.text("account.periods.nodes.0.after.amount") != "0.000000" ||
		list.at("account.periods.pageInfo.hasNextPage") != true {
		t.Errorf("%v", list)
	}
	if a := f.as("noel").ask(periodMutation, closing("p6", "2026-03-09", false)); len(a.Errors) == 0 {
		t.Error("the NOC closed a period")
	}
}

func TestOfflineAllowance(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	put := `mutation($i: AccountPutInput!) { accountPut(input: $i) { account { offline { calls amount { amount } } } userErrors { code message } } }`
	ok := c.must(put, map[string]any{"i": map[string]any{"key": "acme-usd", "offlineCalls": 3, "offlineAmount": "2.5"}})
	if ok.at("accountPut.account.offline.calls") != float64(3) || ok.text("accountPut.account.offline.amount.amount") != "2.500000" {
		t.Errorf("%v", ok)
	}
	for _, bad := range []map[string]any{
		{"key": "acme-usd", "offlineCalls": 0}, {"key": "acme-usd", "offlineCalls": 1001}, {"key": "acme-usd", "offlineAmount": "-1"},
	} {
		if got := c.must(put, map[string]any{"i": bad}); got.text("accountPut.userErrors.0.code") != "INVALID" {
			t.Errorf("%v: %v", bad, got)
		}
	}
	o := &wire.OfflineCall{
		Number: 1, Call: make([]byte, 16), Payer: "acme-usd", Candidate: &wire.Candidate{}, PlacedAtUs: 1, SetupMs: 1000, MaxMs: 60_000, PaidMs: 60_000,
		RawMs: 30_000, AnsweredAtUs: 1, EndedAtUs: 2, Sell: &wire.Terms{
			Deck: "x", Currency: "USD", PriceFirstNano: 60_000_000, PriceNextNano: 60_000_000, IntervalFirstS: 1, IntervalNextS: 1, Decimals: 6,
		},
	}
	reply, err := f.Execute(t.Context(), &wire.Command{
		Key: make([]byte, 16), Actor: "node:n9", Node: "n9",
		Body: &wire.Command_WriteUpOffline{WriteUpOffline: &wire.WriteUpOffline{Calls: []*wire.OfflineCall{o}}},
	})
	if err != nil || reply.Error != nil {
		t.Fatal(reply, err)
	}
	query := `{ account(id: "acme-usd") { offline { calls used { node calls number amount { amount } } } entries(first: 1) { nodes { kind amount { amount } callId } } } }`
	got := c.must(query, nil)
	if got.text("account.offline.used.0.node") != "n9" || got.at("account.offline.used.0.calls") != float64(1) ||
		got.text("account.offline.used.0.amount.amount") != "0.030000" || got.text("account.entries.nodes.0.kind") != "OFFLINE" {
		t.Errorf("%v", got)
	}
	if f.Catalog().Account("acme-usd").OfflineCalls != 3 {
		t.Error("the refused edits changed something")
	}
}
