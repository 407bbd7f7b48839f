package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSippFigures(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stat := put("stat.csv", "StartTime;SuccessfulCall(C);FailedCall(C);Retransmissions(C)\n1;4;0;0\n2;198;2;1\n")
	put("caller_1_rtt.csv", "Date_ms;response_time_ms;rtd_no\n1;3;pdd\n2;1;pdd\n3;90;pdd\n4;2;pdd\n")
	var g sippFigures
	if err := g.counts(stat); err != nil {
		t.Fatal(err)
	}
	if err := g.delays(dir); err != nil {
		t.Fatal(err)
	}
	want := sippFigures{Calls: 198, Failed: 2, Retransmitted: 0.5, PDDP50MS: 3, PDDP99MS: 90}
	if g != want {
		t.Errorf("%+v, want %+v", g, want)
	}
	if err := g.counts(put("other.csv", "a;b\n1;2\n")); err == nil || !strings.Contains(err.Error(), "no column") {
		t.Errorf("statistics without the column: %v", err)
	}
}

func TestProcessFigures(t *testing.T) {
	p, err := start(t.Context(), t.TempDir(), os.Environ(), "/bin/sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 30")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		cpu, err := p.cpu()
		if err != nil {
			t.Fatal(err)
		}
		if cpu > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a program that counts uses no CPU")
		}
	}
	if rss, err := p.rss(); err != nil || rss < 100<<10 {
		t.Errorf("%d bytes in use, %v", rss, err)
	}
}
