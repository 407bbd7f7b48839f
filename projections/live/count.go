package live

import (
	"maps"
	"slices"
)

// Counts are the calls in progress.
type Counts struct {
	Calls int
	// Talking are those that are answered.
	Talking int
	// ByAccount are customers' calls, ByTerminator vendors' legs that have not ended.
	ByAccount    map[string]int
	ByOriginator map[string]int
	ByTerminator map[string]int
	ByNode       map[string]int
}

type counts struct {
	calls, talking int

	accounts, originators, terminators, nodes map[string]int
}

func newCounts() counts {
	return counts{
		accounts: make(map[string]int), originators: make(map[string]int),
		terminators: make(map[string]int), nodes: make(map[string]int),
	}
}

// tally counts a call in, or with sign -1 out.
func (v *View) tally(c *call, sign int) {
	if !c.Received {
		return
	}
	v.counts.calls += sign
	if state, _, _, _ := c.state(); state == Talking {
		v.counts.talking += sign
	}
	bump(v.counts.accounts, c.Account, sign)
	bump(v.counts.originators, c.Originator, sign)
	bump(v.counts.nodes, v.owner(c), sign)
	for _, leg := range c.Legs {
		if leg.Terminator != "" && !leg.Ended {
			bump(v.counts.terminators, leg.Terminator, sign)
		}
	}
}

// bump changes a counter, and forgets it when it is nothing.
func bump(counters map[string]int, key string, by int) {
	if counters[key] += by; counters[key] == 0 {
		delete(counters, key)
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
