package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// loadDays reads which days' sums are settled, and from which day rows are kept.
func (s *Store) loadDays(ctx context.Context) error {
	s.settled = make(map[Day]bool)
	err := s.book.query(ctx, "SELECT day, settled FROM days", nil, func(v []driver.Value) error {
		s.settled[Day(v[0].(string))] = v[1].(int64) != 0
		return nil
	})
	if err == nil {
		err = s.book.query(ctx, "SELECT since FROM retention", nil, func(v []driver.Value) error {
			s.setFloor(Day(v[0].(string)))
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read days: %w", err)
	}
	return nil
}

func (s *Store) setFloor(day Day) {
	s.floor = day
	s.kept.Store(day)
}

// KeptSince is the first day whose CDRs are kept, empty while none was dropped.
func (s *Store) KeptSince() Day {
	day, _ := s.kept.Load().(Day)
	return day
}

// unlinkDropped finishes what a crash interrupted between dropping and unlinking.
func (s *Store) unlinkDropped() error {
	for _, day := range s.days.days() {
		if day < s.floor {
			if err := s.days.unlink(day); err != nil {
				return err
			}
		}
	}
	return nil
}

// unsettle makes a day's own file the place of its sums, durably, before the
// file changes.
func (s *Store) unsettle(ctx context.Context, day Day) error {
	if settled, known := s.settled[day]; known && !settled {
		return nil
	}
	err := s.book.exec(ctx, `INSERT INTO days (day, settled) VALUES (?, 0)
 ON CONFLICT DO UPDATE SET settled = 0`, string(day))
	if err != nil {
		return fmt.Errorf("unsettle: %w", err)
	}
	s.settled[day] = false
	return nil
}

// settleOld moves the sums of one day that is over to book.db; the next batch
// takes the next day, so that no batch waits long.
func (s *Store) settleOld(ctx context.Context) error {
	newest := Day("")
	for day := range s.settled {
		newest = max(newest, day)
	}
	for _, day := range slices.Sorted(maps.Keys(s.settled)) {
		if !s.settled[day] && day.add(s.options.SettleAfter) < newest {
			return s.settle(ctx, day)
		}
	}
	return nil
}

// settle copies a day's sums whole into book.db.
func (s *Store) settle(ctx context.Context, day Day) (err error) {
	f, err := s.days.acquire(day)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.days.release(f)) }()
	err = s.book.transaction(ctx, func() error {
		for _, table := range []string{"rollups", "daily", "totals", "parties"} {
			if err := s.book.exec(ctx, "DELETE FROM "+table+" WHERE day = ?", string(day)); err != nil {
				return err
			}
		}
		if err := s.copySums(ctx, f); err != nil {
			return err
		}
		if err := s.copyParties(ctx, f); err != nil {
			return err
		}
		if err := s.book.exec(ctx, sumDay, string(day)); err != nil {
			return err
		}
		return s.book.exec(ctx, "UPDATE days SET settled = 1 WHERE day = ?", string(day))
	})
	if err != nil {
		return fmt.Errorf("settle %s: %w", day, err)
	}
	s.settled[day] = true
	return nil
}

// sumDay adds a settled day's hours up.
const sumDay = `INSERT INTO daily (` + rollupColumns + `)
 SELECT day, min(hour_us) - min(hour_us) % 86400000000, direction, company, account, originator, terminator, prefix, destination, currency, margin_currency,
 sum(attempts), sum(answered), sum(effective), sum(raw_ms), sum(billed_s), sum(pdd_us), sum(pdd_count),
 sum(sell_micro), sum(tax_micro), sum(buy_micro), sum(margin_micro) FROM rollups WHERE day = ?
 GROUP BY day, direction, company, account, originator, terminator, prefix, destination, currency, margin_currency`

// copySums copies rollups and totals; a day without a file has none.
func (s *Store) copySums(ctx context.Context, f *dayFile) error {
	if f == nil {
		return nil
	}
	copies := []struct{ from, into string }{
		{"SELECT " + rollupColumns + " FROM rollups",
			"INSERT INTO rollups (" + rollupColumns + ") VALUES (" + placeholders(rollupWidth) + ")"},
		{"SELECT '" + string(f.day) + "', name, currency, value FROM totals",
			"INSERT INTO totals (day, name, currency, value) VALUES (?,?,?,?)"},
	}
	for _, c := range copies {
		rows, err := f.reader.QueryContext(ctx, c.from)
		if err != nil {
			return err
		}
		_, err = collect(rows, nil, func(row scanner) (none struct{}, err error) {
			columns, err := rows.Columns()
			if err != nil {
				return none, err
			}
			values, into := make([]driver.Value, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := row.Scan(into...); err != nil {
				return none, err
			}
			return none, s.book.exec(ctx, c.into, values...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// DropDaysBefore removes the CDRs of all calls that began before a day, and from
// then on their events are not applied again. Their hourly sums and totals stay,
// and so do entries and audit. It returns the days whose files were removed. A
// store that is rebuilt applies everything first and drops afterwards.
func (s *Store) DropDaysBefore(ctx context.Context, day Day) ([]Day, error) {
	if !day.valid() {
		return nil, fmt.Errorf("drop days before %q: %w", day, ErrInvalid)
	}
	s.write.Lock()
	defer s.write.Unlock()
	dropped := s.days.days()
	end, _ := slices.BinarySearch(dropped, day)
	dropped = dropped[:end]
	for _, old := range dropped {
		if s.settled[old] {
			continue
		}
		if err := s.settle(ctx, old); err != nil {
			return nil, fmt.Errorf("drop days: %w", err)
		}
	}
	if day <= s.floor {
		return nil, nil
	}
	err := s.book.exec(ctx, "INSERT OR REPLACE INTO retention (id, since) VALUES (1, ?)", string(day))
	if err != nil {
		return nil, fmt.Errorf("drop days: %w", err)
	}
	from, _ := day.calls()
	if err := s.book.exec(ctx, "DELETE FROM cdr_rows WHERE call < ?", from[:]); err != nil {
		return nil, fmt.Errorf("drop days: %w", err)
	}
	if err := s.book.exec(ctx, "DELETE FROM parties WHERE day < ?", string(day)); err != nil {
		return nil, fmt.Errorf("drop days: %w", err)
	}
	s.setFloor(day)
	if err := s.unlinkDropped(); err != nil {
		return nil, fmt.Errorf("drop days: %w", err)
	}
	return dropped, nil
}
