package main_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestFeedsOfACall listens to the running calls, an account's balance and the alerts over
// one websocket while a call comes, is answered, ends and is paid for.
func TestFeedsOfACall(t *testing.T) {
	needSipp(t)
	t.Parallel()
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	s := &stage{name: "feeds", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), "5", "opening")
	n.ask(t, &struct{}{}, `mutation($a: String!) { accountPut(input: {key: $a, lowBalance: "5"}) { userErrors { message } } }`, map[string]any{"a": s.account()})
	all := subscribed(t, n, map[string]string{
		"calls":    `{"query": "subscription { liveCalls { whole calls { id state accountId } gone } }"}`,
		"balances": fmt.Sprintf(`{"query": "subscription { balances(accounts: [\"%s\"]) { balance { posted { amount } holds } } }"}`, s.account()),
		"alerts":   `{"query": "subscription { alerts { whole raised { kind account { key } } } }"}`,
	})
	told := map[string]bool{}
	hear := func(want ...string) {
		t.Helper()
		missing := func() (out []string) {
			for _, w := range want {
				if !told[w] {
					out = append(out, w)
				}
			}
			return out
		}
		for limit := time.After(patience); len(missing()) > 0; {
			select {
			case m := <-all:
				for _, what := range tell(t, m) {
					told[what] = true
				}
			case <-limit:
				t.Fatalf("not heard: %v of %v", missing(), told)
			}
		}
	}
	hear("whole calls 0", "posted 5.000000, holds 0", "whole alerts 0")
	if text := scraped(t, n); !strings.Contains(text, "tollbook_api_streams 3") || !strings.Contains(text, "tollbook_api_websockets 1") {
		t.Error("three streams over a websocket are not in /metrics")
	}
	vendor := s.takes(t, 0, 1, "answer")
	call := s.starts(t, "call", 1, nil, "-d", "3000")
	hear("call TALKING of account:"+s.account(), "posted 5.000000, holds 1")
	call.wait(t)
	vendor.wait(t)
	hear("gone 1", "raised LOW_BALANCE of "+s.account())
	posted := n.balance(t, s.account()).Posted.Amount
	if posted == "5.000000" {
		t.Error("the call cost nothing")
	}
	hear("posted " + posted + ", holds 0")
	n.interrupt(t)
	verify(t, data)
}

// tell says in words what a message says.
func tell(t *testing.T, m said) (out []string) {
	t.Helper()
	var next struct {
		Data struct {
			LiveCalls *struct {
				Whole bool
				Calls []struct{ ID, State, AccountID string }
				Gone  []string
			}
			Balances []struct {
				Balance struct {
					Posted struct{ Amount string }
					Holds  int
				}
			}
			Alerts *struct {
				Whole  bool
				Raised []struct {
					Kind    string
					Account struct{ Key string }
				}
			}
		}
	}
	if m.Type != "next" {
		return nil
	}
	if err := json.Unmarshal(m.Payload, &next); err != nil {
		t.Fatalf("%s: %v", m.Payload, err)
	}
	if c := next.Data.LiveCalls; c != nil {
		if c.Whole {
			out = append(out, fmt.Sprint("whole calls ", len(c.Calls)))
		}
		for _, call := range c.Calls {
			out = append(out, "call "+call.State+" of "+call.AccountID)
		}
		out = append(out, fmt.Sprint("gone ", len(c.Gone)))
	}
	for _, a := range next.Data.Balances {
		out = append(out, fmt.Sprintf("posted %s, holds %d", a.Balance.Posted.Amount, a.Balance.Holds))
	}
	if a := next.Data.Alerts; a != nil {
		if a.Whole {
			out = append(out, fmt.Sprint("whole alerts ", len(a.Raised)))
		}
		for _, r := range a.Raised {
			out = append(out, "raised "+r.Kind+" of "+r.Account.Key)
		}
	}
	return out
}
