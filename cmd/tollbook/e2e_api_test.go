package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"
)

// api asks a node through GraphQL, as any client does.
type api struct{ url string }

// ask sends a query and reads its data into out.
func (a *api) ask(t *testing.T, out any, query string, variables map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+adminSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data   json.RawMessage
		Errors json.RawMessage
	}
	if err := json.Unmarshal(data, &answer); err != nil || answer.Errors != nil {
		t.Fatalf("%s\nis answered %s", query, data)
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		t.Fatal(err)
	}
}

// download gets what a path has, or a range of its bytes.
func (a *api) download(t *testing.T, path, byteRange string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminSecret)
	if byteRange != "" {
		req.Header.Set("Range", byteRange)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode/100 != 2 {
		t.Fatalf("%s: %s, %v: %.200s", req.URL, res.Status, err, data)
	}
	return data
}

type amount struct{ Amount string }

// cdr is what the tests look at of a CDR.
type cdr struct {
	CallID                       string
	Leg                          int
	State, Cause, EndedBy        string
	SipCode                      int
	Answered                     bool
	Talk                         string
	SetupAt                      time.Time
	AnsweredAt, EndedAt          *time.Time
	Caller, Called, TerminatorID string
	CustomerAccountID, SipCallID string
	Emergency                    bool
	Price                        *struct {
		Billed string
		// PackageSeconds are those of the billed ones that a package paid.
		PackageSeconds int64
		Net            amount
		Gross          amount
	}
	Media *struct {
		Packets, Lost int
		Jitter, Mos   string
	}
}

const cdrFields = `callId leg state cause endedBy sipCode answered talk setupAt answeredAt endedAt caller called
 terminatorId customerAccountId sipCallId emergency price { billed packageSeconds net { amount } gross { amount } } media { packets lost jitter mos }`

// cdrs reads all CDRs that a filter leaves, oldest first.
func (a *api) cdrs(t *testing.T, filter map[string]any) []cdr {
	t.Helper()
	var all []cdr
	var after any
	for {
		var page struct {
			Cdrs struct {
				Nodes    []cdr
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		a.ask(t, &page, `query ($f: CdrFilter, $after: Cursor) { cdrs(filter: $f, first: 500, after: $after) {
			nodes { `+cdrFields+` } pageInfo { hasNextPage endCursor } } }`, map[string]any{"f": filter, "after": after})
		all = append(page.Cdrs.Nodes, all...)
		if !page.Cdrs.PageInfo.HasNextPage {
			return all
		}
		after = page.Cdrs.PageInfo.EndCursor
	}
}

// settled waits until an account's calls have so many final CDRs and none other.
func (a *api) settled(t *testing.T, filter map[string]any, n int) []cdr {
	t.Helper()
	var all []cdr
	defer func() {
		if t.Failed() {
			for _, c := range all {
				t.Logf("%+v", c)
			}
		}
	}()
	until(t, fmt.Sprintf("%d final CDRs of %v", n, filter), func() bool {
		all = a.cdrs(t, filter)
		final := 0
		for _, c := range all {
			if c.State == "FINAL" {
				final++
			}
		}
		return final >= n
	})
	if len(all) != n {
		t.Fatalf("%d CDRs, want %d", len(all), n)
	}
	return all
}

type balance struct {
	Posted, Reserved, Available amount
	Holds                       int
}

func (a *api) balance(t *testing.T, account string) balance {
	t.Helper()
	var answer struct{ Account *struct{ Balance balance } }
	a.ask(t, &answer, `query ($id: ID!) { account(id: $id) { balance {
		posted { amount } reserved { amount } available { amount } holds } } }`, map[string]any{"id": "account:" + account})
	if answer.Account == nil {
		t.Fatalf("there is no account %s", account)
	}
	return answer.Account.Balance
}

// posted is what stands on an account, in millionths.
func (a *api) posted(t *testing.T, account string) int64 {
	t.Helper()
	return micro(t, a.balance(t, account).Posted.Amount)
}

// credit puts money onto an account and gives the entry's position.
func (a *api) credit(t *testing.T, account, sum, key string) (position string) {
	t.Helper()
	return a.creditIn(t, "USD", account, sum, key)
}

func (a *api) creditIn(t *testing.T, currency, account, sum, key string) (position string) {
	t.Helper()
	var answer struct {
		AccountCredit struct {
			Position   *string
			UserErrors []struct{ Code, Message string }
		}
	}
	a.ask(t, &answer, `mutation ($in: AccountCreditInput!) { accountCredit(input: $in) { position userErrors { code message } } }`,
		map[string]any{"in": map[string]any{
			"idempotencyKey": key, "account": "account:" + account, "reason": "a test",
			"amount": map[string]any{"amount": sum, "currency": currency},
		}})
	if p := answer.AccountCredit.Position; p != nil && len(answer.AccountCredit.UserErrors) == 0 {
		return *p
	}
	t.Fatalf("credit: %+v", answer.AccountCredit)
	return ""
}

// entries are the accounts and amounts posted at a position, and by whom.
func (a *api) entries(t *testing.T, position string) string {
	t.Helper()
	var answer struct{ Entry json.RawMessage }
	a.ask(t, &answer, `query ($p: Position!) { entry(position: $p) {
		accountName kind amount { amount } balance { amount } recordedAt actor reason } }`, map[string]any{"p": position})
	return string(answer.Entry)
}

// ledgerSums are the sums over all accounts, by currency.
func (a *api) ledgerSums(t *testing.T) map[string]string {
	t.Helper()
	var answer struct {
		Overview struct {
			LedgerSums []struct{ Amount, Currency string }
		}
	}
	a.ask(t, &answer, `{ overview { ledgerSums { amount currency } } }`, nil)
	sums := map[string]string{}
	for _, s := range answer.Overview.LedgerSums {
		sums[s.Currency] = s.Amount
	}
	return sums
}

// micro reads a decimal number as millionths.
func micro(t *testing.T, text string) int64 {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("%q is not a number", text)
	}
	r.Mul(r, big.NewRat(1_000_000, 1))
	if !r.IsInt() {
		t.Fatalf("%q has more than six places", text)
	}
	return r.Num().Int64()
}

// ms reads a duration in seconds as milliseconds.
func ms(t *testing.T, seconds string) int64 {
	t.Helper()
	return micro(t, seconds) / 1000
}

// price is what a talk time costs: whole seconds, at least one, raised to the
// minimum and to whole increments, at so much a minute, rounded half up to
// millionths. It is the tests' own, from the deck's text.
func price(t *testing.T, perMinute string, minimum, increment, rawMS int64) int64 {
	t.Helper()
	rate, ok := new(big.Rat).SetString(perMinute)
	if !ok {
		t.Fatalf("%q is not a price", perMinute)
	}
	seconds := (rawMS + 999) / 1000
	if seconds < 1 {
		seconds = 1
	}
	billed := minimum
	for billed < seconds {
		billed += increment
	}
	exact := rate.Mul(rate, big.NewRat(billed*1_000_000, 60))
	exact.Add(exact, big.NewRat(1, 2))
	return new(big.Int).Div(exact.Num(), exact.Denom()).Int64()
}
