package main_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool runs the program to its end.
func tool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "TOLLBOOK_ADMIN_TOKEN="+adminSecret)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// closePeriods closes a period of a day that is over, twice, and lists it; a day
// that is to come cannot be closed.
func closePeriods(t *testing.T, n *node, account string) {
	t.Helper()
	command := func(verb string, args ...string) (string, error) {
		return tool(t.Context(), append([]string{"period", verb, "-url", n.url, "-account", account}, args...)...)
	}
	if out, err := command("close", "-to", "2026-01-01", "-dry-run"); err != nil || !strings.Contains(out, "can be closed") {
		t.Error(err, out)
	}
	for _, want := range []string{"is closed up to 2026-01-01T00:00:00Z: 12.340000 brought forward", "closed before"} {
		if out, err := command("close", "-to", "2026-01-01"); err != nil || !strings.Contains(out, want) {
			t.Error(err, out)
		}
	}
	if out, err := command("close", "-to", "2056-01-01"); err == nil || !strings.Contains(out, "has not passed") {
		t.Error(err, out)
	}
	if out, err := command("list"); err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, "12.340000") {
		t.Error(err, out)
	}
	var list []struct{ Closing struct{ Amount string } }
	if out, err := command("list", "-o", "json"); err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list) != 1 || list[0].Closing.Amount != "12.340000" {
		t.Error(err, out)
	}
}

// A posting is proven by a running node and by the store of one that was stopped;
// both proofs hold without either, and none holds with a byte changed.
func TestProof(t *testing.T) {
	t.Parallel()
	net := newNetwork()
	data := t.TempDir()
	s := &stage{name: "proof", credit: "50", sell: sellPrice, buy: buyPrice, vendors: []string{""}}
	n := serve(t, net, data)
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), "12.34", "opening")

	text, err := tool(t.Context(), "statement", "-url", n.url, "-account", s.account(), "-from", "2026-01-01", "-to", "2036-01-01", "-o", "json")
	if err != nil {
		t.Fatal(err, text)
	}
	var st struct {
		Opening, Closing struct{ Amount string }
		Entries          []struct{ Position, Kind string }
	}
	if err := json.Unmarshal([]byte(text), &st); err != nil || st.Opening.Amount != "0.000000" || st.Closing.Amount != "12.340000" || len(st.Entries) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	for _, format := range []string{"text", "csv"} {
		if text, err := tool(t.Context(), "statement", "-url", n.url, "-account", s.account(), "-from", "2026-01-01", "-to", "2036-01-01", "-o", format); err != nil || !strings.Contains(text, "12.340000") {
			t.Errorf("%s: %v %s", format, err, text)
		}
	}
	position := st.Entries[0].Position
	closePeriods(t, n, s.account())
	asked, stopped := filepath.Join(t.TempDir(), "asked.json"), filepath.Join(t.TempDir(), "stopped.json")
	if out, err := tool(t.Context(), "proof", "-url", n.url, "-position", position, "-o", asked); err != nil {
		t.Fatal(err, out)
	}
	n.interrupt(t)
	if out, err := tool(t.Context(), "proof", "-data", data, "-position", position, "-o", stopped); err != nil {
		t.Fatal(err, out)
	}
	for _, file := range []string{asked, stopped} {
		out, err := tool(t.Context(), "verify", "-proof", file, "-o", "json")
		var shown struct{ Verify, PublicKey string }
		if err != nil || json.Unmarshal([]byte(out), &shown) != nil || shown.Verify != "ok" || !strings.Contains(out, "12340000") {
			t.Fatal(err, out)
		}
		if out, err := tool(t.Context(), "verify", "-proof", file, "-key", shown.PublicKey); err != nil {
			t.Error(err, out)
		}
		if _, err := tool(t.Context(), "verify", "-proof", file, "-key", strings.Repeat("0", 64)); err == nil {
			t.Error("a stranger's key was taken")
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text[len(text)/3] ^= 1
		bad := file + ".bad"
		if err := os.WriteFile(bad, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := tool(t.Context(), "verify", "-proof", bad); err == nil {
			t.Error("a damaged proof holds", out)
		}
	}
	if out, err := tool(t.Context(), "verify", "-data", data, "-cdrs"); err != nil || !strings.Contains(out, "ok") || !strings.Contains(out, "1 periods recomputed") {
		t.Error(err, out)
	}
}
