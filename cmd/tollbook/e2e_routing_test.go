package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRouting shows from outside what routes and plans do beside the order:
// numbers that are rewritten on both ways, a time-out of a route's own, a code
// that ends hunting by one plan, a limit by prefix; and that a simulation comes to
// what the calls did.
func TestRouting(t *testing.T) {
	needSipp(t)
	t.Parallel()
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	slow := &stage{name: "slow", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{
		"", `, rewrites: [{field: called, match: "^44", replace: "+44"}, {field: caller, match: ".*", replace: "4420"}]`}}
	halt := &stage{name: "halt", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{"", ""}}
	full := &stage{name: "full", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n.apply(t, world(n, []*stage{slow, halt, full}))
	n.apply(t, fmt.Sprintf(`
route_plans:
  - {id: slow-plan, routes: [{prefix: "44000", terminator: slow-vendor0, pdd_timeout: 700ms}]}
  - {id: halt-plan, hunt: [{code: 486, q850: 17, then: stop}]}
number_lists: [{id: bad, prefixes: ["44666"]}]
originators:
  - {id: slow, company: slow, account: slow-usd, sell_deck: slow-sell, route_plan: slow-plan, networks: [%s/32],
     rewrites: [{field: called, match: "^0([1-9])", replace: "44$1"}, {field: called, match: "^9", replace: "44"}], lists: [{block: bad}]}
  - {id: full, company: full, account: full-usd, sell_deck: full-sell, route_plan: full-plan, networks: [%s/32],
     prefix_limits: [{prefix: "44002", channels: 1}, {prefix: "44"}]}
`, slow.customerIP(), full.customerIP()))
	for _, s := range []*stage{slow, halt, full} {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		for _, story := range []struct {
			name string
			play func(*testing.T, *stage)
			on   *stage
		}{{"rewrites and a time-out", playRewrites, slow}, {"stop", playStop, halt}, {"prefix limit", playPrefixLimit, full}} {
			t.Run(story.name, func(t *testing.T) {
				t.Parallel()
				story.play(t, story.on)
			})
		}
	})
	pastDecision(t, slow)
	n.interrupt(t)
	verify(t, data)
}

