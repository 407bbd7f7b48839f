package node

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// Memory says when garbage is collected. What lives is some kilobytes a call and the
// price lists; what calls leave behind is collected the more seldom the more of it
// may lie about, and each collection walks over all that lives.
type Memory struct {
	// Growth is how far memory may grow beyond what lives before a collection, in per
	// cent of it. The program's environment (GOGC) goes before it.
	Growth int `yaml:"growth"`
	// Limit is from where on garbage is collected as often as it takes to stay below,
	// as 4GB; "auto" is three quarters of what the machine or its control group has, 0
	// none. GOMEMLIMIT goes before it.
	Limit string `yaml:"limit"`
}

func defaultMemory() Memory { return Memory{Growth: 300, Limit: "auto"} }

// parse gives the limit in bytes, 0 for none.
func (m Memory) parse() (uint64, error) {
	if m.Growth < 50 || m.Growth > 1000 {
		return 0, fmt.Errorf("memory.growth %d is not 50 to 1000 per cent", m.Growth)
	}
	if m.Limit == "auto" {
		return available("/") / 4 * 3, nil
	}
	limit, err := parseBytes(m.Limit)
	if err != nil || limit != 0 && limit < 100e6 {
		return 0, fmt.Errorf(`memory.limit %q is not "auto", 0 or an amount of at least 100MB, such as 4GB`, m.Limit)
	}
	return limit, nil
}

// collect has garbage collected as the settings say. It is the whole program's.
func (n *Node) collect() {
	s := n.settings
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(s.Memory.Growth)
	}
	if os.Getenv("GOMEMLIMIT") == "" && s.memory > 0 {
		debug.SetMemoryLimit(int64(s.memory))
	}
	n.log.Debug("memory", "growth_percent", s.Memory.Growth, "limit_bytes", s.memory)
}

// available is the memory that the machine has or, where it is less, the control
// group, in bytes; 0 where nobody says.
func available(root string) uint64 {
	least := uint64(0)
	take := func(text, unit string) {
		if n, err := parseBytes(strings.TrimSpace(text) + unit); err == nil && n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	if f, err := os.Open(root + "proc/meminfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
				take(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), "kB")
			}
		}
	}
	for _, name := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(root + name); err == nil {
			take(string(text), "") // "max" is no number, and no limit
		}
	}
	return least
}
