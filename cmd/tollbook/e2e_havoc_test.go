//go:build linux

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// havoc is three nodes that are killed, stopped, cut off from each other, starved of
// disk, and robbed of their stores, while payments, edits and calls come through all of
// them.
type havoc struct {
	*lan
	rand    *rand.Rand
	clients sync.WaitGroup
	stop    context.CancelFunc
	seed    uint64

	mu sync.Mutex
	// urls are where the nodes answer now.
	urls map[string]string
	// acked and unknown are the payments and edits that were confirmed, and those of
	// which nobody said anything, by their keys.
	acked, unknown map[string]bool
}

// TestHavoc runs TOLLBOOK_HAVOC seeds, from TOLLBOOK_SEED on. At the end every command
// that was confirmed is in the books once, on all nodes the same, and the books add up.
func TestHavoc(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("TOLLBOOK_HAVOC"), 10, 64)
	if err != nil {
		t.Skip("SKIPPED: this is for make havoc")
	}
	from, err := strconv.ParseUint(os.Getenv("TOLLBOOK_SEED"), 10, 64)
	if err != nil {
		from = 1
	}
	for seed := from; seed < from+seeds; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { wreak(t, seed) })
	}
}

const havocFor = 45 * time.Second

func wreak(t *testing.T, seed uint64) {
	h := &havoc{
		lan: newLan(t), rand: rand.New(rand.NewPCG(seed, 0)), seed: seed,
		urls: map[string]string{}, acked: map[string]bool{}, unknown: map[string]bool{},
	}
	for _, name := range h.names() {
		h.disk(t, name)
	}
	h.open(t)
	h.work(t)
	var last string
	for end := time.Now().Add(havocFor); time.Now().Before(end); {
		fault := h.faults()[h.rand.IntN(len(h.faults()))]
		name := h.names()[h.rand.IntN(3)]
		last = fault.name + " " + name
		t.Logf("%s: %s", time.Now().Format("15:04:05.000"), last)
		fault.do(t, name)
		h.whole(t)
		time.Sleep(time.Duration(h.rand.IntN(2000)) * time.Millisecond)
	}
	h.stop()
	h.clients.Wait()
	h.check(t)
}

func (h *havoc) names() []string { return []string{"n1", "n2", "n3"} }

