package node

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory(t *testing.T) {
	for text, want := range map[string]uint64{"0": 0, "4GB": 4e9, "100MB": 100e6} {
		if got, err := (Memory{Growth: 300, Limit: text}).parse(); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, bad := range []Memory{{Growth: 300, Limit: "1MB"}, {Growth: 300, Limit: "much"}, {Growth: 10, Limit: "auto"}, {Growth: 2000, Limit: "0"}} {
		if _, err := bad.parse(); err == nil {
			t.Errorf("%v passes", bad)
		}
	}
}

// The machine's memory counts, or the control group's where that is less.
func TestAvailable(t *testing.T) {
	for _, c := range []struct {
		machine, v2, v1 string
		want            uint64
	}{
		{"MemTotal:        2000000 kB\nMemFree: 5 kB\n", "", "", 2e9},
		{"MemTotal:        2000000 kB\n", "max\n", "", 2e9},
		{"MemTotal:        2000000 kB\n", "500000000\n", "", 5e8},
		{"MemTotal:        2000000 kB\n", "", "9223372036854771712\n", 2e9},
		{"", "", "", 0},
	} {
		root := t.TempDir() + "/"
		for name, text := range map[string]string{
			"proc/meminfo": c.machine, "sys/fs/cgroup/memory.max": c.v2, "sys/fs/cgroup/memory/memory.limit_in_bytes": c.v1,
		} {
			if text == "" {
				continue
			}
			if err := os.MkdirAll(filepath.Dir(root+name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := available(root); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
