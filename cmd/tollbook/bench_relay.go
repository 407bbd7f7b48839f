package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/cmd/tollbook/mediabench"
)

// benchRelay measures the media engines beside rtpengine.
func benchRelay(ctx context.Context, c *console, args []string) error {
	if role := os.Getenv(mediabench.RoleVariable); role != "" {
		return mediabench.Play(ctx, role, os.Stdin, c.out)
	}
	f := c.flags("bench relay", "media engines beside rtpengine, in network namespaces of its own (needs root)")
	output := f.String("o", "text", "text or json")
	calls := f.String("calls", "500,1000", "numbers of calls, with commas between them")
	seconds := f.Int("seconds", 4, "how long each measurement lasts")
	recorded := f.Bool("recorded", false, "also with recordings of all calls, by the default engine and by ebpf")
	rounds := f.Int("rounds", 5, "how often all are measured, in turn; figures are medians")
	if err := parse(f, args, 0); err != nil {
		return err
	}
	o := mediabench.Options{Seconds: *seconds, Rounds: *rounds, Recorded: *recorded, Log: slog.New(slog.NewTextHandler(c.err, nil))}
	for text := range strings.SplitSeq(*calls, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > maxBenchCalls {
			return usageError{fmt.Errorf("calls %q are not numbers from 1 to %d", *calls, maxBenchCalls)}
		}
		o.Calls = append(o.Calls, n)
	}
	if *seconds < 1 || *seconds > 600 || *rounds < 1 || *rounds > 100 {
		return usageError{errors.New("1 to 600 seconds and 1 to 100 rounds are possible")}
	}
	figures, err := mediabench.Run(ctx, o)
	if err != nil {
		return err
	}
	if *output == "json" {
		return c.json(figures)
	}
	figures.Print(c.out)
	return nil
}

// maxBenchCalls is what the port range of the relay that is measured has room for.
const maxBenchCalls = 4000
