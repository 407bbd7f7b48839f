package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
	return s.cdrs(ctx, filter, page, false)
}

func (s *Store) cdrs(ctx context.Context, filter Filter, page Page, checked bool) (CDRPage, error) {
	rows, more, err := s.cdrPage(ctx, filter, page, checked)
	if err != nil {
		return CDRPage{}, fmt.Errorf("query CDRs: %w", err)
	}
	result := CDRPage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}

func (s *Store) cdrPage(ctx context.Context, filter Filter, page Page, checked bool) ([]CDR, bool, error) {
	size, err := page.size()
	if err == nil {
		err = filter.check()
	}
	if err != nil {
		return nil, false, err
	}
	w := walk{filter: filter, limit: size + 1, backward: page.Backward(), checked: checked}
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
	if page.Backward() {
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
	// checked compares what rows are looked for by with their events.
	checked bool
	// call and leg are the row to go on after, if placed.
	call   events.CallID
	leg    int64
	placed bool
}

// walk calls each for every row in order, until limit.
func (s *Store) walk(ctx context.Context, w walk, each func(*CDR) error) error {
	days, err := s.daysFor(ctx, w.filter)
	if err != nil {
		return err
	}
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
	bound := -1
	if w.limit > 0 {
		bound = limit
	}
	// With a limit on both, SQLite makes the inner list first, in its order: events
	// are read of the rows that are wanted, not of all that had to be sorted.
	text := fmt.Sprintf(`SELECT call, leg, (SELECT events FROM calls WHERE calls.call = found.call), %[1]s
 FROM (SELECT call, leg, %[1]s FROM cdrs%[2]s ORDER BY call %[3]s, leg %[3]s LIMIT %[4]d) found LIMIT %[4]d`,
		lookupColumns, c.where(), order, bound)
	rows, err := f.reader.QueryContext(ctx, text, c.args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	r := rowReader{checked: w.checked}
	for rows.Next() {
		row, err := r.read(rows)
		if err != nil {
			return n, err
		}
		n++
		if w.filter.Partner != "" {
			row, _ = row.ForPartner(w.filter.Partner)
		}
		if err := each(&row); err != nil {
			return n, err
		}
	}
	return n, rows.Err()
}

// rowReader makes CDRs of rows; those of one call come one after the other.
type rowReader struct {
	checked bool
	call    events.CallID
	leg     int64
	packed  []byte
	stored  lookup
	// legs are the rows of the call with the id of.
	of   events.CallID
	legs []CDR
}

func (r *rowReader) read(from scanner) (CDR, error) {
	if err := from.Scan(append([]any{&r.call, &r.leg, &r.packed}, r.stored.pointers()...)...); err != nil {
		return CDR{}, err
	}
	if r.of != r.call || r.legs == nil {
		records, err := unpack(r.packed)
		if err != nil {
			return CDR{}, fmt.Errorf("call %s: %w", r.call, err)
		}
		r.of, r.legs = r.call, fold(r.call, records)
	}
	i, found := slices.BinarySearchFunc(r.legs, r.leg, func(c CDR, leg int64) int { return cmp.Compare(c.Leg, leg) })
	if !found {
		return CDR{}, fmt.Errorf("call %s: leg %d stands in the history, but the events do not give it", r.call, r.leg)
	}
	if r.checked {
		if text := r.stored.differ(lookupOf(&r.legs[i])); text != "" {
			return CDR{}, fmt.Errorf("call %s, leg %d: %s", r.call, r.leg, text)
		}
	}
	return r.legs[i], nil
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
