package main_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/projections/sinktest"
)

// TestClickHouseAway: a node whose ClickHouse server is not there starts, serves and says
// so, and a file that names none properly is refused by its key.
func TestClickHouseAway(t *testing.T) {
	t.Parallel()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	addresses := newNetwork()
	n := serveOn(t, addresses, t.TempDir(), "sip: "+addresses.addr(1)+"\nclickhouse: {addresses: [\""+gone.Addr().String()+"\"]}\n")
	until(t, "the metrics do not tell of the failure", func() bool {
		text := scraped(t, n)
		return strings.Contains(text, "tollbook_clickhouse_failures_total") && !strings.Contains(text, "tollbook_clickhouse_failures_total 0")
	})
	config := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(config, []byte("clickhouse: {addresses: [somewhere]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "clickhouse.addresses[0]", "serve", "--config", config)
}

// scraped reads a node's metrics.
func scraped(t *testing.T, n *node) string {
	t.Helper()
	return string(n.download(t, "/metrics", ""))
}

// reported asks for the calls of the last days, and who summed them.
func (n *node) reported(t *testing.T) (attempts int, store string) {
	t.Helper()
	var out struct {
		Report struct {
			Store string
			Rows  []struct{ Attempts int }
		}
	}
	n.ask(t, &out, `query($from: DateTime!) { report(filter: {from: $from}) { store rows { attempts } } }`,
		map[string]any{"from": time.Now().Add(-48 * time.Hour).UTC().Format(time.RFC3339)})
	for _, row := range out.Report.Rows {
		attempts += row.Attempts
	}
	return attempts, out.Report.Store
}

// TestStoresClickHouse: a node fills a server, reports come from there, calls go on while it
// is dead, and afterwards it has them, too.
func TestStoresClickHouse(t *testing.T) {
	needSipp(t)
	server := sinktest.StartClickHouse(t)
	net := newNetwork()
	n := serveOn(t, net, t.TempDir(), fmt.Sprintf("sip: %s\nclickhouse: {addresses: [%q], protocol: %s, database: node_%d, report_days: 2}\n",
		net.addr(1), server.Address, server.Protocol(), time.Now().UnixNano()))
	s := &stage{name: "copied", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), s.credit, "opening")
	calls := func(count int) {
		vendor := s.takes(t, 0, count, "answer")
		s.calls(t, "call", count, nil, "-d", "300")
		vendor.wait(t)
	}
	answers := func(want int, by string) {
		t.Helper()
		until(t, fmt.Sprintf("%d calls are reported by %s", want, by), func() bool {
			attempts, store := n.reported(t)
			return attempts == want && store == by
		})
	}
	calls(3)
	n.settled(t, nil, 6)
	answers(3, "CLICKHOUSE")
	if !server.Own() {
		return
	}
	server.Kill()
	calls(2)
	n.settled(t, nil, 10)
	answers(5, "EMBEDDED")
	server.Start()
	answers(5, "CLICKHOUSE")
}

// position is how far the node has read the book.
func (n *node) position(t *testing.T) int {
	t.Helper()
	for _, line := range strings.Split(scraped(t, n), "\n") {
		if text, is := strings.CutPrefix(line, "tollbook_book_position "); is {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(value)
		}
	}
	t.Fatal("the metrics have no position")
	return 0
}

// TestStoresEventStore: a node copies its book to a server, which is away for a while, and a
// stream that was changed is told of and left alone.
func TestStoresEventStore(t *testing.T) {
	server := sinktest.StartEventStore(t)
	net, data := newNetwork(), t.TempDir()
	listeners := "sip: " + net.addr(1) + "\neventstore: {url: \"" + server.URL + "\", stream: books}\n"
	n := serveOn(t, net, data, listeners)
	s := &stage{name: "mirror", credit: "5", sell: sellPrice, buy: buyPrice}
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), s.credit, "opening")
	copied := func() bool { return server.Count("books") > 3 && server.Count("books") == n.position(t) }
	until(t, "the book is copied", copied)
	server.Stop()
	n.credit(t, s.account(), "7", "while it was away")
	until(t, "the failure is counted", func() bool {
		text := scraped(t, n)
		return strings.Contains(text, "tollbook_eventstore_failures_total") && !strings.Contains(text, "tollbook_eventstore_failures_total 0")
	})
	server.Start()
	until(t, "the rest is copied", copied)

	n.kill(t)
	last := server.Count("books") - 1
	server.Change("books", last, func(b []byte) []byte { return []byte(strings.Replace(string(b), "7000000", "8000000", 1)) })
	n = serveOn(t, net, data, listeners)
	n.credit(t, s.account(), "9", "behind a change")
	until(t, "the change is told of", func() bool { return strings.Contains(scraped(t, n), "tollbook_eventstore_differs 1") })
	if server.Count("books") != last+1 {
		t.Error("something was appended behind it")
	}
}
