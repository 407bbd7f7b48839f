package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCalls plays its stories side by side on one switch, and then asks for the
// books.
func TestCalls(t *testing.T) {
	needSipp(t)
	t.Parallel()
	stories := []struct {
		stage
		play func(*testing.T, *stage)
	}{
		{stage{name: "hundred", credit: "50", vendors: []string{""}}, playHundred},
		{stage{name: "busy", credit: "5", vendors: []string{"", ""}}, func(t *testing.T, s *stage) { playHunt(t, s, "486") }},
		{stage{name: "refused", credit: "5", vendors: []string{"", ""}}, func(t *testing.T, s *stage) { playHunt(t, s, "503") }},
		{stage{name: "nobody", credit: "5", vendors: []string{"", ""}}, playNobody},
		{stage{name: "silent", credit: "5", vendors: []string{", pdd_timeout: 1s", ""}}, playSilent},
		{stage{name: "ringing", credit: "5", vendors: []string{", ring_timeout: 1500ms", ""}}, playRinging},
		{stage{name: "cancel", credit: "5", vendors: []string{""}}, playCancel},
		{stage{name: "crossing", credit: "5", vendors: []string{""}}, playCrossing},
		{stage{name: "hangup", credit: "5", vendors: []string{""}}, playHangUp},
		{stage{name: "again", credit: "5", vendors: []string{""}}, playAgain},
		{stage{name: "onehold", credit: "0.6", sell: "0.60", vendors: []string{""}}, playOneHold},
		{stage{name: "twoholds", credit: "1.2", sell: "0.60", vendors: []string{""}}, playTwoHolds},
		{stage{name: "runsout", credit: "0.05", sell: "0.60", vendors: []string{""}}, playRunsOut},
		{stage{name: "topup", credit: "0.05", sell: "0.60", vendors: []string{""}}, playTopUp},
		{stage{name: "audio", credit: "5", vendors: []string{""}}, playAudio},
		{stage{name: "garbage", credit: "5", vendors: []string{""}}, playGarbage},
	}
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	var stages []*stage
	for i := range stories {
		s := &stories[i].stage
		s.buy = buyPrice
		if s.sell == "" {
			s.sell = sellPrice
		}
		stages = append(stages, s)
	}
	n.apply(t, world(n, stages))
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		for i := range stories {
			t.Run(stories[i].name, func(t *testing.T) {
				t.Parallel()
				stories[i].play(t, &stories[i].stage)
			})
		}
	})
	for _, s := range stages {
		if b := n.balance(t, s.account()); b.Holds != 0 || micro(t, b.Reserved.Amount) != 0 || micro(t, b.Posted.Amount) < 0 {
			t.Errorf("%s: %+v", s.account(), b)
		}
	}
	until(t, "no CDR is pending", func() bool { return len(n.cdrs(t, map[string]any{"state": "PENDING"})) == 0 })
	if sums := n.ledgerSums(t); sums["USD"] != "0.000000" {
		t.Errorf("the ledger's sums: %v", sums)
	}
	n.interrupt(t) // though a silent vendor's INVITE has not timed out
	if log := n.stderr.String(); strings.Contains(log, "recorded") || strings.Contains(log, "Unhandled") {
		t.Errorf("the switch complains:\n%s", log)
	}
	verify(t, data)
}

// legs wants one call's CDRs with these codes, by leg, and gives them.
func legs(t *testing.T, all []cdr, codes ...int) []cdr {
	t.Helper()
	slices.SortFunc(all, func(a, b cdr) int { return a.Leg - b.Leg })
	var got []int
	for _, c := range all {
		if c.CallID != all[0].CallID {
			t.Errorf("CDRs of two calls: %s and %s", all[0].CallID, c.CallID)
		}
		got = append(got, c.SipCode)
	}
	if !slices.Equal(got, codes) {
		t.Errorf("the legs end with %v, want %v: %+v", got, codes, all)
	}
	return all
}

