package sinks

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tollbook/tollbook/projections/history"
)

const hourUS = 3600 * 1000 * 1000

// sumKey names one row of the hourly sums.
type sumKey struct {
	direction history.Direction
	history.ReportRow
}

// sumColumns are the columns of rollups in the order of sumLine.
var sumColumns = []string{"day", "hour_us", "direction", "company", "account", "originator", "terminator", "prefix", "destination", "currency", "margin_currency",
	"attempts", "answered", "effective", "raw_ms", "billed_s", "pdd_us", "pdd_count", "sell_micro", "tax_micro", "buy_micro", "margin_micro"}

func sumLine(k sumKey, s history.ReportRow) line {
	return line{string(k.Day), k.HourUS, string(k.direction), k.Company, k.Account, k.Originator, k.Terminator, k.Prefix, k.Destination, k.Currency, k.MarginCurrency,
		s.Attempts, s.Answered, s.Effective, s.RawMS, s.BilledS, s.PDDUS, s.PDDCount, s.SellMicro, s.TaxMicro, s.BuyMicro, s.MarginMicro}
}

// everySum groups by all that there is.
var everySum = []history.Group{history.ByHour, history.ByDay, history.ByCompany, history.ByAccount, history.ByOriginator,
	history.ByTerminator, history.ByPrefix, history.ByDestination}

// sumsOf reads the hourly sums of some time, from the history or from the server.
func sumsOf(ctx context.Context, from interface {
	Report(context.Context, history.ReportQuery) ([]history.ReportRow, error)
}, fromUS, toUS int64) (map[sumKey]history.ReportRow, error) {
	sums := map[sumKey]history.ReportRow{}
	for _, direction := range []history.Direction{history.Ingress, history.Egress} {
		rows, err := from.Report(ctx, history.ReportQuery{FromUS: fromUS, ToUS: toUS, GroupBy: everySum, Direction: direction})
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			sums[sumKey{direction, row.Key()}] = row
		}
	}
	return sums, nil
}

// sums makes the server's hourly sums from an hour on and before another one equal
// to the history's, and says how many rows that took.
func (c *ClickHouse) sums(ctx context.Context, fromUS, toUS int64, write bool) (int, error) {
	want, err := sumsOf(ctx, c.history, fromUS, toUS)
	if err != nil {
		return 0, err
	}
	there, err := sumsOf(ctx, c, fromUS, toUS)
	if err != nil {
		return 0, err
	}
	var lines []line
	for k, sum := range want {
		if more := sum.Minus(there[k]); more != k.ReportRow {
			lines = append(lines, sumLine(k, more))
		}
		delete(there, k)
	}
	for k, sum := range there {
		if less := k.Minus(sum); less != k.ReportRow {
			lines = append(lines, sumLine(k, less))
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(fmt.Sprint(a...), fmt.Sprint(b...)) })
	if !write {
		return len(lines), nil
	}
	return len(lines), c.insert(ctx, "rollups", sumColumns, lines)
}

// Report sums the server's hourly rollups, as the history's Report does.
func (c *ClickHouse) Report(ctx context.Context, q history.ReportQuery) ([]history.ReportRow, error) {
	text, args, err := q.SQL(c.table("rollups"))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	rows, err := c.conn.Query(c.reading(ctx), text, args...)
	if err != nil {
		return nil, fmt.Errorf("report of clickhouse: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	var all []history.ReportRow
	for rows.Next() {
		r, err := q.Read(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("report of clickhouse: %w", err)
		}
		if r.Attempts != 0 || r != r.Key() {
			all = append(all, r)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("report of clickhouse: %w", err)
	}
	slices.SortFunc(all, history.CompareReport)
	return all, nil
}
