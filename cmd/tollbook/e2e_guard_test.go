package main_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestGuard shows the rules against fraud from outside: a repeated number, spend,
// dear calls that are denied until they are allowed, a new destination; blocks that
// outlive a restart, and a lift.
func TestGuard(t *testing.T) {
	needSipp(t)
	t.Parallel()
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	again := &stage{name: "again", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	fresh := &stage{name: "fresh", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	dear := &stage{name: "dear", credit: "5", sell: "2.5", buy: buyPrice, vendors: []string{""}}
	spend := &stage{name: "spend", credit: "5", sell: "0.6", buy: buyPrice, vendors: []string{""}}
	stages := []*stage{again, fresh, dear, spend}
	n.apply(t, world(n, stages))
	n.apply(t, `
guard_rules:
  - {id: repeated, measure: calls-to-number, calls: 2, window: 1h, action: block, accounts: [again-usd]}
  - {id: first, measure: new-destination, window: 90d, action: alert, accounts: [fresh-usd]}
  - {id: high-cost, measure: every-call, price_from: "1", currency: USD, window: 1h, action: block}
  - {id: velocity, measure: spend-on-destination, window: 24h, amount: "1", currency: USD, action: block, block: 1h, accounts: [spend-usd]}
`)
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		for _, story := range []struct {
			name string
			play func(*testing.T, *stage)
			on   *stage
		}{{"repeated number", playRepeated, again}, {"new destination", playFirst, fresh}, {"high cost", playDear, dear}, {"velocity", playVelocity, spend}} {
			t.Run(story.name, func(t *testing.T) {
				t.Parallel()
				story.play(t, story.on)
			})
		}
	})
	n.interrupt(t)
	again.node = serve(t, n.net, data)
	playLift(t, again)
	again.interrupt(t)
	verify(t, data)
}

// tried is a number of calls that the vendor gets, and refuses.
func (s *stage) tried(t *testing.T, n int) {
	t.Helper()
	vendor := s.takes(t, 0, n, "refuse", "@CODE@", "486")
	s.calls(t, "refused", n, []string{"@CODE@", "486"})
	vendor.wait(t)
}

// blocked is a call that does not get as far.
func (s *stage) blocked(t *testing.T) {
	t.Helper()
	s.calls(t, "refused", 1, []string{"@CODE@", "403"})
}

// refusedBy counts the calls that a rule blocked.
func refusedBy(all []cdr, rule string) (n int) {
	for _, c := range all {
		if c.Cause == "guarded:"+rule && c.SipCode == 403 && c.Leg == 0 {
			n++
		}
	}
	return n
}

// trips are the tripped rules of the stage's account.
func (s *stage) trips(t *testing.T) (out []string, id string) {
	t.Helper()
	var answer struct {
		GuardTrips struct {
			Nodes []struct {
				ID, RuleID, Subject string
				Account             struct{ Key string }
				Blocks, Lifted      bool
				Count               int
			}
		}
	}
	s.ask(t, &answer, `{ guardTrips(first: 50) { nodes { id ruleId subject account { key } blocks lifted count } } }`, nil)
	for _, g := range answer.GuardTrips.Nodes {
		if g.Account.Key == s.account() {
			id = g.ID
			out = append(out, fmt.Sprintf("%s %s %d blocks %v lifted %v", g.RuleID, g.Subject, g.Count, g.Blocks, g.Lifted))
		}
	}
	return out, id
}

func (s *stage) wantTrips(t *testing.T, want ...string) (id string) {
	t.Helper()
	got, id := s.trips(t)
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s tripped %q, want %q", s.name, got, want)
	}
	return id
}

// Two calls to a number pass, the third is refused before a vendor hears of it; its
// CDR names the rule, and the simulator says it beforehand.
func playRepeated(t *testing.T, s *stage) {
	s.tried(t, 2)
	s.settled(t, s.filter(), 4)
	s.blocked(t)
	s.blocked(t)
	all := s.settled(t, s.filter(), 6)
	if n := refusedBy(all, "repeated"); n != 2 {
		t.Errorf("%d calls were refused: %+v", n, all)
	}
	s.billed(t, all, -1)
	s.wantTrips(t, "guard-rule:repeated "+s.dial()+" 3 blocks true lifted false")
	if code, stdout, stderr := tollbook(t, "simulate", "--url", s.url, "--token", adminSecret, "-originator", s.name, "-called", s.dial()); code != 0 ||
		!strings.Contains(stdout, "blocked by guard rule repeated") {
		t.Errorf("simulate: %d\n%s%s", code, stdout, stderr)
	}
	// Another number of the same destination is free.
	vendor := s.takes(t, 0, 1, "refuse", "@CODE@", "486")
	sipp(t, "refused", s.customerIP(), s.net.port(), []string{"@CODE@", "486"}, s.net.addr(1), "-s", s.dial()+"9", "-m", "1").wait(t)
	vendor.wait(t)
}

