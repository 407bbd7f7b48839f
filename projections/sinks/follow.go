package sinks

import (
	"context"
	"fmt"
	"time"

	"github.com/tollbook/tollbook/projections/history"
)

const (
	// batchCalls bounds the calls of a batch: what their ids take of a query.
	batchCalls = 5000
	// pace is how long a batch that is not full waits, lookEvery how often a node looks
	// that does not write, again how long a failure is let be.
	pace, lookEvery, again = time.Second, 10 * time.Second, 5 * time.Second
	// checkEvery is how often the counts of all days are compared.
	checkEvery = time.Hour
	dayUS      = 24 * hourUS
	// fewRows are compared at once.
	fewRows = 50_000
)

// Run copies until ctx ends. What fails is told and tried again.
func (c *ClickHouse) Run(ctx context.Context) {
	for {
		more, err := c.Step(ctx)
		after := lookEvery
		switch {
		case err != nil:
			after = again
		case more:
			after = 0
		case c.writes():
			after = pace
		}
		if err != nil && ctx.Err() == nil {
			c.config.Log.Warn("clickhouse is behind", "err", err)
		}
		if wait(ctx, after) != nil {
			return
		}
	}
}

func (c *ClickHouse) writes() bool { return c.config.Writes == nil || c.config.Writes() }

// Step copies one batch of what changed. It says whether there is more; when there is
// not, it compares what is due to be compared.
func (c *ClickHouse) Step(ctx context.Context) (more bool, err error) {
	defer func() {
		if err != nil {
			c.failed(err)
		}
	}()
	if err := c.settled(ctx); err != nil {
		return false, err
	}
	if err := c.prepare(ctx); err != nil {
		return false, err
	}
	fed, err := c.history.Fed(ctx, batchCalls)
	if err != nil {
		return false, err
	}
	c.stats.waiting.Store(fed.Waiting)
	if len(fed.Calls) == 0 {
		if c.writes() {
			err = c.compare(ctx)
		}
		if err == nil {
			c.stats.syncedUS.Store(time.Now().UnixMicro())
		}
		return false, err
	}
	if err := c.batch(ctx, fed); err != nil {
		return false, err
	}
	return len(fed.Calls) == batchCalls || fed.Waiting > batchCalls, nil
}

// batch copies the calls of one batch, rows first, then the sums of their hours, and
// strikes it out when both are there.
func (c *ClickHouse) batch(ctx context.Context, fed history.Fed) error {
	want, err := c.history.Complete(ctx, fed.Day, fed.Calls)
	if err != nil {
		return err
	}
	write := c.writes()
	changed, err := c.rows(ctx, calls{day: fed.Day, ids: fed.Calls}, want, write)
	if err != nil {
		return err
	}
	if len(want) > 0 { // by call, whose ids are in the order of time
		from, to := want[0].StartedUS()/hourUS*hourUS, want[len(want)-1].StartedUS()/hourUS*hourUS+hourUS
		n, err := c.sums(ctx, from, to, write)
		if err != nil {
			return err
		}
		changed += n
	}
	if changed > 0 && !write {
		return nil // who writes has not come to it yet
	}
	if err := c.history.Strike(ctx, fed); err != nil {
		return err
	}
	if fed.Waiting <= int64(len(fed.Calls)) {
		c.stats.waiting.Store(0)
		c.stats.syncedUS.Store(time.Now().UnixMicro())
	}
	return nil
}

// rows makes the server's rows of some calls equal to want, and says how many rows
// that took.
func (c *ClickHouse) rows(ctx context.Context, of calls, want []history.CDR, write bool) (int, error) {
	lines, err := c.difference(ctx, of, want)
	if err != nil || !write {
		return len(lines), err
	}
	if err := c.insert(ctx, "cdrs", cdrColumns(), lines); err != nil {
		return 0, err
	}
	for _, l := range lines {
		if l[5].(int8) > 0 {
			c.stats.sent.Add(1)
		} else {
			c.stats.taken.Add(1)
		}
	}
	return len(lines), nil
}

