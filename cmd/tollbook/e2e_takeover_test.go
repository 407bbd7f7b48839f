package main_test

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// surviving is a cluster of three with calls that one node serves.
type surviving struct {
	*stage
	*group
	caller, vendor *talker
	calls          []*talkerCall
}

// newSurviving starts a cluster and places calls through its second node.
func newSurviving(t *testing.T, calls int) *surviving {
	t.Helper()
	s := survivingIn(t, newGroup(t), "")
	s.place(t, calls, last["n2"])
	return s
}

// survivingIn starts a cluster with a customer and a vendor.
func survivingIn(t *testing.T, g *group, vendor string) *surviving {
	t.Helper()
	return survivors(t, g, vendor)[0]
}

// survivors start a cluster with customers, each with a vendor of his own.
func survivors(t *testing.T, g *group, vendors ...string) (all []*surviving) {
	t.Helper()
	var stages []*stage
	for i, vendor := range vendors {
		one := &surviving{group: g, stage: &stage{name: fmt.Sprint("stays", i), sell: sellPrice, buy: buyPrice, vendors: []string{vendor}}}
		all, stages = append(all, one), append(stages, one.stage)
	}
	g.start(t, "n1", "n2", "n3")
	first := g.nodes["n1"]
	first.apply(t, world(first, stages))
	for _, s := range all {
		first.credit(t, s.account(), "20", "opening "+s.name)
		for _, n := range g.nodes {
			until(t, "each node knows the account", func() bool { return n.has(t, s.account()) })
		}
		s.caller, s.vendor = newTalker(t, g.opens, s.customerIP(), g.net.port()), newTalker(t, g.opens, s.vendorIP(0), g.net.port())
	}
	g.agrees(t, 3)
	return all
}

// place places calls to an address, which must all be seen and have talked for a moment.
func (s *surviving) place(t *testing.T, calls, at int) {
	t.Helper()
	before := s.nodes["n1"].talking(t)
	for i := range calls {
		s.calls = append(s.calls, s.caller.dial(t, s.dial(), s.group.net.addr(at), fmt.Sprintf("%s-%d", s.name, i)))
	}
	for _, n := range s.nodes {
		until(t, "the calls are seen from each node", func() bool { return n.talking(t) == before+calls })
	}
	time.Sleep(2 * time.Second)
}

// others are the nodes but one.
func (s *surviving) others(than string) (names []string) {
	for name := range s.nodes {
		if name != than {
			names = append(names, name)
		}
	}
	return names
}

// moved waits until so many of a talker's calls go on elsewhere.
func moved(t *testing.T, p *talker, calls int) {
	t.Helper()
	until(t, "the far ends are told where their calls go on", func() bool {
		n := 0
		p.each(func(c *talkerCall) {
			if c.moved == 1 {
				n++
			}
		})
		return n == calls
	})
}

// talks waits until media comes again in all calls, and gives the longest gap.
func talks(t *testing.T, parties ...*talker) (gap time.Duration) {
	t.Helper()
	for _, p := range parties {
		since := time.Now()
		until(t, "media comes again", func() bool {
			quiet := 0
			p.each(func(c *talkerCall) {
				if !c.last.After(since) {
					quiet++
				}
			})
			return quiet == 0
		})
		p.each(func(c *talkerCall) { gap = max(gap, c.gap) })
	}
	return gap
}

// billed checks that each leg of so many calls has one CDR on each node, with its price,
// that nothing is held and the sums are zero.
func (s *surviving) billed(t *testing.T, nodes []string, calls int, check func(c cdr)) {
	t.Helper()
	for _, name := range nodes {
		n := s.nodes[name]
		all := n.settled(t, s.filter(), 2*calls)
		legs := map[string]int{}
		charged := int64(0)
		for _, c := range all {
			legs[fmt.Sprint(c.CallID, c.Leg)]++
			want, got := s.due(t, c), int64(0)
			if c.Price != nil {
				got = micro(t, c.Price.Gross.Amount)
			}
			if c.Leg == 0 {
				charged += got
			}
			if got != want {
				t.Errorf("%s: charged %d, want %d: %+v", name, got, want, c)
			}
			check(c)
		}
		if len(legs) != 2*calls || len(all) != 2*calls {
			t.Errorf("%s: %d CDRs of %d legs, want %d", name, len(all), len(legs), 2*calls)
		}
		b := n.balance(t, s.account())
		if b.Holds != 0 || micro(t, b.Reserved.Amount) != 0 || micro(t, b.Posted.Amount) != 20_000_000-charged {
			t.Errorf("%s: charged %d, and the account stands at %+v", name, charged, b)
		}
		if sums := n.ledgerSums(t); !maps.Equal(sums, map[string]string{"USD": "0.000000"}) {
			t.Errorf("%s: the ledger's sums: %v", name, sums)
		}
	}
}

