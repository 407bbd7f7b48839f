package server_test

import (
	"testing"
)

const creditMutation = `mutation($i: AccountCreditInput!) { accountCredit(input: $i) {
	account { balance { posted { amount } } } entry { kind amount { amount } balance { amount } actor reason reference }
	position repeated userErrors { code message path } } }`

func credit(key, amount string) map[string]any {
	return map[string]any{"i": map[string]any{
		"idempotencyKey": key, "account": "account:acme-usd", "reason": "Cheque", "reference": "C-1",
		"amount": map[string]any{"amount": amount, "currency": "USD"},
	}}
}

func TestCredit(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	before := f.Ledger("acme-usd").Posted
	dry := credit("k1", "100")
	dry["i"].(map[string]any)["dryRun"] = true
	c.must(creditMutation, dry)
	if f.Ledger("acme-usd").Posted != before {
		t.Fatal("a dry run moved money")
	}
	first := c.must(creditMutation, credit("k1", "100.000001"))
	if first.text("accountCredit.entry.kind") != "CREDIT" || first.text("accountCredit.entry.amount.amount") != "100.000001" ||
		first.text("accountCredit.entry.actor") != "user:fiona" || first.at("accountCredit.repeated") != false {
		t.Errorf("first: %v", first)
	}
	again := c.must(creditMutation, credit("k1", "100.000001"))
	if again.at("accountCredit.repeated") != true || again.text("accountCredit.position") != first.text("accountCredit.position") {
		t.Errorf("again: %v", again)
	}
	if got := f.Ledger("acme-usd").Posted - before; got != 100_000_001 {
		t.Errorf("posted %s", got)
	}
	other := c.must(creditMutation, credit("k1", "5"))
	if other.text("accountCredit.userErrors.0.code") != "CONFLICT" {
		t.Errorf("other inputs: %v", other)
	}
}

func TestCreditRefused(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("fiona")
	for _, test := range []struct{ amount, key, code, path string }{
		{"-1", "a", "INVALID", "input.amount.amount"},
		{"0", "a", "INVALID", "input.amount.amount"},
		{"1.0000001", "a", "INVALID", "input.amount.amount"},
		{"1", "", "INVALID", "input.idempotencyKey"},
	} {
		got := c.must(creditMutation, credit(test.key, test.amount))
		if got.text("accountCredit.userErrors.0.code") != test.code || got.text("accountCredit.userErrors.0.path") != test.path {
			t.Errorf("%+v: %v", test, got)
		}
	}
	number := credit("n", "1")
	number["i"].(map[string]any)["amount"].(map[string]any)["amount"] = 1.5
	if a := c.ask(creditMutation, number); len(a.Errors) == 0 {
		t.Error("a JSON number was taken for money")
	} else if a.Errors[0].Message == "internal error" {
		t.Errorf("a JSON number: %v", a.Errors)
	}
	wrong := credit("w", "1")
	wrong["i"].(map[string]any)["amount"].(map[string]any)["currency"] = "EUR"
	if got := c.must(creditMutation, wrong); got.len("accountCredit.userErrors") != 1 {
		t.Errorf("another currency: %v", got)
	}
	f.as("noel").refused("FORBIDDEN", creditMutation, credit("x", "1"))
	f.as("adam").refused("FORBIDDEN", creditMutation, credit("x", "1"))
	f.client().refused("UNAUTHENTICATED", creditMutation, credit("x", "1"))
}

func TestDebitTransferReverse(t *testing.T) {
	f := newFixture(t, noon)
	c := f.as("root")
	debit := `mutation($i: AccountDebitInput!) { accountDebit(input: $i) { entry { kind balance { amount } } userErrors { code path } position } }`
	input := map[string]any{
		"idempotencyKey": "d", "account": "initech-eur", "reason": "Fee", "amount": map[string]any{"amount": "5000", "currency": "EUR"},
	}
	if got := c.must(debit, map[string]any{"i": input}); got.text("accountDebit.userErrors.0.code") != "INSUFFICIENT_FUNDS" {
		t.Errorf("debit: %v", got)
	}
	input["forced"] = true
	forced := c.must(debit, map[string]any{"i": input})
	if forced.text("accountDebit.entry.kind") != "FORCED_DEBIT" {
		t.Errorf("forced: %v", forced)
	}
	reversal := c.must(`mutation($p: Position!) { postingReverse(input: {idempotencyKey: "r", position: $p, reason: "Mistake"}) {
		account { key balance { posted { amount } } } entry { kind amount { amount } reverses } userErrors { code message } } }`,
		map[string]any{"p": forced.at("accountDebit.position")})
	if reversal.text("postingReverse.entry.amount.amount") != "5000.000000" || reversal.text("postingReverse.entry.reverses") != forced.text("accountDebit.position") {
		t.Errorf("reversal: %v", reversal)
	}
	moved := c.must(`mutation { accountTransfer(input: {idempotencyKey: "t", from: "acme-usd", to: "globex-usd", reason: "Netting",
		amount: {amount: "10", currency: "USD"}}) { entry { accountName amount { amount } } userErrors { code message } } }`, nil)
	if moved.text("accountTransfer.entry.amount.amount") != "-10.000000" {
		t.Errorf("transfer: %v", moved)
	}
}
