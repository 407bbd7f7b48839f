package node

import (
	"context"
	"fmt"
	"time"

	"github.com/tollbook/tollbook/projections/history"
)

// History says how long CDRs are kept on this node.
type History struct {
	// KeepDays is how many whole days of CDRs are kept; 0 keeps all. Their sums, the
	// entries and the journals stay, and CDRs that are in ClickHouse are answered from there.
	KeepDays int `yaml:"keep_days"`
}

func (h History) check() error {
	if h.KeepDays < 0 || h.KeepDays > 0 && h.KeepDays < 3 {
		return fmt.Errorf("history.keep_days %d is not a number of days, 3 at least, or 0 for no limit", h.KeepDays)
	}
	return nil
}

// retentionTick is how often it is looked for days that are too old.
const retentionTick = 10 * time.Minute

// keepDays drops the CDRs of days that are too old. Where there is a copy in ClickHouse, that
// waits until the copy has all that there is.
func (n *Node) keepDays(ctx context.Context) error {
	if n.settings.History.KeepDays == 0 {
		return nil
	}
	tick := time.NewTicker(retentionTick)
	defer tick.Stop()
	for {
		n.dropDays(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (n *Node) dropDays(ctx context.Context, now time.Time) {
	if n.clickhouse != nil && !n.clickhouse.Current(time.Minute) {
		return
	}
	first := history.DayOf(now.AddDate(0, 0, -n.settings.History.KeepDays).UnixMicro())
	dropped, err := n.history.DropDaysBefore(ctx, first)
	switch {
	case err != nil && ctx.Err() == nil:
		n.log.Error("the CDRs of old days are not dropped; it is tried again", "before", first, "err", err)
	case len(dropped) > 0:
		n.log.Info("the CDRs of old days were dropped", "days", len(dropped), "before", first)
	}
}
