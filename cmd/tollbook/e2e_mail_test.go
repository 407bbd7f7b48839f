package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/projections/sinktest"
)

// TestMail has a balance come below its threshold: who is to be told gets an e-mail, when
// the server takes it, and once.
func TestMail(t *testing.T) {
	t.Parallel()
	server := sinktest.NewSMTP(t, "")
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, server.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	server.Refuse("450 later") // so that all that happens comes in one message each
	nw, data := newNetwork(), t.TempDir()
	n := serveOn(t, nw, data, fmt.Sprintf("sip: %s\nmail: {server: \"smtp://%s\", from: Tollbook <noc@example.net>, ca_file: %s}\n", nw.addr(1), server.Address, ca))
	n.apply(t, `companies: [{id: acme, accounts: [{id: acme-usd, currency: USD, kind: customer, alerts: {low: "5"}}]}]
webhooks:
  - {id: acme-low, company: acme, kinds: [alert_raised], mail_to: [anna@example.com]}
  - {id: noc, kinds: [alert_raised, alert_cleared], mail_to: [noc@example.net], language: ru}
`)
	until(t, "the webhooks have begun", func() bool { return n.hook(t, "noc").Cursor != nil && n.hook(t, "acme-low").Cursor != nil })
	n.credit(t, "acme-usd", "10", "opening")
	var debited struct {
		AccountDebit struct{ UserErrors []struct{ Message string } }
	}
	n.ask(t, &debited, `mutation ($in: AccountDebitInput!) { accountDebit(input: $in) { userErrors { message } } }`, map[string]any{"in": map[string]any{
		"idempotencyKey": "fee", "account": "account:acme-usd", "reason": "a fee", "amount": map[string]any{"amount": "7", "currency": "USD"}}})
	if len(debited.AccountDebit.UserErrors) > 0 {
		t.Fatal(debited)
	}
	until(t, "the server is asked", func() bool {
		return strings.Contains(n.stderr.String(), "anna@example.com: 450") && strings.Contains(n.stderr.String(), "noc@example.net: 450")
	})
	server.Refuse("")
	until(t, "both are told", func() bool { return len(server.Messages()) == 2 })
	all := strings.Join(server.Messages(), "\n")
	for _, want := range []string{"To: anna@example.com", "account acme-usd: the balance 3.000000 USD has come below", "To: noc@example.net", "=?utf-8?q?Tollbook:_"} {
		if !strings.Contains(strings.ReplaceAll(all, "=\n", ""), want) {
			t.Errorf("%q is not in\n%s", want, all)
		}
	}
	n.interrupt(t)
	if got := len(server.Messages()); got != 2 {
		t.Errorf("%d messages came", got)
	}
	verify(t, data)
}
