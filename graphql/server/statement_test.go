package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/events"
)

// TestBalanceAsOf asks for the balance at every position there is and compares
// with a fold of the book. The resolver itself compares history and fold.
func TestBalanceAsOf(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	c.must(creditMutation, credit("k1", "12.5"))
	query := `query($p: Position, $t: DateTime) { account(id: "acme-usd") { balance(atPosition: $p, asOf: $t) {
		posted { amount } reserved { amount } available { amount } holds asOf { position } } } }`
	end, _ := f.AsOf()
	for p := events.Position(1); p <= end; p++ {
		st, _ := f.StateAt(t.Context(), p)
		if st.Catalog.Account("acme-usd") == nil {
			continue
		}
		got := c.must(query, map[string]any{"p": fmt.Sprint(p)})
		b := st.Ledger.Balance("acme-usd")
		if got.text("account.balance.posted.amount") != b.Posted.String() || got.text("account.balance.reserved.amount") != b.Held.String() ||
			got.text("account.balance.available.amount") != st.Ledger.Available(st.Catalog, "acme-usd").String() ||
			got.text("account.balance.asOf.position") != fmt.Sprint(p) {
			t.Errorf("position %d: %v, the fold has %+v", p, got, b)
		}
		// As of the event's own instant it is included.
		if same := c.must(query, map[string]any{"t": events.Instant(f.book[p-1].us).Format("2006-01-02T15:04:05.000000Z")}); f.book[p-1].us < noon().UnixMicro() &&
			same.text("account.balance.posted.amount") != b.Posted.String() {
			t.Errorf("as of the instant of position %d: %v", p, same)
		}
	}
	if a := c.ask(query, map[string]any{"p": "1", "t": "2026-01-01T00:00:00Z"}); len(a.Errors) == 0 {
		t.Error("both were taken")
	}
	if a := c.ask(query, map[string]any{"p": "999999"}); len(a.Errors) == 0 {
		t.Error("the future has a balance")
	}
}

func TestStatement(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	c.must(creditMutation, credit("k1", "12.5"))
	query := `query($a: ID!, $from: Date!, $to: Date!) { statement(account: $a, from: $from, to: $to) { from to timeZone fromAt toAt final entryCount
		opening { amount } closing { amount } credits { amount } debits { amount }
		entries(first: 100) { nodes { amount { amount } balance { amount } recordedAt } } } }`
	all := c.must(query, map[string]any{"a": "acme-usd", "from": "2026-01-01", "to": "2027-01-01"})
	if all.text("statement.opening.amount") != "0.000000" || all.text("statement.closing.amount") != f.Ledger("acme-usd").Posted.String() ||
		all.at("statement.final") != false || all.len("statement.entries.nodes") == 0 ||
		all.at("statement.entryCount") != float64(all.len("statement.entries.nodes")) {
		t.Errorf("%v", all)
	}
	if all.text("statement.entries.nodes.0.balance.amount") != all.text("statement.closing.amount") {
		t.Errorf("the last entry leaves another balance than the statement: %v", all)
	}
	before := c.must(query, map[string]any{"a": "acme-usd", "from": "2025-01-01", "to": "2025-02-01"})
	if before.text("statement.closing.amount") != "0.000000" || before.at("statement.final") != true {
		t.Errorf("%v", before)
	}
	if a := c.ask(query, map[string]any{"a": "acme-usd", "from": "2026-02-01", "to": "2026-02-01"}); len(a.Errors) == 0 {
		t.Error("an empty statement was taken")
	}
	if a := c.ask(query, map[string]any{"a": "acme-usd", "from": "2026-02-30", "to": "2026-03-01"}); len(a.Errors) == 0 {
		t.Error("the 30th of February was taken")
	}
}

func TestNotesAndAdjustments(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	post := `mutation($i: AccountPostInput!) { accountPost(input: $i) { entry { position kind amount { amount } reversedBy } position userErrors { code path } } }`
	input := func(key, kind, amount string) map[string]any {
		return map[string]any{"i": map[string]any{
			"idempotencyKey": key, "account": "acme-usd", "kind": kind, "reason": "Settled", "reference": "N-1",
			"amount": map[string]any{"amount": amount, "currency": "USD"},
		}}
	}
	for i, test := range []struct{ kind, amount, want, code string }{
		{"CREDIT_NOTE", "1.5", "1.500000", ""},
		{"DEBIT_NOTE", "2", "-2.000000", ""},
		{"ADJUSTMENT", "-0.25", "-0.250000", ""},
		{"ADJUSTMENT", "0", "", "INVALID"},
		{"CREDIT_NOTE", "-1", "", "INVALID"},
		{"CREDIT", "3", "3.000000", ""},
		{"FORCED_DEBIT", "100000", "-100000.000000", ""},
		{"DEBIT", "1", "", "INSUFFICIENT_FUNDS"},
	} {
		got := c.must(post, input(fmt.Sprint("n", i), test.kind, test.amount))
		if got.text("accountPost.entry.amount.amount") != test.want || got.text("accountPost.userErrors.0.code") != test.code {
			t.Errorf("%+v: %v", test, got)
		}
		if test.code == "" && got.text("accountPost.entry.kind") != test.kind {
			t.Errorf("%+v: %v", test, got)
		}
	}
	note := c.must(post, input("n0", "CREDIT_NOTE", "1.5"))
	position := note.text("accountPost.position")
	back := c.must(`mutation($p: Position!) { postingReverse(input: {idempotencyKey: "r", position: $p, reason: "Wrong"}) { entry { position reverses } userErrors { code } } }`,
		map[string]any{"p": position})
	linked := c.must(`query($p: Position!) { entry(position: $p) { reversedBy reverses } }`, map[string]any{"p": position})
	if back.text("postingReverse.entry.reverses") != position || linked.text("entry.0.reversedBy") != back.text("postingReverse.entry.position") {
		t.Errorf("%v, %v", back, linked)
	}
}

func TestConfigurationAsOf(t *testing.T) {
	f := newFixture(t, noon)
	put := `mutation($n: String) { accountPut(input: {key: "acme-usd", name: $n}) { position userErrors { message } } }`
	c := f.as("root")
	first := c.must(put, map[string]any{"n": "one"}).text("accountPut.position")
	second := c.must(put, map[string]any{"n": "two"}).text("accountPut.position")
	query := `query($p: Position) { configuration(id: "account:acme-usd", atPosition: $p) { position json } }`
	for p, want := range map[string]string{first: `"name":"one"`, second: `"name":"two"`} {
		if got := c.must(query, map[string]any{"p": p}); got.text("configuration.position") != p || !strings.Contains(got.text("configuration.json"), want) {
			t.Errorf("at %s: %v", p, got)
		}
	}
	if got := c.must(query, map[string]any{"p": "0"}); got.at("configuration") != nil {
		t.Errorf("before it was there: %v", got)
	}
}