// answered wants a leg that was answered and ended as calls do.
func answered(t *testing.T) func(c cdr) {
	return func(c cdr) {
		t.Helper()
		if c.Cause != "answered" {
			t.Errorf("%+v", c)
		}
	}
}

// TestCallsOutliveTheirNode kills the node that serves calls, and keeps the book: the
// others take them over by re-INVITE, the talk goes on, either side can end it, and each
// leg has one CDR.
func TestCallsOutliveTheirNode(t *testing.T) {
	const calls = 8 // not in parallel: elections are quick, and this machine may not be slow
	s := survivingIn(t, newGroup(t), "")
	dead := s.keeper(t)
	s.place(t, calls, last[dead])
	s.nodes[dead].kill(t)
	moved(t, s.vendor, calls)
	moved(t, s.caller, calls)
	gap := talks(t, s.caller, s.vendor)
	time.Sleep(2 * time.Second)
	now := time.Now()
	s.end(t)
	survived := 0
	s.billed(t, s.others(dead), calls, func(c cdr) {
		if c.Cause == "answered" && c.EndedAt.After(now.Add(-time.Second)) {
			survived++
		}
	})
	t.Logf(`{"established_calls": {"survived": %d, "total": %d}, "media_gap_ms": %d}`, survived/4, calls, gap.Milliseconds())
	s.start(t, dead)
	s.agrees(t, 3)
	s.billed(t, []string{dead}, calls, answered(t))
}

// TestClusterTwice kills the node that serves calls, and, once that is back, one of those
// that have taken them over: they go on for a second time.
func TestClusterTwice(t *testing.T) {
	needCluster(t)
	const calls = 8
	s := newSurviving(t, calls)
	s.nodes["n2"].kill(t)
	moved(t, s.vendor, calls)
	moved(t, s.caller, calls)
	talks(t, s.caller, s.vendor)
	s.start(t, "n2")
	s.agrees(t, 3)
	second := "n1"
	if s.nodes["n3"].serves(t) > s.nodes["n1"].serves(t) {
		second = "n3"
	}
	again := s.nodes[second].serves(t)
	s.nodes[second].kill(t)
	for _, p := range []*talker{s.caller, s.vendor} {
		until(t, "the far ends are told a second time", func() bool {
			n := 0
			p.each(func(c *talkerCall) { n += c.moved - 1 })
			return n == again
		})
	}
	talks(t, s.caller, s.vendor)
	s.end(t)
	s.billed(t, s.others(second), calls, answered(t))
	s.start(t, second)
	s.agrees(t, 3)
	s.billed(t, []string{second}, calls, answered(t))
}

// TestClusterRefusedTakeOver has the caller refuse to go on with another node: the vendor gets
// a BYE, and the call is charged to its node's last sign of life. A call that nobody has
// answered is closed, too.
func TestClusterRefusedTakeOver(t *testing.T) {
	needCluster(t)
	s := newSurviving(t, 2) // not in parallel: elections are quick, and this machine may not be slow
	s.caller.refuse.Store(true)
	s.vendor.rings.Store(true)
	s.caller.begin(t, s.dial(), s.group.net.addr(last["n2"]), "unanswered")
	until(t, "the third call is seen from another node", func() bool { return len(s.nodes["n3"].liveCalls(t)) == 3 })
	time.Sleep(time.Second)
	s.nodes["n2"].kill(t)
	killed := time.Now()
	until(t, "both sides are told of the end", func() bool { return s.vendor.ended.Load() == 2 && s.caller.ended.Load() == 2 })
	check := func(c cdr) {
		switch {
		case c.SipCallID == "unanswered" || !c.Answered:
			if c.Answered || c.Cause != "node_lost" {
				t.Errorf("%+v", c)
			}
		case c.Cause != "not_taken_over" || c.EndedBy != "LOST":
			t.Errorf("%+v", c)
		case c.EndedAt.After(killed.Add(time.Second)) || c.EndedAt.Before(killed.Add(-4*time.Second)):
			t.Errorf("killed at %v: %+v", killed, c)
		}
	}
	s.billed(t, []string{"n1", "n3"}, 3, check)
	s.start(t, "n2")
	s.agrees(t, 3)
	s.billed(t, []string{"n2"}, 3, check)
}

