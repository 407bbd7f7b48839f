package routing_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDecisions tells decisions of one small carrier in words that an engineer can
// check by hand; testdata/decisions.txt says what they shall be.
func TestDecisions(t *testing.T) {
	w := carrier(t)
	var out bytes.Buffer
	monday := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		title, source, called, caller string
		at                            time.Time
	}{
		{"a call in office hours", "192.0.2.1:5060", "+4930123", "44207", monday},
		{"the same at night: the cheap route is closed", "192.0.2.1:5060", "4930123", "44207", monday.Add(12 * time.Hour)},
		{"a caller from elsewhere", "192.0.2.1:5060", "4930123", "33142", monday},
		{"dialled with 00, which the originator's rule takes off", "192.0.2.1:5060", "004930123", "44207", monday},
		{"a premium number", "192.0.2.1:5060", "49900123", "44207", monday},
		{"a mobile: too dear for the least margin", "192.0.2.1:5060", "4917012", "44207", monday},
		{"a country without a price", "192.0.2.1:5060", "81312", "44207", monday},
		{"words", "192.0.2.1:5060", "alice", "44207", monday},
		{"a stranger", "198.51.100.1:5060", "4930123", "44207", monday},
	} {
		a := w.Simulate(routing.Question{
			Source: netip.MustParseAddrPort(c.source), Numbers: number.Set{Called: c.called, Caller: c.caller},
			Request: routing.Request{AtUS: c.at.UnixMicro(), Quality: asrOf(map[string]uint64{"alfa": 11, "bravo": 12, "delta": 40})},
		})
		fmt.Fprintf(&out, "# %s\ncall %s from %s at %s\n", c.title, c.called, c.caller, c.at.Format("Mon 15:04"))
		write(&out, a)
	}
	const file = "testdata/decisions.txt"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("the decisions are others; -update writes them.\n%s", out.String())
	}
}

func carrier(t *testing.T) *routing.World {
	o := caller()
	o.Networks, o.MinimumMarginPpm = []string{"192.0.2.0/24"}, 100_000
	o.Rewrites = []*wire.RewriteRule{{Field: called, Pattern: "^00", Replacement: ""}}
	o.Lists = []*wire.ListUse{{List: "premium", Field: called}}
	return newWorld(t, o,
		[]string{"49 alfa priority=1", "49 bravo priority=1", "49 delta priority=1", "4930 alfa", "49 own"},
		[]string{"sell 49 0.10", "sell 4917 0.20", "buy-alfa 49 0.05", "buy-alfa 4917 0.19", "buy-bravo 49 0.04", "buy-delta 49 0.06", "buy-delta 4917 0.18"},
		ordered(plain(byPriority), &wire.OrderBy{Criterion: byQuality, Figure: asr, WindowS: 900, Step: 50_000, MinimumAttempts: 50}, plain(byPrice)),
		func(w *world) {
			w.put(&wire.NumberList{Id: "premium", Prefixes: []string{"4990"}})
			w.put(&wire.Terminator{Id: "own", Company: "co"})
			w.put(&wire.Terminator{Id: "bravo", Company: "co-bravo", BuyDeck: "buy-bravo", TechPrefix: "77#",
				Rewrites: []*wire.RewriteRule{{Field: callerOf, Pattern: "^", Replacement: "+"}}})
			w.put(&wire.Route{Id: "p/4930/alfa", Plan: "p", Prefix: "4930", Terminator: "alfa", CallerPrefixes: []string{"44"},
				Hours: []*wire.Hours{{FromMinute: 8 * 60, ToMinute: 18 * 60}}})
		})
}

func write(out *bytes.Buffer, a routing.Answer) {
	if a.Refused != "" {
		fmt.Fprintf(out, "  refused: %s\n\n", a.Refused)
		return
	}
	fmt.Fprintf(out, "  routed as %s for %s\n", a.Request.Called, a.Request.Originator.Id)
	for i, c := range a.Decision.Candidates {
		fmt.Fprintf(out, "  %d. %s by %s: %s to %s\n", i+1, c.Terminator.Id, c.Route.Id, figures(c), a.Out[i].Called)
	}
	for _, c := range a.Decision.Rejected {
		fmt.Fprintf(out, "  no %s by %s: %s%s\n", c.Terminator.Id, c.Route.Id, c.Rejected, strings.TrimSuffix(" "+figures(c), " "))
	}
	if a.Decision.Refused != "" {
		fmt.Fprintf(out, "  refused: %s\n", a.Decision.Refused)
	}
	out.WriteByte('\n')
}

func figures(c routing.Candidate) string {
	if c.Buy == nil {
		return ""
	}
	s := fmt.Sprintf("price %s, margin %s", money.Rate(c.Buy.PriceNextNano).Short(), money.Rate(c.MarginNano).Short())
	for _, q := range c.Quality {
		known := fmt.Sprintf(", ASR %d %% of %d", q.Value/10_000, q.Attempts)
		if !q.Known {
			known = ", ASR unknown"
		}
		s += known
	}
	return s
}
