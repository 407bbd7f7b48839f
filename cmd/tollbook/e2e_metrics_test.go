package main_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestMetrics reads a node's figures as Prometheus would: with a token, and not
// without.
func TestMetrics(t *testing.T) {
	t.Parallel()
	n := serve(t, newNetwork(), t.TempDir())
	get := func(token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(text)
	}
	if code, _ := get(""); code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", code)
	}
	code, text := get(adminSecret)
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	for _, want := range []string{
		"# TYPE tollbook_calls gauge", "tollbook_calls 0", "# TYPE tollbook_calls_total counter", "tollbook_overload_refused_calls_total 0",
		"tollbook_sip_bad_descriptions_total 0", "tollbook_media_kernel_packets_total 0", `tollbook_media_dropped_packets_total{reason="source"} 0`, "tollbook_history_lag_seconds", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}
