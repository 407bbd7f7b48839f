//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pay credits a cent under a key.
func (h *havoc) pay(ctx context.Context, url, key string, position *string) error {
	return credit(ctx, url, h.stage.account(), "0.01", key, position)
}

// credit pays through a node that may not be there.
func credit(ctx context.Context, url, account, sum, key string, position *string) error {
	var answer struct {
		AccountCredit struct {
			Position   *string
			UserErrors []struct{ Code, Message string }
		}
	}
	err := post(ctx, url, `mutation ($in: AccountCreditInput!) { accountCredit(input: $in) { position userErrors { code message } } }`,
		map[string]any{"in": map[string]any{
			"idempotencyKey": key, "account": "account:" + account, "reason": "a test " + key,
			"amount": map[string]any{"amount": sum, "currency": "USD"},
		}}, &answer)
	switch p := answer.AccountCredit.Position; {
	case err != nil:
		return err
	case p == nil || len(answer.AccountCredit.UserErrors) > 0:
		return fmt.Errorf("%v", answer.AccountCredit.UserErrors)
	case position != nil:
		*position = *p
	}
	return nil
}

// edit makes a company of its own name.
func (h *havoc) edit(ctx context.Context, url, key string) error {
	var answer struct {
		CompanyPut struct {
			Position   *string
			UserErrors []struct{ Code, Message string }
		}
	}
	err := post(ctx, url, `mutation ($in: CompanyPutInput!) { companyPut(input: $in) { position userErrors { code message } } }`,
		map[string]any{"in": map[string]any{"key": key, "name": key}}, &answer)
	if err == nil && (answer.CompanyPut.Position == nil || len(answer.CompanyPut.UserErrors) > 0) {
		err = fmt.Errorf("%v", answer.CompanyPut.UserErrors)
	}
	return err
}

var hasty = &http.Client{Timeout: 6 * time.Second}

// post asks a node that may not be there.
func post(ctx context.Context, url, query string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+adminSecret)
	res, err := hasty.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct{ Data, Errors json.RawMessage }
	if err := json.Unmarshal(data, &answer); err != nil || answer.Errors != nil {
		return fmt.Errorf("%s", data)
	}
	return json.Unmarshal(answer.Data, out)
}

func (h *havoc) settle(key string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.acked[key] = true
	} else {
		h.unknown[key] = true
	}
}

// work has clients pay, edit and call through all nodes until stop.
func (h *havoc) work(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	h.stop = stop
	for _, name := range h.names() {
		h.urls[name] = h.nodes[name].url
	}
	for client := range 6 {
		own := rand.New(rand.NewPCG(h.seed, uint64(client)+1))
		h.clients.Go(func() {
			mine := newRegister(fmt.Sprintf("r%d-%d", h.seed, client), -1)
			defer func() { h.leaves(mine) }()
			for i := 0; ctx.Err() == nil; i++ {
				if i%3 == 0 {
					mine = h.swap(context.WithoutCancel(ctx), own, mine, i)
				}
				h.command(ctx, own, fmt.Sprintf("h%d-%d-%d", h.seed, client, i), i%4 == 3)
			}
		})
	}
	for i, name := range h.names() {
		at := fmt.Sprintf("%s:%d", h.stage.customerIP(), h.net.port()+10+i)
		conn := h.Listen(h.Hosts["out"], at)
		p := probesEvery(t, &socket{conn, h.stage.customerIP(), h.net.port() + 10 + i}, netip.MustParseAddrPort(h.net.addr(last[name])), h.stage.dial(), 200*time.Millisecond)
		context.AfterFunc(ctx, p.end)
	}
}

// command gives one command, through other nodes as long as nobody confirms it, and
// gives it up after a while.
func (h *havoc) command(ctx context.Context, own *rand.Rand, key string, edit bool) {
	var err error
	for range 3 {
		h.mu.Lock()
		url := h.urls[h.names()[own.IntN(3)]]
		h.mu.Unlock()
		if edit {
			err = h.edit(context.WithoutCancel(ctx), url, key)
		} else {
			err = h.pay(context.WithoutCancel(ctx), url, key, nil)
		}
		if err == nil {
			break
		}
		time.Sleep(time.Duration(50+own.IntN(300)) * time.Millisecond)
	}
	h.settle(key, err)
	time.Sleep(time.Duration(own.IntN(60)) * time.Millisecond)
}

