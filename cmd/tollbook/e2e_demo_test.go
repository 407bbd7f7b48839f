package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// summary is what a demo prints at its end.
type summary struct {
	Attempts, Answered, Failed, CDRs, Legs, Pending int64
	LedgerEntries                                   int64 `json:"ledger_entries"`
	Charged, Cost, Margin                           map[string]string
	LedgerSum                                       map[string]string `json:"ledger_sum"`
	Overspent                                       *int              `json:"overspent_accounts"`
	Verify                                          string
}

// sound checks what must be true of every run.
func sound(t *testing.T, stdout string) summary {
	t.Helper()
	var s summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	if s.CDRs != s.Legs || s.Pending != 0 || s.Overspent == nil || *s.Overspent != 0 || s.Verify != "ok" || s.Attempts != s.Answered+s.Failed {
		t.Errorf("%s", stdout)
	}
	for _, currency := range []string{"USD", "EUR"} {
		if s.LedgerSum[currency] != "0.000000" {
			t.Errorf("the ledger's sum in %s is %q", currency, s.LedgerSum[currency])
		}
		if charged, cost := micro(t, s.Charged[currency]), micro(t, s.Cost[currency]); charged-cost != micro(t, s.Margin[currency]) || charged <= 0 || cost <= 0 {
			t.Errorf("%s: charged %s, cost %s, margin %s", currency, s.Charged[currency], s.Cost[currency], s.Margin[currency])
		}
	}
	return s
}

// The demo makes calls by itself, goes on where it stopped, and its prepaid
// caller runs out of money in the middle of a call.
func TestDemo(t *testing.T) {
	t.Parallel()
	data, net := t.TempDir(), newNetwork()
	first := demo(t, net, data, "--duration", "8s", "-o", "json")
	if code := first.wait(t); code != 0 {
		t.Fatalf("the demo ends with code %d", code)
	}
	before := sound(t, first.stdout.String())
	if before.Attempts < 10 || before.Answered == 0 || before.LedgerEntries == 0 {
		t.Errorf("%+v", before)
	}
	second := demo(t, net, data, "-o", "json")
	card := map[string]any{"account": "account:callcard-usd"}
	until(t, "the prepaid account has run out", func() bool {
		for _, c := range second.cdrs(t, card) {
			if c.State == "FINAL" && c.Cause == "paid_time_over" && c.EndedBy == "SWITCH" && ms(t, c.Talk) > 1000 {
				return true
			}
		}
		return false
	})
	second.interrupt(t)
	after := sound(t, second.stdout.String())
	if after.Attempts <= before.Attempts || after.Answered < before.Answered || after.CDRs <= before.CDRs ||
		after.LedgerEntries <= before.LedgerEntries || micro(t, after.Charged["USD"]) < micro(t, before.Charged["USD"]) {
		t.Errorf("the second start does not go on:\nbefore %+v\nafter  %+v", before, after)
	}
	third := demo(t, net, data, "--no-traffic", "-o", "json")
	if left := third.posted(t, "callcard-usd"); left < 0 {
		t.Errorf("%d stands on the prepaid account", left)
	}
	if got := int64(len(third.cdrs(t, nil))); got != after.CDRs {
		t.Errorf("%d CDRs, the demo before counted %d", got, after.CDRs)
	}
	third.interrupt(t)
	if quiet := sound(t, third.stdout.String()); quiet.CDRs != after.CDRs || quiet.LedgerEntries != after.LedgerEntries {
		t.Errorf("without traffic:\nbefore %+v\nafter  %+v", after, quiet)
	}
}

// Ctrl-C while it starts, or twice, ends it all the same.
func TestDemoInterruptedEarly(t *testing.T) {
	t.Parallel()
	net := newNetwork()
	p := demo(t, net, t.TempDir()).process
	time.Sleep(300 * time.Millisecond)
	p.interrupt(t)
}

// TestClusterDemoKilled kills the demo of three nodes without a word: its nodes end, too.
func TestClusterDemoKilled(t *testing.T) {
	needCluster(t)
	port := newNetwork().port() + 100
	p := start(t, exec.Command(binary, "demo", "--nodes", "3", "--duration", "60s", "--data", t.TempDir(),
		"--http", fmt.Sprintf("127.0.0.1:%d", port), "--sip", fmt.Sprintf("127.0.0.1:%d", port+10)))
	until(t, "the demo is ready", func() bool { return strings.Contains(p.stderr.String(), "Try:") })
	var nodes []string
	for _, m := range regexp.MustCompile(`http://(127[0-9.]*:[0-9]+)`).FindAllStringSubmatch(p.stderr.String(), -1) {
		nodes = append(nodes, m[1])
	}
	listens := func(at string) bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	if len(nodes) == 0 || !listens(nodes[0]) {
		t.Fatalf("no node listens: %v", nodes)
	}
	p.kill(t)
	for _, at := range nodes {
		until(t, "nobody listens at "+at, func() bool { return !listens(at) })
	}
}

// TestDemoOfThree runs the demo on three nodes, has one killed and started again, and
// looks at the books of all when it ends.
func TestDemoOfThree(t *testing.T) {
	// not in parallel: elections are quick, and this machine may not be slow
	net := newNetwork()
	read, write := io.Pipe()
	port := net.port() + 100
	cmd := exec.Command(binary, "demo", "--nodes", "3", "--duration", "16s", "-o", "json", "--data", t.TempDir(),
		"--http", fmt.Sprintf("127.0.0.1:%d", port), "--sip", fmt.Sprintf("127.0.0.1:%d", port+10))
	cmd.Stdin = read
	t.Cleanup(func() { write.Close() })
	p := start(t, cmd)
	say := func(line, until_ string) {
		t.Helper()
		if _, err := fmt.Fprintln(write, line); err != nil {
			t.Fatal(err)
		}
		until(t, line, func() bool { return strings.Contains(p.stderr.String(), until_) })
	}
	until(t, "the demo is ready", func() bool { return strings.Contains(p.stderr.String(), "Try:") })
	say("kill n9", "say kill or start, and one of n1, n2, n3")
	time.Sleep(4 * time.Second) // for calls
	say("kill n1", "n1 has ended")
	say("start n1", "n1 has ended")
	write.Close()
	if code := p.wait(t); code != 0 {
		t.Fatalf("code %d", code)
	}
	var told struct {
		Nodes map[string]struct {
			Verify  string
			State   string
			Legs    int64
			Charges int
		}
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), &told); err != nil {
		t.Fatal(err)
	}
	n2, n3 := told.Nodes["n2"], told.Nodes["n3"]
	if len(told.Nodes) != 3 || n2.Verify != "ok" || n3.Verify != "ok" || told.Nodes["n1"].Verify != "ok" || n2.Legs == 0 || n2.State != n3.State {
		t.Errorf("%+v", told)
	}
}