// An edit changes what a call would do now, and not what one did then.
func pastDecision(t *testing.T, s *stage) {
	then := s.cdrs(t, s.filter())[0].CallID
	edited := time.Now()
	s.apply(t, `route_plans: [{id: slow-plan, routes: [{prefix: "44000", terminator: slow-vendor0, disabled: true}]}]`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-originator", "slow", "-called", s.dial()}, "slow-vendor1: slow-vendor0: disabled "},
		{[]string{"-cdr", then}, "slow-vendor0: slow-vendor1: "},
		{[]string{"-originator", "slow", "-called", s.dial(), "-at", edited.UTC().Format(time.RFC3339)}, "slow-vendor0: slow-vendor1: "},
	} {
		code, stdout, stderr := tollbook(t, append([]string{"simulate", "-o", "json", "--url", s.url, "--token", adminSecret}, c.args...)...)
		var answer struct{ Decision chosen }
		if err := json.Unmarshal([]byte(stdout), &answer); err != nil || code != 0 {
			t.Fatalf("%v: %v\n%s%s", c.args, err, stdout, stderr)
		}
		got := ""
		for _, v := range answer.Decision.Choices {
			got += strings.TrimPrefix(v.TerminatorID, "terminator:") + ": "
			if v.Rejected != nil {
				got += *v.Rejected + " "
			}
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
}

// A vendor who says nothing is left after his route's 700 ms, though the switch's
// own limit is 8 s; the next one gets the numbers in his own way. The number comes
// as 9 00 5551234 and is routed as 44 00 5551234.
func playRewrites(t *testing.T, s *stage) {
	s.hears(t, s.vendorIP(0))
	s.takes(t, 1, 1, "answer")
	dialled := "9" + strings.TrimPrefix(s.dial(), "44")
	sipp(t, "call", s.customerIP(), s.net.port(), nil, s.net.addr(1), "-s", dialled, "-m", "1", "-d", "1000").wait(t)
	all := legs(t, s.settled(t, s.filter(), 3), 200, 408, 200)
	s.billed(t, all, 1)
	if wait := all[2].SetupAt.Sub(all[1].SetupAt); wait < 600*time.Millisecond || wait > 5*time.Second {
		t.Errorf("the next vendor was tried after %v", wait)
	}
	routed := s.routed(t, all[0].CallID)
	if all[0].Called != dialled || routed.Legs[0].CalledRouted != s.dial() {
		t.Errorf("in %s, routed as %s", all[0].Called, routed.Legs[0].CalledRouted)
	}
	if all[1].Called != s.dial() || all[2].Called != "+"+s.dial() || all[2].Caller != "4420" {
		t.Errorf("out to %s, and to %s from %s", all[1].Called, all[2].Called, all[2].Caller)
	}
	// The same question gets the same answer: from the call, and by flags.
	for _, args := range [][]string{{"-cdr", all[0].CallID}, {"-originator", "slow", "-called", dialled}} {
		args = append([]string{"simulate", "-o", "json", "--url", s.url, "--token", adminSecret}, args...)
		code, stdout, stderr := tollbook(t, args...)
		var got struct{ Decision chosen }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
			t.Fatalf("%v: %v\n%s%s", args, err, stdout, stderr)
		}
		for i, c := range got.Decision.Choices {
			if c.TerminatorID != routed.Decision.Choices[i].TerminatorID || c.CalledOut != all[i+1].Called {
				t.Errorf("%v: %+v, want %+v", args, got.Decision.Choices, routed.Decision.Choices)
			}
		}
	}
	if code, stdout, stderr := tollbook(t, "simulate", "--url", s.url, "--token", adminSecret, "-source", s.customerIP()+":5060", "-called", "44666"); code != 0 ||
		!strings.Contains(stdout, "no route: number_blocked") {
		t.Errorf("a blocked number: %d\n%s%s", code, stdout, stderr)
	}
}

// Busy goes on by default; this plan takes a person's busy for an answer.
func playStop(t *testing.T, s *stage) {
	s.takes(t, 0, 1, "refuse", "@CODE@", "486")
	s.calls(t, "refused", 1, []string{"@CODE@", "486"})
	all := legs(t, s.settled(t, s.filter(), 2), 486, 486)
	s.billed(t, all, -1)
	if d := s.routed(t, all[0].CallID).Decision; len(d.Choices) != 2 || d.Choices[0].Rejected != nil || d.Choices[1].Rank == nil {
		t.Errorf("the decision: %+v", d)
	}
}

// One channel to the prefix: while a call talks, the next one is refused.
func playPrefixLimit(t *testing.T, s *stage) {
	s.takes(t, 0, 1, "answer")
	first := s.starts(t, "call", 1, nil, "-d", "4000")
	until(t, "the first call holds money", func() bool { return s.balance(t, s.account()).Holds == 1 })
	sipp(t, "refused", s.customerIP(), s.net.port()+1, []string{"@CODE@", "503"}, s.net.addr(1), "-s", s.dial(), "-m", "1").wait(t)
	first.wait(t)
	var codes []int
	for _, c := range s.settled(t, s.filter(), 3) {
		if c.Leg == 0 {
			codes = append(codes, c.SipCode)
		}
	}
	if slices.Sort(codes); !slices.Equal(codes, []int{200, 503}) {
		t.Errorf("the calls ended with %v", codes)
	}
}

// chosen is what the test looks at of a decision.
type chosen struct {
	Choices []struct {
		TerminatorID, CalledOut string
		Rank                    *int
		Rejected                *string
	}
}

type routedCall struct {
	Legs     []struct{ CalledRouted string }
	Decision chosen
}

// routed asks how a call's route was decided.
func (n *node) routed(t *testing.T, id string) routedCall {
	t.Helper()
	var out struct{ Call routedCall }
	n.ask(t, &out, `query ($id: ID!) { call(id: $id) { legs { calledRouted } decision { choices { terminatorId rank rejected } } } }`,
		map[string]any{"id": id})
	return out.Call
}