// check looks at the books when all is quiet.
func (h *havoc) check(t *testing.T) {
	t.Helper()
	first := h.nodes["n1"]
	defer func() {
		if t.Failed() {
			for _, name := range h.names() {
				if h.nodes[name].alive() {
					t.Logf("%s: balance %+v, live %v", name, h.nodes[name].balance(t, h.stage.account()), h.nodes[name].liveCalls(t))
				}
			}
		}
	}()
	for range 2 { // a hold lasts a minute, and a call without a node as long
		time.Sleep(patience / 3 * 2)
	}
	until(t, "all calls are closed", func() bool {
		return first.balance(t, h.stage.account()).Holds == 0 && len(first.liveCalls(t)) == 0
	})
	var before map[string]cdr
	for _, name := range h.names() {
		n := h.nodes[name]
		until(t, name+" has no pending CDR and those of the others", func() bool {
			all := finals(t, n)
			for _, c := range n.cdrs(t, map[string]any{"state": "LOST"}) { // known from the book alone: what was observed is gone with a store
				all[fmt.Sprint(c.CallID, c.Leg)] = c
			}
			if before == nil {
				before = all
			}
			return len(all) > 0 && len(n.cdrs(t, map[string]any{"state": "PENDING"})) == 0 && reflect.DeepEqual(all, before)
		})
	}
	h.agrees(t, 3)
	for _, name := range h.names() {
		h.counted(t, name, before)
		h.read(t, name)
	}
	for _, text := range h.wrong {
		t.Errorf("an answer contradicts what was confirmed: %s", text)
	}
	pending := len(first.cdrs(t, map[string]any{"state": "PENDING"}))
	for _, name := range h.names() {
		h.nodes[name].interrupt(t)
	}
	overspent, states := 0, map[string]bool{}
	for _, name := range h.names() {
		code, stdout, stderr := tollbook(t, "verify", "--data", h.nodes[name].data, "--cdrs", "-o", "json")
		var found struct {
			Verify    string
			State     string
			Overspent int `json:"overspent_accounts"`
		}
		if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 0 || found.Verify != "ok" || found.Overspent != 0 {
			t.Errorf("verify of %s: code %d, %s%s", name, code, stdout, stderr)
		}
		overspent, states[found.State] = overspent+found.Overspent, true
	}
	if len(states) != 1 {
		t.Errorf("the nodes' states are %v", states)
	}
	measured("lost_cdrs", pending)
	measured("duplicate_charges", h.twice)
	measured("overspend", strconv.Itoa(overspent))
	measured("state_hash_equal", len(states) == 1)
	t.Logf("seed %d: %d commands confirmed, %d of which nobody knew, %d changes from known versions, %d of which nobody knew, %d CDRs",
		h.seed, len(h.acked), len(h.unknown), h.swaps, h.unsure, len(before))
}

// counted compares what one node has with what was confirmed.
func (h *havoc) counted(t *testing.T, name string, cdrs map[string]cdr) {
	t.Helper()
	paid, due := h.payments(t, name), int64(0)
	for _, c := range cdrs {
		if c.Leg == 0 && c.Price != nil {
			due += micro(t, c.Price.Gross.Amount)
		}
	}
	sum := int64(100_000_000)
	for key, times := range paid {
		if !h.acked[key] && !h.unknown[key] || times != 1 {
			h.twice++
			t.Errorf("%s has %d payments %q", name, times, key)
		}
		sum += 10_000 * int64(times)
	}
	companies := h.companies(t, name)
	for key := range h.acked {
		if paid[key] == 0 && !companies[key] {
			t.Errorf("%s lacks %q, which was confirmed", name, key)
		}
	}
	if got := h.nodes[name].posted(t, h.stage.account()); got != sum-due {
		h.twice++
		t.Errorf("%s: the account has %d, want %d", name, got, sum-due)
	}
	for currency, amount := range h.nodes[name].ledgerSums(t) {
		if micro(t, amount) != 0 {
			t.Errorf("%s: the ledger's sum is %s %s", name, amount, currency)
		}
	}
}

// payments counts a node's payments by key.
func (h *havoc) payments(t *testing.T, name string) map[string]int {
	t.Helper()
	out := map[string]int{}
	var after any
	for {
		var page struct {
			Account struct {
				Entries struct {
					Nodes    []struct{ Reason string }
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
				}
			}
		}
		h.nodes[name].ask(t, &page, `query ($id: ID!, $after: Cursor) { account(id: $id) { entries(first: 500, after: $after) {
			nodes { reason } pageInfo { hasNextPage endCursor } } } }`, map[string]any{"id": "account:" + h.stage.account(), "after": after})
		for _, e := range page.Account.Entries.Nodes {
			if key, ok := strings.CutPrefix(e.Reason, "a test "); ok {
				out[key]++
			}
		}
		if !page.Account.Entries.PageInfo.HasNextPage {
			return out
		}
		after = page.Account.Entries.PageInfo.EndCursor
	}
}

func (h *havoc) companies(t *testing.T, name string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	var after any
	for {
		var page struct {
			Companies struct {
				Nodes    []struct{ Name string }
				PageInfo struct {
					HasNextPage bool
					EndCursor   string
				}
			}
		}
		h.nodes[name].ask(t, &page, `query ($after: Cursor) { companies(first: 500, after: $after) { nodes { name } pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"after": after})
		for _, c := range page.Companies.Nodes {
			out[c.Name] = true
		}
		if !page.Companies.PageInfo.HasNextPage {
			return out
		}
		after = page.Companies.PageInfo.EndCursor
	}
}