// TestStoppedNode has a node stand still until its calls go on elsewhere, and go on
// then: it lets go of them without a word, and the books are as if it had died.
func TestStoppedNode(t *testing.T) {
	const calls = 4 // not in parallel: elections are quick, and this machine may not be slow
	s := newSurviving(t, calls)
	goOn := s.nodes["n2"].stop(t)
	moved(t, s.vendor, calls)
	moved(t, s.caller, calls)
	goOn()
	talks(t, s.caller, s.vendor)
	until(t, "the stopped node knows who has its calls", func() bool { return s.nodes["n2"].serves(t) == 0 })
	s.agrees(t, 3)
	time.Sleep(time.Second)
	if s.caller.ended.Load()+s.vendor.ended.Load() > 0 {
		t.Error("the node that came back has ended calls that are not its own")
	}
	taken := 0
	for _, n := range s.nodes {
		taken += n.took(t).CallsTakenOver
	}
	if let := s.nodes["n2"].took(t).CallsLetGo; let != calls || taken != calls {
		t.Errorf("%d calls were let go, %d taken over", let, taken)
	}
	talks(t, s.caller, s.vendor)
	for _, c := range s.calls {
		s.caller.hangUp(t, c)
	}
	until(t, "the vendor is told of the ends", func() bool { return s.vendor.ended.Load() == calls })
	s.billed(t, []string{"n1", "n2", "n3"}, calls, func(c cdr) {
		if c.Cause != "answered" || c.EndedBy != "CALLER" {
			t.Errorf("%+v", c)
		}
	})
	for _, name := range []string{"n1", "n2", "n3"} {
		s.nodes[name].interrupt(t)
		verify(t, s.nodes[name].data)
	}
}

// serves counts the calls that a node itself has in progress.
func (a *api) serves(t *testing.T) int {
	t.Helper()
	return a.took(t).Calls
}

// TestCallsMoveWithTheirAddress kills the holder of a shared address that calls are on:
// the next holder has their dialogs and their ports, and the far ends notice nothing but
// a moment of silence; but for a vendor that was called from the holder's own address,
// which gets a re-INVITE.
func TestCallsMoveWithTheirAddress(t *testing.T) {
	gap := moveWithTheirAddress(t, newSharing(t, ""), 4) // not in parallel: elections are quick, and this machine may not be slow
	t.Logf("media was silent for %v", gap)
}

// moveWithTheirAddress does so in a group, with twice so many calls.
func moveWithTheirAddress(t *testing.T, g *group, calls int) (gap time.Duration) {
	t.Helper()
	all := survivors(t, g, ", listener: shared", "")
	holder := g.sharedHolder(t)
	for _, s := range all {
		s.place(t, calls, sharedHost)
	}
	g.nodes[holder].kill(t)
	next := g.sharedHolder(t)
	until(t, "the next holder has the calls", func() bool { return g.nodes[next].serves(t) == 2*calls })
	moved(t, all[1].vendor, calls)
	for _, s := range all {
		gap = max(gap, talks(t, s.caller, s.vendor))
	}
	for _, p := range []*talker{all[0].caller, all[0].vendor, all[1].caller} {
		p.each(func(c *talkerCall) {
			if c.moved > 0 {
				t.Errorf("%s was told of another address", p.ip)
			}
		})
	}
	for _, s := range all {
		s.end(t)
		s.billed(t, s.others(holder), calls, answered(t))
	}
	return gap
}

// end has either side end half of the calls, and the other side hear of it.
func (s *surviving) end(t *testing.T) {
	t.Helper()
	half := len(s.calls) / 2
	for _, c := range s.calls[:half] {
		s.caller.hangUp(t, c)
	}
	until(t, "the vendor is told of the ends", func() bool { return int(s.vendor.ended.Load()) == half })
	s.vendor.hangUpAll(t)
	until(t, "the caller is told of the ends", func() bool { return int(s.caller.ended.Load()) == len(s.calls)-half })
}

// TestCallsOutliveARestart kills a node and starts it at once: it goes on with its calls
// where they were, and the far ends notice nothing but a moment of silence.
func TestCallsOutliveARestart(t *testing.T) {
	const calls = 6 // not in parallel: elections are quick, and this machine may not be slow
	s := survivingIn(t, newGroup(t, "  take_over: 40s\n"), "")
	s.place(t, calls, last["n2"])
	s.nodes["n2"].kill(t)
	s.start(t, "n2")
	gap := talks(t, s.caller, s.vendor)
	for _, p := range []*talker{s.caller, s.vendor} {
		p.each(func(c *talkerCall) {
			if c.moved > 0 || c.over {
				t.Errorf("%s was told something", p.ip)
			}
		})
	}
	s.end(t)
	s.billed(t, []string{"n1", "n2", "n3"}, calls, answered(t))
	t.Logf("media was silent for %v", gap.Round(time.Millisecond))
}

// took is what a node has done with calls of others, and they with its.
type took struct{ Calls, CallsTakenOver, CallsNotTakenOver, CallsLetGo int }

func (a *api) took(t *testing.T) took {
	t.Helper()
	var answer struct{ ThisNode took }
	a.ask(t, &answer, `{ thisNode { calls callsTakenOver callsNotTakenOver callsLetGo } }`, nil)
	return answer.ThisNode
}