// compare looks at all days once an hour, by their counts, and once a day at
// everything of the day before; what differs is made equal.
func (c *ClickHouse) compare(ctx context.Context) error {
	now := time.Now()
	if now.Sub(c.checked) >= checkEvery {
		days, err := c.unlike(ctx)
		if err != nil {
			return err
		}
		for _, day := range days {
			if err := c.CompareDay(ctx, day); err != nil {
				return err
			}
		}
		c.checked = now
	}
	if day := history.DayOf(now.Add(-24 * time.Hour).UnixMicro()); c.compared != day {
		if err := c.CompareDay(ctx, day); err != nil {
			return err
		}
		c.compared = day
	}
	return nil
}

// unlike returns the days of whose CDRs or sums the server has another number than
// the history.
func (c *ClickHouse) unlike(ctx context.Context) ([]history.Day, error) {
	rows, err := c.counts(ctx, "SELECT day, sum(sign) FROM "+c.table("cdrs")+" GROUP BY day")
	if err != nil {
		return nil, err
	}
	sums, err := c.counts(ctx, "SELECT day, sum(attempts) FROM "+c.table("rollups")+" GROUP BY day")
	if err != nil {
		return nil, err
	}
	want, err := c.complete(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	var days []history.Day
	for _, day := range c.history.KeptDays() {
		if rows[day] != want[day] || sums[day] != want[day] {
			days = append(days, day)
		}
	}
	return days, nil
}

// complete counts the history's complete rows by day.
func (c *ClickHouse) complete(ctx context.Context, fromUS, toUS int64) (map[history.Day]int64, error) {
	n := map[history.Day]int64{}
	for _, direction := range []history.Direction{history.Ingress, history.Egress} {
		report, err := c.history.Report(ctx, history.ReportQuery{
			FromUS: fromUS, ToUS: toUS, GroupBy: []history.Group{history.ByDay}, Direction: direction})
		if err != nil {
			return nil, err
		}
		for _, row := range report {
			n[row.Day] += row.Attempts
		}
	}
	return n, nil
}

func (c *ClickHouse) counts(ctx context.Context, query string) (map[history.Day]int64, error) {
	rows, err := c.conn.Query(c.reading(ctx), query)
	if err != nil {
		return nil, fmt.Errorf("count in clickhouse: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	counts := map[history.Day]int64{}
	for rows.Next() {
		var day string
		var n int64
		if err := rows.Scan(&day, &n); err != nil {
			return nil, fmt.Errorf("count in clickhouse: %w", err)
		}
		counts[history.Day(day)] = n
	}
	return counts, rows.Err()
}

// CompareDay compares every row and every sum of a day, and makes what differs equal.
func (c *ClickHouse) CompareDay(ctx context.Context, day history.Day) error {
	began, err := time.Parse(time.DateOnly, string(day))
	if err != nil {
		return fmt.Errorf("compare with clickhouse: %w", err)
	}
	from, end := began.UnixMicro(), began.UnixMicro()+dayUS
	count, err := c.complete(ctx, from, end)
	if err != nil {
		return err
	}
	rowSpan, sumSpan := int64(dayUS), int64(dayUS)
	if count[day] > fewRows {
		rowSpan, sumSpan = hourUS/6, hourUS
	}
	mended := 0
	for at := from; at < end; at += rowSpan {
		n, err := c.compareSpan(ctx, day, at, at+rowSpan)
		if err != nil {
			return err
		}
		mended += n
	}
	for at := from; at < end; at += sumSpan {
		n, err := c.sums(ctx, at, at+sumSpan, true)
		if err != nil {
			return err
		}
		mended += n
	}
	if mended > 0 {
		c.stats.mended.Add(int64(mended))
		c.config.Log.Warn("clickhouse differed from the events and was mended", "day", day, "rows", mended)
	}
	return nil
}

func (c *ClickHouse) compareSpan(ctx context.Context, day history.Day, fromUS, toUS int64) (int, error) {
	want, err := c.history.CompleteBetween(ctx, fromUS, toUS)
	if err != nil {
		return 0, err
	}
	from, to := history.FirstCall(fromUS), history.FirstCall(toUS)
	return c.rows(ctx, calls{day: day, from: from.String(), to: to.String()}, want, true)
}