// The first call to a destination is told, once, and passes.
func playFirst(t *testing.T, s *stage) {
	s.tried(t, 2)
	s.settled(t, s.filter(), 4)
	s.wantTrips(t, "guard-rule:first UK 0 blocks false lifted false")
	var answer struct {
		Audit struct {
			Nodes []struct{ Actor, Note string }
		}
	}
	s.ask(t, &answer, `{ audit(first: 50, kind: GUARD_TRIPPED) { nodes { actor note } } }`, nil)
	told := 0
	for _, a := range answer.Audit.Nodes {
		if a.Actor == "account:"+s.account() && strings.HasPrefix(a.Note, "guard rule first: the first call to UK") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %+v", told, answer.Audit.Nodes)
	}
}

// Dear calls are denied until an edit allows the account, while the node runs.
func playDear(t *testing.T, s *stage) {
	s.blocked(t)
	if all := s.settled(t, s.filter(), 1); refusedBy(all, "high-cost") != 1 {
		t.Errorf("%+v", all)
	}
	s.apply(t, `guard_rules: [{id: high-cost, measure: every-call, price_from: "1", currency: USD, window: 1h, action: block, except_accounts: [dear-usd]}]`)
	s.tried(t, 1)
	s.settled(t, s.filter(), 3)
}

// What calls in progress hold counts as spent: with two of them up there is no third.
func playVelocity(t *testing.T, s *stage) {
	s.takes(t, 0, 2, "answer")
	p := sipp(t, "call", s.customerIP(), s.net.port(), nil, s.net.addr(1), "-s", s.dial(), "-m", "2", "-d", "4000")
	until(t, "both talk", func() bool {
		all := s.cdrs(t, s.filter())
		return len(all) == 4 && all[0].Answered && all[2].Answered
	})
	sipp(t, "refused", s.customerIP(), s.net.port()+1, []string{"@CODE@", "403"}, s.net.addr(1), "-s", s.dial(), "-m", "1").wait(t)
	p.wait(t)
	all := s.settled(t, s.filter(), 5)
	if n := refusedBy(all, "velocity"); n != 1 {
		t.Errorf("%d calls were refused: %+v", n, all)
	}
	s.wantTrips(t, "guard-rule:velocity UK 0 blocks true lifted false")
}

// After a restart the number is blocked as before, until somebody lets it pass.
func playLift(t *testing.T, s *stage) {
	id := s.wantTrips(t, "guard-rule:repeated "+s.dial()+" 3 blocks true lifted false")
	s.blocked(t)
	var answer struct {
		GuardLift struct {
			Trip       *struct{ Lifted, Blocks bool }
			UserErrors []struct{ Message string }
		}
	}
	s.ask(t, &answer, `mutation ($i: GuardLiftInput!) { guardLift(input: $i) { trip { lifted blocks } userErrors { message } } }`,
		map[string]any{"i": map[string]any{"trip": id, "until": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "note": "the school's hotline"}})
	if answer.GuardLift.Trip == nil || !answer.GuardLift.Trip.Lifted || answer.GuardLift.Trip.Blocks {
		t.Fatalf("%+v", answer)
	}
	s.tried(t, 1)
	var audit struct {
		Audit struct{ Nodes []struct{ Note string } }
	}
	until(t, "the audit tells of the lift", func() bool {
		s.ask(t, &audit, `{ audit(first: 5, kind: GUARD_LIFTED) { nodes { note } } }`, nil)
		return len(audit.Audit.Nodes) == 1
	})
	if note := audit.Audit.Nodes[0].Note; !strings.HasSuffix(note, ": the school's hotline") {
		t.Error(note)
	}
}
