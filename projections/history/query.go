package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// CDRPage is one page of CDRs, newest first.
type CDRPage struct {
	Rows []CDR
	PageInfo
}

// Cursor names the row for Page.After and Page.Before.
func (c *CDR) Cursor() string { return cdrCursor(c.Call, c.Leg) }

// CDRs returns one page of the rows that a filter takes, newest first: by the
// time of the call, which is in its id, then by call and leg, both falling.
func (s *Store) CDRs(ctx context.Context, filter Filter, page Page) (CDRPage, error) {
	rows, more, err := s.cdrPage(ctx, filter, page)
	if err != nil {
		return CDRPage{}, fmt.Errorf("query CDRs: %w", err)
	}
	result := CDRPage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}

func (s *Store) cdrPage(ctx context.Context, filter Filter, page Page) ([]CDR, bool, error) {
	size, err := page.size()
	if err == nil {
		err = filter.check()
	}
	if err != nil {
		return nil, false, err
	}
	w := walk{filter: filter, limit: size + 1, backward: page.backward()}
	if cursor := page.cursor(); cursor != "" {
		if w.call, w.leg, err = parseCDRCursor(cursor); err != nil {
			return nil, false, err
		}
		w.placed = true
	}
	var rows []CDR
	err = s.walk(ctx, w, func(c *CDR) error {
		rows = append(rows, *c)
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	more := len(rows) > size
	rows = rows[:min(len(rows), size)]
	if page.backward() {
		slices.Reverse(rows)
	}
	return rows, more, nil
}

// walk is one pass over the day files.
type walk struct {
	filter Filter
	// limit is the most rows wanted, 0 all.
	limit int
	// backward goes from old to new.
	backward bool
	// call and leg are the row to go on after, if placed.
	call   events.CallID
	leg    int64
	placed bool
}

// walk calls each for every row in order, until limit.
func (s *Store) walk(ctx context.Context, w walk, each func(*CDR) error) error {
	days := s.days.days()
	if !w.backward {
		slices.Reverse(days)
	}
	left := w.limit
	for _, day := range days {
		passed := w.placed && (w.backward && day < callDay(w.call) || !w.backward && day > callDay(w.call))
		if passed || !w.filter.takes(day) {
			continue
		}
		n, err := s.walkDay(ctx, day, w, left, each)
		if err != nil {
			return fmt.Errorf("day %s: %w", day, err)
		}
		if left -= n; w.limit > 0 && left <= 0 {
			return nil
		}
	}
	return nil
}

// walkDay reads one day's rows and returns how many there were.
func (s *Store) walkDay(ctx context.Context, day Day, w walk, limit int, each func(*CDR) error) (n int, err error) {
	f, err := s.days.acquire(day)
	if err != nil || f == nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	c := w.filter.condition()
	order, than := "DESC", "<"
	if w.backward {
		order, than = "ASC", ">"
	}
	if w.placed && day == callDay(w.call) {
		c.when(true, "(call, leg) "+than+" (?, ?)", w.call[:], w.leg)
	}
	text := "SELECT " + strings.Join(s.columns, ", ") + " FROM cdrs" + c.where() +
		" ORDER BY call " + order + ", leg " + order
	if w.limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", limit)
	}
	rows, err := f.reader.QueryContext(ctx, text, c.args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var row CDR
	into := pointers(&row, nil)
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		n++
		shown := row
		if w.filter.Partner != "" {
			shown, _ = row.ForPartner(w.filter.Partner)
		}
		if err := each(&shown); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

// Stream calls each for every row that a filter takes, newest first, and stops
// at its first error. The row is the caller's to keep.
func (s *Store) Stream(ctx context.Context, filter Filter, each func(*CDR) error) error {
	err := filter.check()
	if err == nil {
		err = s.walk(ctx, walk{filter: filter}, each)
	}
	if err != nil {
		return fmt.Errorf("stream CDRs: %w", err)
	}
	return nil
}

// CDR returns one row, or ErrNotFound.
func (s *Store) CDR(ctx context.Context, call events.CallID, leg int64) (CDR, error) {
	rows, err := s.legs(ctx, call)
	if err != nil {
		return CDR{}, fmt.Errorf("read CDR: %w", err)
	}
	for i := range rows {
		if rows[i].Leg == leg {
			return rows[i], nil
		}
	}
	return CDR{}, fmt.Errorf("CDR %s leg %d: %w", call, leg, ErrNotFound)
}

// legs returns a call's rows by leg.
func (s *Store) legs(ctx context.Context, call events.CallID) ([]CDR, error) {
	var rows []CDR
	w := walk{filter: Filter{Call: call}, backward: true}
	if call.IsZero() {
		return nil, fmt.Errorf("no call id: %w", ErrInvalid)
	}
	err := s.walk(ctx, w, func(c *CDR) error {
		rows = append(rows, *c)
		return nil
	})
	return rows, err
}