// disk gives a node's data a file system of its own, which can be filled.
func (h *havoc) disk(t *testing.T, name string) {
	t.Helper()
	dir := h.path(name, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	h.Run("mount -t tmpfs -o size=256m tmpfs " + dir)
	t.Cleanup(func() {
		if n := h.nodes[name]; n != nil && n.alive() {
			n.kill(t)
		}
		h.Run("umount -l " + dir)
	})
}

// fault is something that happens to a node, and is over when it returns.
type fault struct {
	name string
	do   func(t *testing.T, name string)
}

func (h *havoc) faults() []fault {
	return []fault{
		{"killed", h.killed}, {"killed", h.killed}, {"stopped", h.stopped}, {"cut off", h.cutOff},
		{"deaf to another", h.deaf}, {"disk full", h.diskFull}, {"store damaged", h.damaged}, {"store lost", h.lost},
	}
}

func (h *havoc) while() { time.Sleep(time.Duration(500+h.rand.IntN(5500)) * time.Millisecond) }

func (h *havoc) killed(t *testing.T, name string) {
	h.nodes[name].kill(t)
	h.while()
	h.back(t, name)
}

func (h *havoc) stopped(t *testing.T, name string) {
	goOn := h.nodes[name].stop(t)
	h.while()
	goOn()
}

// filter drops what comes to a node from others.
func (h *havoc) filter(t *testing.T, name string, from ...string) (heal func()) {
	t.Helper()
	nft := func(args ...string) {
		cmd := exec.Command("ip", append([]string{"netns", "exec", h.Hosts[name], "nft"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft %v: %s", args, out)
		}
	}
	nft("add", "table", "ip", "havoc")
	nft("add", "chain", "ip", "havoc", "in", "{ type filter hook input priority 0 ; }")
	for _, other := range from {
		nft("add", "rule", "ip", "havoc", "in", "ip", "saddr", h.net.ip(last[other]), "drop")
	}
	return func() { nft("delete", "table", "ip", "havoc") }
}

func (h *havoc) others(name string) []string {
	return slices.DeleteFunc(h.names(), func(n string) bool { return n == name })
}

// cutOff has a node neither hear the others nor be heard by them.
func (h *havoc) cutOff(t *testing.T, name string) {
	heal := []func(){h.filter(t, name, h.others(name)...)}
	for _, other := range h.others(name) {
		heal = append(heal, h.filter(t, other, name))
	}
	h.while()
	for _, fn := range heal {
		fn()
	}
}

// deaf has a node not hear one of the others, which hears it.
func (h *havoc) deaf(t *testing.T, name string) {
	heal := h.filter(t, name, h.others(name)[h.rand.IntN(2)])
	h.while()
	heal()
}

func (h *havoc) diskFull(t *testing.T, name string) {
	path := filepath.Join(h.nodes[name].data, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(f, nothing{})
	if err == nil {
		t.Fatal("the disk is endless")
	}
	h.while()
	if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
		t.Fatal(err)
	}
}

// nothing is zeros without end.
type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// damaged flips a bit somewhere in a node's copy of the book.
func (h *havoc) damaged(t *testing.T, name string) {
	h.nodes[name].kill(t)
	files, err := filepath.Glob(filepath.Join(h.nodes[name].data, "jetstream", "$G", "streams", "BOOK", "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	path := files[h.rand.IntN(len(files))]
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 0 {
		text[h.rand.IntN(len(text))] ^= 1 << h.rand.IntN(8)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.back(t, name)
}

// lost has a node come back with nothing.
func (h *havoc) lost(t *testing.T, name string) {
	h.nodes[name].kill(t)
	entries, err := os.ReadDir(h.nodes[name].data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(h.nodes[name].data, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	h.back(t, name)
}

// back starts a node again.
func (h *havoc) back(t *testing.T, name string) {
	t.Helper()
	h.group.start(t, name)
	h.mu.Lock()
	h.urls[name] = h.nodes[name].url
	h.mu.Unlock()
}

// whole starts what has ended meanwhile, and waits until all nodes see each other and
// each has all that the streams hold: only then may the next store be lost.
func (h *havoc) whole(t *testing.T) {
	t.Helper()
	until(t, "all nodes are whole", func() bool {
		for _, name := range h.names() {
			if !h.nodes[name].alive() {
				t.Logf("%s has ended by itself: %s", name, lastLine(h.nodes[name].stderr.String()))
				h.back(t, name)
			}
		}
		for _, name := range h.names() {
			if !h.seesAll(t, name) {
				return false
			}
		}
		return true
	})
	key := fmt.Sprint("whole ", h.seed, " ", time.Now().UnixNano())
	var position string
	until(t, "a payment is taken", func() bool { return h.pay(t.Context(), h.nodes["n1"].url, key, &position) == nil })
	h.settle(key, nil)
	for _, name := range h.names() {
		until(t, name+" has read it", func() bool {
			var answer struct{ Entry []struct{ Reason string } }
			err := post(t.Context(), h.nodes[name].url, `query ($p: Position!) { entry(position: $p) { reason } }`, map[string]any{"p": position}, &answer)
			return err == nil && len(answer.Entry) > 0
		})
	}
}

// seesAll says whether a node sees all of them up and whole, and one keeper.
func (h *havoc) seesAll(t *testing.T, name string) bool {
	var answer struct {
		Members []struct {
			Name                 string
			Up, Whole, KeepsBook bool
			DiffersAt            *string
		}
	}
	if err := post(t.Context(), h.nodes[name].url, `{ members { name up whole keepsBook differsAt } }`, nil, &answer); err != nil {
		return false
	}
	whole, keep := 0, 0
	for _, m := range answer.Members {
		if m.DiffersAt != nil {
			t.Fatalf("%s: %+v", name, m)
		}
		if m.Up && m.Whole {
			whole++
		}
		if m.KeepsBook {
			keep++
		}
	}
	return whole == 3 && keep == 1
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// pay credits a cent under a key.
func (h *havoc) pay(ctx context.Context, url, key string, position *string) error {
	var answer struct {
		AccountCredit struct {
			Position   *string
			UserErrors []struct{ Code, Message string }
		}
	}
	err := post(ctx, url, `mutation ($in: AccountCreditInput!) { accountCredit(input: $in) { position userErrors { code message } } }`,
		map[string]any{"in": map[string]any{
			"idempotencyKey": key, "account": "account:" + h.stage.account(), "reason": "a test " + key,
			"amount": map[string]any{"amount": "0.01", "currency": "USD"},
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
			for i := 0; ctx.Err() == nil; i++ {
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
	}
	for _, name := range h.names() {
		h.nodes[name].interrupt(t)
	}
	for _, name := range h.names() {
		code, stdout, stderr := tollbook(t, "verify", "--data", h.nodes[name].data, "--cdrs", "-o", "json")
		var found struct {
			Verify    string
			Overspent int `json:"overspent_accounts"`
		}
		if err := json.Unmarshal([]byte(stdout), &found); err != nil || code != 0 || found.Verify != "ok" || found.Overspent != 0 {
			t.Errorf("verify of %s: code %d, %s%s", name, code, stdout, stderr)
		}
	}
	t.Logf("seed %d: %d commands confirmed, %d of which nobody knew, %d CDRs", h.seed, len(h.acked), len(h.unknown), len(before))
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
