package history

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
)

// Fed are calls of one day whose complete CDRs changed, for who keeps a copy of
// them. They are told again until they are struck out, also after a restart.
type Fed struct {
	Day   Day
	Calls []events.CallID
	// Waiting is how many changes of the day there are, these included.
	Waiting int64
	last    int64
}

// feedTable makes a day file's table of changes, and with it all its calls are
// changes; or removes it, since it misses what comes from now on.
func feedTable(ctx context.Context, w *writer, feed bool) error {
	if !feed {
		return w.exec(ctx, "DROP TABLE IF EXISTS changes")
	}
	there := false
	err := w.query(ctx, "SELECT 1 FROM sqlite_schema WHERE name = 'changes'", nil, func([]driver.Value) error {
		there = true
		return nil
	})
	if err != nil || there {
		return err
	}
	return w.transaction(ctx, func() error {
		if err := w.exec(ctx, "CREATE TABLE changes (seq INTEGER NOT NULL PRIMARY KEY, call BLOB NOT NULL)"); err != nil {
			return err
		}
		return w.exec(ctx, "INSERT INTO changes (call) SELECT call FROM calls ORDER BY id")
	})
}

// feed notes a call whose complete rows changed, in the transaction that changes them.
func (c *dayChange) feed(id events.CallID, old, now []CDR) error {
	complete := func(row CDR) bool { return row.State != Pending }
	if !c.feeds || !slices.ContainsFunc(old, complete) && !slices.ContainsFunc(now, complete) {
		return nil
	}
	return c.w.exec(c.ctx, "INSERT INTO changes (call) VALUES (?)", id[:])
}

// Fed returns changes of the first day that has some, at most limit, or none. The
// store must have been opened with Options.Feed.
func (s *Store) Fed(ctx context.Context, limit int) (Fed, error) {
	s.write.Lock()
	defer s.write.Unlock()
	for _, day := range slices.Sorted(maps.Keys(s.fed)) {
		fed, err := s.fedOf(ctx, day, limit)
		if err != nil {
			return Fed{}, fmt.Errorf("read the changes of %s: %w", day, err)
		}
		if len(fed.Calls) > 0 {
			return fed, nil
		}
		delete(s.fed, day)
	}
	return Fed{}, nil
}

func (s *Store) fedOf(ctx context.Context, day Day, limit int) (fed Fed, err error) {
	fed.Day = day
	if day < s.floor {
		return fed, nil
	}
	f, err := s.days.change(ctx, day)
	if err != nil {
		return fed, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	err = f.writer.query(ctx, "SELECT seq, call FROM changes ORDER BY seq LIMIT ?", []driver.Value{int64(limit)},
		func(v []driver.Value) error {
			id, ok := callIDFrom(v[1].([]byte))
			if !ok {
				return fmt.Errorf("%x is no call", v[1])
			}
			fed.last, fed.Calls = v[0].(int64), append(fed.Calls, id)
			return nil
		})
	if err != nil || len(fed.Calls) == 0 {
		return fed, err
	}
	slices.SortFunc(fed.Calls, func(a, b events.CallID) int { return bytes.Compare(a[:], b[:]) })
	fed.Calls = slices.Compact(fed.Calls)
	err = f.writer.query(ctx, "SELECT max(seq) - min(seq) + 1 FROM changes", nil, func(v []driver.Value) error {
		fed.Waiting = v[0].(int64)
		return nil
	})
	return fed, err
}

// Strike strikes out changes that Fed told. A call that changed meanwhile is told again.
func (s *Store) Strike(ctx context.Context, fed Fed) (err error) {
	s.write.Lock()
	defer s.write.Unlock()
	if fed.Day < s.floor {
		return nil
	}
	f, err := s.days.change(ctx, fed.Day)
	if err != nil {
		return fmt.Errorf("strike out changes of %s: %w", fed.Day, err)
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	if err := f.writer.exec(ctx, "DELETE FROM changes WHERE seq <= ?", fed.last); err != nil {
		return fmt.Errorf("strike out changes of %s: %w", fed.Day, err)
	}
	return nil
}

// KeptDays returns the days that have a file of CDRs, the oldest first.
func (s *Store) KeptDays() []Day { return s.days.days() }

// Complete returns the complete CDRs of some calls of one day, by call and leg.
func (s *Store) Complete(ctx context.Context, day Day, calls []events.CallID) (rows []CDR, err error) {
	f, err := s.days.acquire(day)
	if err != nil || f == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	stmt, err := f.reader.PrepareContext(ctx, "SELECT call, events FROM calls WHERE call = ?")
	if err != nil {
		return nil, fmt.Errorf("read complete CDRs of %s: %w", day, err)
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	for _, id := range calls {
		found, err := stmt.QueryContext(ctx, id[:])
		all, err := collect(found, err, completeRows)
		if err != nil {
			return nil, fmt.Errorf("read complete CDRs of %s: %w", day, err)
		}
		rows = append(rows, slices.Concat(all...)...)
	}
	return rows, nil
}

// CompleteBetween returns the complete CDRs of the calls that began from a time on
// and before another one of the same day, by call and leg: UTC, microseconds.
func (s *Store) CompleteBetween(ctx context.Context, fromUS, toUS int64) (rows []CDR, err error) {
	f, err := s.days.acquire(DayOf(fromUS))
	if err != nil || f == nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	from, to := callBound(fromUS), callBound(toUS)
	found, err := f.reader.QueryContext(ctx, "SELECT call, events FROM calls WHERE call >= ? AND call < ? ORDER BY call", from[:], to[:])
	all, err := collect(found, err, completeRows)
	if err != nil {
		return nil, fmt.Errorf("read complete CDRs of %s: %w", DayOf(fromUS), err)
	}
	return slices.Concat(all...), nil
}

// FirstCall is the smallest id of a call that began at a time: UTC, microseconds.
func FirstCall(us int64) events.CallID { return callBound(us) }

func completeRows(row scanner) ([]CDR, error) {
	var id events.CallID
	var packed []byte
	if err := row.Scan(&id, &packed); err != nil {
		return nil, err
	}
	records, err := unpack(packed)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", id, err)
	}
	return slices.DeleteFunc(fold(id, records), func(c CDR) bool { return c.State == Pending }), nil
}
