package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCutOffs shows from outside what lets a call through, stops it or ends it
// beside its payer's own money: packages of seconds, emergency numbers, a limit on
// all accounts of a company, and a vendor that lets us owe no more.
func TestCutOffs(t *testing.T) {
	needSipp(t)
	t.Parallel()
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	stories := []struct {
		stage
		play func(*testing.T, *stage)
	}{
		{stage{name: "packed", credit: "0.02", sell: "0.60", vendors: []string{""}}, playPackage},
		{stage{name: "shared", credit: "0", sell: "0.60", vendors: []string{""}}, playSharedPackage},
		{stage{name: "urgent", credit: "0", sell: "0.60", vendors: []string{", lists: [{block: urgent}]"}}, playEmergency},
		{stage{name: "mutual", credit: "0", sell: "0.60", vendors: []string{""}}, playMutual},
		{stage{name: "owed", credit: "5", sell: "0.60", vendors: []string{"", ""}}, playVendorOut},
	}
	var stages []*stage
	for i := range stories {
		stories[i].buy = buyPrice
		stages = append(stages, &stories[i].stage)
	}
	urgent := stages[2]
	text := world(n, stages)
	n.apply(t, fmt.Sprintf("settings: {emergency_numbers: [%q]}\nnumber_lists: [{id: urgent, prefixes: [%q]}]\n", urgent.dial(), urgent.dial()[:10]))
	n.apply(t, text)
	n.apply(t, fmt.Sprintf(`
companies:
  - id: packed
    accounts: [{id: packed-min, currency: SEC, kind: customer, package_prefixes: ["44"]}, {id: packed-usd, currency: USD, kind: customer, package: packed-min}]
  - id: shared
    accounts: [{id: shared-min, currency: SEC, kind: customer}, {id: shared-usd, currency: USD, kind: customer, package: shared-min}]
  - id: urgent
    accounts: [{id: urgent-usd, currency: USD, kind: customer, channels: 1, disabled: true}]
  - id: mutual
    mutual_limits: {USD: "0.02"}
    accounts: [{id: mutual-usd, currency: USD, kind: customer, credit_limit: "100"}]
  - {id: owed-vendor0, accounts: [{id: owed-vendor0-usd, currency: USD, kind: vendor, credit_limit: "0.000001", cut_off: true}]}
originators:
  - {id: urgent, company: urgent, account: urgent-usd, sell_deck: urgent-sell, route_plan: urgent-plan, networks: [%s/32],
     lists: [{block: urgent}], channels: 1, profit: only, max_duration: 1s}
`, urgent.customerIP()))
	for _, s := range stages {
		if s.credit != "0" {
			n.credit(t, s.account(), s.credit, "opening "+s.name)
		}
	}
	n.creditIn(t, "SEC", "packed-min", "2", "two seconds")
	n.creditIn(t, "SEC", "shared-min", "60", "a minute")
	t.Run("stories", func(t *testing.T) {
		for i := range stories {
			t.Run(stories[i].name, func(t *testing.T) {
				t.Parallel()
				stories[i].play(t, &stories[i].stage)
			})
		}
	})
	if sums := n.ledgerSums(t); sums["USD"] != "0.000000" || sums["SEC"] != "0.000000" {
		t.Errorf("the ledger's sums: %v", sums)
	}
	n.interrupt(t)
	verify(t, data)
	if code, stdout, stderr := tollbook(t, "verify", "--data", data, "--cdrs"); code != 0 {
		t.Errorf("verify --cdrs ends with code %d\n%s%s", code, stdout, stderr)
	}
}

// codes are what the calls of a stage ended with, in their order.
func (s *stage) codes(t *testing.T, all []cdr) (codes []int) {
	t.Helper()
	for _, c := range all {
		if c.Leg == 0 {
			codes = append(codes, c.SipCode)
		}
	}
	slices.Sort(codes)
	return codes
}

// Two seconds of a package and money for two more: the call is cut before the fourth
// is over, and its price line says who paid which.
func playPackage(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "answer")
	s.calls(t, "hungup", 1, nil)
	vendor.wait(t)
	all := legs(t, s.settled(t, s.filter(), 2), 200, 200)
	c := all[0]
	if talk := ms(t, c.Talk); c.Cause != "paid_time_over" || talk < 3500 || talk > 4000 {
		t.Errorf("%+v", c)
	}
	if c.Price.PackageSeconds != 2 || micro(t, c.Price.Gross.Amount) != 20_000 || micro(t, c.Price.Billed) != 4_000_000 {
		t.Errorf("priced %+v, want 4 s, two of them by the package, and 0.02 for the others", c.Price)
	}
	if s.posted(t, "packed-min") != 0 || s.posted(t, s.account()) != 0 {
		t.Errorf("%d s are left, and %d", s.posted(t, "packed-min"), s.posted(t, s.account()))
	}
	var out struct {
		Call struct {
			PriceLines []struct{ Explanation []string }
			Entries    []struct{ AccountName string }
			Events     []struct{ Text string }
		}
	}
	s.ask(t, &out, `query ($id: ID!) { call(id: $id) { priceLines { explanation } entries { accountName } events { text } } }`, map[string]any{"id": c.CallID})
	if text := fmt.Sprint(out.Call.PriceLines); !strings.Contains(text, "package packed-min pays the first 2 s of them") {
		t.Errorf("the derivation: %s", text)
	}
	if text := fmt.Sprint(out.Call.Entries); !strings.Contains(text, "packed-min") || !strings.Contains(text, "own/revenue/SEC") {
		t.Errorf("the entries: %s", text)
	}
	if text := fmt.Sprint(out.Call.Events); !strings.Contains(text, "2.000 s of package packed-min") || !strings.Contains(text, "2 s to package packed-min") {
		t.Errorf("the story: %s", text)
	}
	day := c.SetupAt.UTC()
	code, stdout, stderr := tollbook(t, "statement", "--url", s.url, "--token", adminSecret, "-account", "packed-min",
		"-from", day.Format(time.DateOnly), "-to", day.AddDate(0, 0, 2).Format(time.DateOnly))
	if code != 0 || !strings.Contains(stdout, "two seconds") && !strings.Contains(stdout, "a test") || !strings.Contains(stdout, "-2.000000") {
		t.Errorf("the package's statement: %d\n%s%s", code, stdout, stderr)
	}
}

