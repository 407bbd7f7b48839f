package sinks

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
)

// key is one content of one leg's CDR.
type key struct {
	call   string
	leg    int64
	digest uint64
}

// digest is over all columns, so that rows which differ anywhere are told apart.
func digest(row *history.CDR) uint64 {
	h := sha256.New()
	for _, text := range row.Texts() {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(text)))
		h.Write(size[:])
		h.Write([]byte(text))
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

// line is a row to be added: the values in the order of cdrColumns.
type line []any

// cdrColumns are the columns of cdrs in their order.
func cdrColumns() []string {
	return append([]string{"day", "started_us", "company", "account", "digest", "sign"}, history.Columns()...)
}

// newLine makes a row of a CDR.
func newLine(row *history.CDR, digest uint64, sign int8) line {
	company, account := row.Party()
	l := line{string(history.DayOf(row.StartedUS())), row.StartedUS(), company, account, digest, sign}
	for _, p := range row.Pointers() {
		switch p := p.(type) {
		case *string:
			l = append(l, *p)
		case *int64:
			l = append(l, *p)
		case *bool:
			l = append(l, flag(*p))
		case *history.State:
			l = append(l, string(*p))
		case *events.CallID:
			l = append(l, p.String())
		default:
			panic(fmt.Sprintf("sinks: column of type %T", p))
		}
	}
	return l
}

func flag(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// calls chooses rows of one day: by call ids, or by their times.
type calls struct {
	day history.Day
	ids []events.CallID
	// from and to are texts of ids, half-open, where ids are not given.
	from, to string
}

func (s calls) where() (string, []any) {
	if s.ids == nil {
		return " WHERE day = ? AND call >= ? AND call < ?", []any{string(s.day), s.from, s.to}
	}
	texts := make([]string, len(s.ids))
	for i, id := range s.ids {
		texts[i] = "'" + id.String() + "'"
	}
	return " WHERE day = ? AND call IN (" + strings.Join(texts, ",") + ")", []any{string(s.day)}
}

// has asks which rows the server has: how often each, those taken back left out.
func (c *ClickHouse) has(ctx context.Context, of calls) (there map[key]int64, err error) {
	where, args := of.where()
	rows, err := c.conn.Query(c.reading(ctx), "SELECT call, leg, digest, sum(sign) AS net FROM "+c.table("cdrs")+where+
		" GROUP BY call, leg, digest HAVING net != 0", args...)
	if err != nil {
		return nil, fmt.Errorf("ask clickhouse for its rows: %w", err)
	}
	defer func() { _ = rows.Close() }() // Err tells what went wrong
	there = map[key]int64{}
	for rows.Next() {
		var k key
		var net int64
		if err := rows.Scan(&k.call, &k.leg, &k.digest, &net); err != nil {
			return nil, fmt.Errorf("ask clickhouse for its rows: %w", err)
		}
		there[k] = net
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask clickhouse for its rows: %w", err)
	}
	return there, nil
}

// difference returns the rows that make what the server has equal to want.
func (c *ClickHouse) difference(ctx context.Context, of calls, want []history.CDR) ([]line, error) {
	there, err := c.has(ctx, of)
	if err != nil {
		return nil, err
	}
	var lines []line
	for i := range want {
		row := &want[i]
		k := key{row.Call.String(), row.Leg, digest(row)}
		net := there[k]
		delete(there, k)
		for ; net < 1; net++ {
			lines = append(lines, newLine(row, k.digest, 1))
		}
		for ; net > 1; net-- {
			lines = append(lines, newLine(row, k.digest, -1))
		}
	}
	if len(there) == 0 {
		return lines, nil
	}
	gone, err := c.takeBack(ctx, of.day, there)
	return append(lines, gone...), err
}

// takeBack makes the rows that undo those which the events do not give any more.
func (c *ClickHouse) takeBack(ctx context.Context, day history.Day, there map[key]int64) ([]line, error) {
	var lines []line
	for k, net := range there {
		old, err := c.stored(ctx, day, k)
		if err != nil {
			return nil, err
		}
		sign := int8(-1)
		if net < 0 {
			sign, net = 1, -net
		}
		old[5] = sign
		for range net {
			lines = append(lines, old)
		}
	}
	return lines, nil
}

// stored reads a row as the server has it.
func (c *ClickHouse) stored(ctx context.Context, day history.Day, k key) (line, error) {
	row := c.conn.QueryRow(c.reading(ctx), "SELECT "+strings.Join(cdrColumns(), ", ")+" FROM "+c.table("cdrs")+
		" WHERE day = ? AND call = ? AND leg = ? AND digest = ? LIMIT 1", string(day), k.call, k.leg, k.digest)
	l, err := scanLine(row.Scan)
	if err != nil {
		return nil, fmt.Errorf("read the row of call %s, leg %d, in clickhouse: %w", k.call, k.leg, err)
	}
	return l, nil
}

// scanLine reads a row of cdrColumns.
func scanLine(scan func(...any) error) (line, error) {
	var none history.CDR
	kinds := newLine(&none, 0, 0)
	into := make([]any, len(kinds))
	for i, v := range kinds {
		switch v.(type) {
		case string:
			into[i] = new(string)
		case int64:
			into[i] = new(int64)
		case uint8:
			into[i] = new(uint8)
		case int8:
			into[i] = new(int8)
		case uint64:
			into[i] = new(uint64)
		}
	}
	if err := scan(into...); err != nil {
		return nil, err
	}
	for i, p := range into {
		switch p := p.(type) {
		case *string:
			kinds[i] = *p
		case *int64:
			kinds[i] = *p
		case *uint8:
			kinds[i] = *p
		case *int8:
			kinds[i] = *p
		case *uint64:
			kinds[i] = *p
		}
	}
	return kinds, nil
}