// billed wants every leg's price, and both sides' accounts, to be what they are
// by the test's own arithmetic.
func (s *stage) billed(t *testing.T, all []cdr, answeredBy int) {
	t.Helper()
	var charged, cost int64
	for _, c := range all {
		want, got := s.due(t, c), int64(0)
		if c.Leg == 0 {
			charged += want
		} else {
			cost += want
		}
		if c.Price != nil {
			got = micro(t, c.Price.Gross.Amount)
		}
		if got != want {
			t.Errorf("leg %d of %s is priced %d, want %d", c.Leg, c.Talk, got, want)
		}
	}
	if got, want := s.posted(t, s.account()), micro(t, s.credit)-charged; got != want {
		t.Errorf("%s stands at %d, want %d", s.account(), got, want)
	}
	for v := range s.vendors {
		want := int64(0)
		if v == answeredBy {
			want = cost
		}
		if got := s.posted(t, s.vendor(v)); got != want {
			t.Errorf("%s stands at %d, want %d", s.vendor(v), got, want)
		}
	}
}

// A hundred calls of three seconds: two CDRs each, and the sums fit.
func playHundred(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 100, "answer")
	s.calls(t, "call", 100, nil, "-r", "20", "-d", "3000")
	vendor.wait(t)
	all := s.settled(t, s.filter(), 200)
	ingress := 0
	for _, c := range all {
		if c.Leg == 0 {
			ingress++
		}
		if talk := ms(t, c.Talk); !c.Answered || c.SipCode != 200 || c.Cause != "answered" || c.EndedBy != "CALLER" || talk < 2800 || talk > 6000 {
			t.Errorf("%+v", c)
		}
	}
	if ingress != 100 {
		t.Errorf("%d ingress legs, want 100", ingress)
	}
	s.billed(t, all, 0)
}

// A vendor refuses: the next one gets the call, and both attempts have a CDR.
func playHunt(t *testing.T, s *stage, code string) {
	first, second := s.takes(t, 0, 1, "refuse", "@CODE@", code), s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "1000")
	first.wait(t)
	second.wait(t)
	var number int
	fmt.Sscan(code, &number)
	all := legs(t, s.settled(t, s.filter(), 3), 200, number, 200)
	if all[1].TerminatorID != "terminator:"+s.terminator(0) || all[2].TerminatorID != "terminator:"+s.terminator(1) {
		t.Errorf("the attempts were at %s and %s", all[1].TerminatorID, all[2].TerminatorID)
	}
	s.billed(t, all, 1)
}

// All vendors refuse: the caller hears the last one's code and pays nothing.
func playNobody(t *testing.T, s *stage) {
	s.takes(t, 0, 1, "refuse", "@CODE@", "503")
	s.takes(t, 1, 1, "refuse", "@CODE@", "486")
	s.calls(t, "refused", 1, []string{"@CODE@", "486"})
	s.billed(t, legs(t, s.settled(t, s.filter(), 3), 486, 503, 486), -1)
}

// A vendor says nothing at all.
func playSilent(t *testing.T, s *stage) {
	s.hears(t, s.vendorIP(0))
	s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "1000")
	all := s.settled(t, s.filter(), 3)
	s.billed(t, legs(t, all, 200, 408, 200), 1)
	if all[1].Cause != "timeout" || all[2].SetupAt.Sub(all[0].SetupAt) < 900*time.Millisecond {
		t.Errorf("%+v", all)
	}
}

// A vendor rings for ever: it gets a CANCEL, the next one the call.
func playRinging(t *testing.T, s *stage) {
	first := s.takes(t, 0, 1, "ring")
	s.takes(t, 1, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "1000")
	all := legs(t, s.settled(t, s.filter(), 3), 200, 408, 200)
	s.billed(t, all, 1)
	if all[1].Cause != "timeout" {
		t.Errorf("%+v", all[1])
	}
	first.wait(t)
}

// The caller gives up while it rings.
func playCancel(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "ring")
	s.calls(t, "cancel", 1, nil)
	all := legs(t, s.settled(t, s.filter(), 2), 487, 487)
	s.billed(t, all, -1)
	for _, c := range all {
		if c.Cause != "cancelled" || c.EndedBy != "CALLER" {
			t.Errorf("%+v", c)
		}
	}
	vendor.wait(t)
}

// The called side hangs up.
func playHangUp(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "hangup")
	s.calls(t, "hungup", 1, nil)
	vendor.wait(t)
	all := legs(t, s.settled(t, s.filter(), 2), 200, 200)
	s.billed(t, all, 0)
	for _, c := range all {
		if talk := ms(t, c.Talk); c.EndedBy != "CALLEE" || c.Cause != "answered" || talk < 1000 || talk > 3000 {
			t.Errorf("%+v", c)
		}
	}
}
