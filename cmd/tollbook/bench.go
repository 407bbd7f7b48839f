package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// benches are the benchmarks by name. Each prints its figures, with -o json as
// one object, and leaves nothing behind.
func benches() []command {
	return []command{
		{"ledger", "durable decisions a second, beside PostgreSQL", benchLedger},
		{"books", "millions of CDRs: pages, calls and sums while more arrive", benchBooks},
		{"rating", "a large deck: import, look-ups, route tables", benchRating},
		{"sip", "billed calls with sipp, beside Kamailio as a plain proxy", benchSIP},
		{"relay", "media engines beside rtpengine, in namespaces of its own", benchRelay},
	}
}

func bench(ctx context.Context, c *console, args []string) error {
	var names []string
	for _, b := range benches() {
		if len(args) > 0 && args[0] == b.name {
			return b.run(ctx, c, args[1:])
		}
		names = append(names, b.name)
	}
	if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
		for _, b := range benches() {
			fmt.Fprintf(c.out, "tollbook bench %-8s  %s\n", b.name, b.about)
		}
		return nil
	}
	return usageError{errors.New("say which: " + strings.Join(names, ", "))}
}
