package sinks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
)

// CDRs returns one page of the complete CDRs that a filter takes, newest first, as the
// history's CDRs does.
func (c *ClickHouse) CDRs(ctx context.Context, filter history.Filter, page history.Page) (history.CDRPage, error) {
	asked, err := history.Ask(filter, page)
	if err != nil {
		return history.CDRPage{}, err
	}
	keys, err := c.found(ctx, asked)
	if err != nil {
		return history.CDRPage{}, err
	}
	rows, err := c.read(ctx, filter.Account, keys)
	if err != nil {
		return history.CDRPage{}, err
	}
	return asked.Page(filter, rows), nil
}

// found looks for the rows of a page: the columns that rows are looked for by, since a
// server that has to sort reads all that it is asked for.
func (c *ClickHouse) found(ctx context.Context, asked history.Asked) ([]key, error) {
	// Rows that were taken back are among those that the server has.
	for limit := 2*asked.Size + 10; ; limit *= 4 {
		keys, all, err := c.foundOf(ctx, asked, limit)
		if err != nil || all || len(keys) >= asked.Size {
			return keys[:min(len(keys), asked.Size)], err
		}
	}
}

func (c *ClickHouse) foundOf(ctx context.Context, asked history.Asked, limit int) (keys []key, all bool, err error) {
	rows, err := c.conn.Query(c.reading(ctx), fmt.Sprintf("SELECT call, leg, digest, sign FROM %s%s ORDER BY %s LIMIT %d",
		c.table("cdrs"), asked.Where, asked.Order, limit), asked.Args...)
	if err != nil {
		return nil, false, fmt.Errorf("look for CDRs in clickhouse: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	net := map[key]int64{}
	n := 0
	for ; rows.Next(); n++ {
		var k key
		var sign int8
		if err := rows.Scan(&k.call, &k.leg, &k.digest, &sign); err != nil {
			return nil, false, fmt.Errorf("look for CDRs in clickhouse: %w", err)
		}
		if net[k] += int64(sign); !slices.Contains(keys[max(0, len(keys)-4):], k) {
			keys = append(keys, k)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, fmt.Errorf("look for CDRs in clickhouse: %w", err)
	}
	if all = n < limit; !all { // the last leg may have more rows
		last := keys[len(keys)-1]
		keys = slices.DeleteFunc(keys, func(k key) bool { return k.call == last.call && k.leg == last.leg })
	}
	return slices.DeleteFunc(keys, func(k key) bool { return net[k] <= 0 }), all, nil
}

// read reads whole rows, in the order of the keys. The account, if it is known, is where
// they lie.
func (c *ClickHouse) read(ctx context.Context, account string, keys []key) ([]history.CDR, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var days, ids []string
	at := map[key]int{}
	for i, k := range keys {
		id, err := events.ParseCallID(k.call)
		if err != nil {
			return nil, fmt.Errorf("read CDRs of clickhouse: %w", err)
		}
		row := history.CDR{Call: id}
		days, ids = append(days, "'"+string(history.DayOf(row.StartedUS()))+"'"), append(ids, "'"+id.String()+"'")
		at[k] = i
	}
	slices.Sort(days)
	text := "SELECT " + strings.Join(cdrColumns(), ", ") + " FROM " + c.table("cdrs") + " WHERE sign = 1 AND day IN (" +
		strings.Join(slices.Compact(days), ",") + ") AND call IN (" + strings.Join(ids, ",") + ")"
	var args []any
	if account != "" {
		text, args = text+" AND account = ?", append(args, account)
	}
	rows, err := c.conn.Query(c.reading(ctx), text, args...)
	if err != nil {
		return nil, fmt.Errorf("read CDRs of clickhouse: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	all := make([]history.CDR, len(keys))
	for rows.Next() {
		l, err := scanLine(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("read CDRs of clickhouse: %w", err)
		}
		row, err := l.cdr()
		if err != nil {
			return nil, fmt.Errorf("read CDRs of clickhouse: %w", err)
		}
		if i, wanted := at[key{row.Call.String(), row.Leg, l[4].(uint64)}]; wanted {
			all[i] = row
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read CDRs of clickhouse: %w", err)
	}
	for i := range all {
		if all[i].Call.IsZero() {
			return nil, fmt.Errorf("read CDRs of clickhouse: call %s has moved meanwhile", keys[i].call)
		}
	}
	return all, nil
}

// cdr makes a CDR of a row.
func (l line) cdr() (row history.CDR, err error) {
	values := l[6:]
	for i, p := range row.Pointers() {
		switch p := p.(type) {
		case *string:
			*p = values[i].(string)
		case *int64:
			*p = values[i].(int64)
		case *bool:
			*p = values[i].(uint8) != 0
		case *history.State:
			*p = history.State(values[i].(string))
		case *events.CallID:
			if *p, err = events.ParseCallID(values[i].(string)); err != nil {
				return row, err
			}
		}
	}
	return row, nil
}

// Drop removes the database with all that is in it.
func (c *ClickHouse) Drop(ctx context.Context) error {
	c.ready = false
	if err := c.conn.Exec(ctx, "DROP DATABASE IF EXISTS `"+c.config.Database+"`"+c.onCluster()); err != nil {
		return fmt.Errorf("drop the database of clickhouse: %w", err)
	}
	return nil
}
