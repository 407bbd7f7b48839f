package main_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminSecret)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
