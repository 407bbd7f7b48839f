package main_test

import (
	"fmt"
	"maps"
	"os/exec"
	"reflect"
	"testing"
	"time"
)

// copied is a copy of a directory, as a backup would take it.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir() + "/copy"
	if out, err := exec.Command("cp", "-a", dir, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return to
}

// crashing is a busy switch, and what it has acknowledged.
type crashing struct {
	stage
	sums    []string          // credited
	entries map[string]string // by position
}

// TestCrash kills a busy switch twice and looks what the books say afterwards.
func TestCrash(t *testing.T) {
	needSipp(t)
	t.Parallel()
	data, net := t.TempDir(), newNetwork()
	c := &crashing{
		stage:   stage{name: "crash", sell: sellPrice, buy: buyPrice, vendors: []string{""}},
		entries: map[string]string{},
	}
	n := serve(t, net, data)
	n.apply(t, world(n, []*stage{&c.stage}))
	c.pay(t, "opening", "100")
	for round := 1; round <= 2; round++ {
		before, killed := c.crash(t, round)
		if round == 2 {
			verify(t, copied(t, data)) // as the crash left it
		}
		n = serve(t, net, data)
		c.node = n
		until(t, "no CDR is pending", func() bool { return len(n.cdrs(t, map[string]any{"state": "PENDING"})) == 0 })
		for position, entries := range c.entries {
			if got := n.entries(t, position); got != entries {
				t.Errorf("position %s was %s and is %s", position, entries, got)
			}
		}
		c.recovered(t, before, killed)
	}
	n.interrupt(t)
	verify(t, data)
}

// pay credits the customer and keeps what the switch says of it.
func (c *crashing) pay(t *testing.T, key, sum string) {
	t.Helper()
	position := c.node.credit(t, c.account(), sum, key)
	c.sums = append(c.sums, sum)
	c.entries[position] = c.node.entries(t, position)
}

// crash makes fifty calls of five seconds a second, pays now and then, and kills
// the switch in the midst of it. It tells which CDRs were final before, and when
// the switch was dead.
func (c *crashing) crash(t *testing.T, round int) (before map[string]cdr, killed time.Time) {
	t.Helper()
	vendor := sipp(t, "answer", c.vendorIP(0), c.net.port(), []string{"@RING@", "50"})
	until(t, "the vendor listens", func() bool { return listens(c.vendorIP(0), c.net.port()) })
	caller := c.starts(t, "call", 100_000, nil, "-r", "50", "-d", "5000")
	for i := range 6 {
		time.Sleep(time.Second)
		c.pay(t, fmt.Sprintf("%d.%d", round, i), "0.5")
	}
	known := len(c.cdrs(t, map[string]any{"state": "FINAL"}))
	until(t, "calls are over", func() bool {
		before = finals(t, c.node)
		return len(before) > known+60
	})
	c.pay(t, fmt.Sprintf("last %d", round), "0.5")
	c.kill(t)
	killed = time.Now()
	for _, p := range []*phone{caller, vendor} {
		p.end(t)
	}
	return before, killed
}

// finals are the CDRs that can no more change.
func finals(t *testing.T, n *node) map[string]cdr {
	t.Helper()
	all := map[string]cdr{}
	for _, c := range n.cdrs(t, map[string]any{"state": "FINAL"}) {
		all[fmt.Sprint(c.CallID, c.Leg)] = c
	}
	return all
}

// recovered checks the books after a start that followed a crash.
func (c *crashing) recovered(t *testing.T, before map[string]cdr, killed time.Time) {
	t.Helper()
	after := finals(t, c.node)
	for key, old := range before {
		if !reflect.DeepEqual(after[key], old) {
			t.Errorf("was %+v\nis  %+v", old, after[key])
		}
	}
	lost := 0
	sums := map[bool]int64{} // by whether the leg is the customer's
	for key, row := range after {
		want, got := c.due(t, row), int64(0)
		if row.Price != nil {
			got = micro(t, row.Price.Gross.Amount)
		}
		if got != want {
			t.Errorf("priced %d, want %d: %+v", got, want, row)
		}
		sums[row.Leg == 0] += got
		if _, old := before[key]; !old && row.EndedBy == "LOST" {
			lost++
			checkLost(t, row, killed)
		}
	}
	if lost < 200 {
		t.Errorf("%d legs were lost, want the two of 250 calls or so", lost)
	}
	b := c.balance(t, c.account())
	if b.Holds != 0 || micro(t, b.Reserved.Amount) != 0 {
		t.Errorf("%+v", b)
	}
	credited := int64(0)
	for _, sum := range c.sums {
		credited += micro(t, sum)
	}
	if got, want := micro(t, b.Posted.Amount), credited-sums[true]; got != want {
		t.Errorf("%s stands at %d, want %d", c.account(), got, want)
	}
	if got := c.posted(t, c.vendor(0)); got != sums[false] {
		t.Errorf("%s stands at %d, want %d", c.vendor(0), got, sums[false])
	}
	if sums := c.ledgerSums(t); !maps.Equal(sums, map[string]string{"USD": "0.000000"}) {
		t.Errorf("the ledger's sums: %v", sums)
	}
	t.Logf("%d CDRs final before the crash, %d after it, %d of them lost", len(before), len(after), lost)
}

// due is what a leg must cost.
func (s *stage) due(t *testing.T, c cdr) int64 {
	t.Helper()
	switch {
	case !c.Answered:
		return 0
	case c.Leg == 0:
		return price(t, s.sell, 1, 1, ms(t, c.Talk))
	default:
		return price(t, s.buy, 6, 6, ms(t, c.Talk))
	}
}

// checkLost checks a leg that was up when the switch died: it ends at the last proof
// of life, which comes every second.
func checkLost(t *testing.T, c cdr, killed time.Time) {
	t.Helper()
	if c.Cause != "node_lost" || c.EndedAt == nil {
		t.Errorf("%+v", c)
		return
	}
	if !c.Answered {
		return
	}
	talk := time.Duration(ms(t, c.Talk)) * time.Millisecond
	up := killed.Sub(*c.AnsweredAt)
	if talk < 0 || talk > up+time.Second || talk == 0 && up > 2500*time.Millisecond || up-talk > 4*time.Second {
		t.Errorf("a call that had been up for %v is charged for %v", up, talk)
	}
}
