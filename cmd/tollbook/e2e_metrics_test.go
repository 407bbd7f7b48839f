package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
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
		"tollbook_sip_bad_descriptions_total 0", "tollbook_media_kernel_packets_total 0", `tollbook_media_dropped_packets_total{reason="source"} 0`, "tollbook_history_lag_seconds", "tollbook_api_streams 0", "tollbook_api_websockets 0", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	for name := range monitored(t) {
		if !strings.Contains(text, "# TYPE "+name+" ") {
			t.Errorf("deploy names %s, which a node does not serve", name)
		}
	}
}

// monitored are the figures that the alerts and the dashboard in deploy name.
func monitored(t *testing.T) map[string]bool {
	t.Helper()
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(read("../../deploy/prometheus/tollbook.rules.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	manual := string(read("../../docs/operations.md"))
	var exprs []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			exprs = append(exprs, r.Expr)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || !strings.Contains(manual, "`"+r.Alert+"`") {
				t.Errorf("alert %s lacks a severity, a summary or its line in docs/operations.md", r.Alert)
			}
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("../../deploy/grafana/tollbook.json"), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			exprs = append(exprs, q.Expr)
		}
	}
	names := map[string]bool{}
	for _, e := range exprs {
		for _, name := range regexp.MustCompile(`tollbook_\w+`).FindAllString(e, -1) {
			names[name] = true
		}
	}
	if len(names) < 10 {
		t.Errorf("only %d figures are looked at: %v", len(names), names)
	}
	return names
}