// A minute in a package and no money at all: of two calls at once one gets it.
func playSharedPackage(t *testing.T, s *stage) {
	twoAtOnce(t, s)
	all := s.settled(t, s.filter(), 3)
	if got := s.codes(t, all); !slices.Equal(got, []int{200, 402}) {
		t.Errorf("the calls ended with %v", got)
	}
	spent := int64(0)
	for _, c := range all {
		if c.Leg == 0 && c.Answered {
			spent = c.Price.PackageSeconds
		}
	}
	if spent < 3 || s.posted(t, "shared-min") != (60-spent)*1_000_000 || s.posted(t, s.account()) != 0 {
		t.Errorf("%d s spent; the package has %d, the account %d", spent, s.posted(t, "shared-min"), s.posted(t, s.account()))
	}
	if b := s.balance(t, "shared-min"); b.Holds != 0 || micro(t, b.Reserved.Amount) != 0 {
		t.Errorf("the package: %+v", b)
	}
}

// No money, an account that is shut off, one channel, lists that block the number on
// both sides, a second of talk at most: two emergency calls at once go through, and
// the account owes for them. Another number does not.
func playEmergency(t *testing.T, s *stage) {
	s.takes(t, 0, 2, "answer")
	s.calls(t, "call", 2, nil, "-r", "2", "-rp", "100", "-d", "2500")
	all := s.settled(t, s.filter(), 4)
	owed := int64(0)
	for _, c := range all {
		if c.SipCode != 200 || !c.Emergency || ms(t, c.Talk) < 2000 {
			t.Errorf("%+v", c)
		}
		if c.Leg == 0 {
			owed += micro(t, c.Price.Gross.Amount)
		}
	}
	if got := s.posted(t, s.account()); got != -owed || owed < 40_000 {
		t.Errorf("the account stands at %d, the calls cost %d", got, owed)
	}
	other := strings.Replace(s.dial(), "5551234", "5551235", 1)
	sipp(t, "refused", s.customerIP(), s.net.port(), []string{"@CODE@", "403"}, s.net.addr(1), "-s", other, "-m", "1").wait(t)
	code, stdout, stderr := tollbook(t, "simulate", "--url", s.url, "--token", adminSecret, "-originator", s.name, "-called", s.dial())
	if code != 0 || !strings.Contains(stdout, "an emergency call to "+s.dial()) {
		t.Errorf("simulate: %d\n%s%s", code, stdout, stderr)
	}
}

// The account's own limit would last for hours, the company's for two seconds: the
// call is cut, and the next one refused.
func playMutual(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "answer")
	s.calls(t, "hungup", 1, nil)
	vendor.wait(t)
	c := legs(t, s.settled(t, s.filter(), 2), 200, 200)[0]
	if talk := ms(t, c.Talk); c.Cause != "paid_time_over" || talk < 1500 || talk > 2000 {
		t.Errorf("%+v", c)
	}
	if got := s.posted(t, s.account()); got != -20_000 {
		t.Errorf("the account stands at %d", got)
	}
	s.calls(t, "refused", 1, []string{"@CODE@", "402"})
}

// The first vendor carries one call, by which we owe him more than he allows: the
// next one goes to the second, and the simulator says why.
func playVendorOut(t *testing.T, s *stage) {
	first, second := s.takes(t, 0, 1, "answer"), s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "1000")
	first.wait(t)
	s.settled(t, s.filter(), 2)
	if s.posted(t, s.vendor(0)) <= 1 {
		t.Fatalf("we owe the first vendor %d", s.posted(t, s.vendor(0)))
	}
	s.calls(t, "call", 1, nil, "-d", "1000")
	second.wait(t)
	all := s.settled(t, s.filter(), 4)
	slices.SortFunc(all, func(a, b cdr) int { return strings.Compare(a.CallID, b.CallID) })
	routed := s.routed(t, all[3].CallID).Decision.Choices
	if len(routed) != 2 || routed[0].TerminatorID != "terminator:"+s.terminator(1) || routed[1].Rejected == nil || *routed[1].Rejected != "vendor_out" {
		t.Errorf("the decision: %+v", routed)
	}
	code, stdout, stderr := tollbook(t, "simulate", "--url", s.url, "--token", adminSecret, "-originator", s.name, "-called", s.dial())
	if code != 0 || !strings.Contains(stdout, "vendor_out") {
		t.Errorf("simulate: %d\n%s%s", code, stdout, stderr)
	}
}
