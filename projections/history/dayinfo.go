package history

import (
	"context"
	"fmt"
	"os"
)

// DayInfo is one day of CDRs.
type DayInfo struct {
	Day Day
	// CDRs counts its rows, Pending those of them that are not complete.
	CDRs    int64
	Pending int64
	// Settled days have their sums in book.db.
	Settled bool
	// Bytes is the size of the day's file; 0 when the day was dropped.
	Bytes int64
}

// Days returns the days that there are or were, oldest first.
func (s *Store) Days(ctx context.Context) ([]DayInfo, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT d.day, d.settled,
 coalesce((SELECT value FROM totals t WHERE t.day = d.day AND name = 'cdrs' AND currency = ''), 0),
 coalesce((SELECT value FROM totals t WHERE t.day = d.day AND name = 'pending' AND currency = ''), 0)
 FROM days d ORDER BY d.day`)
	days, err := collect(rows, err, func(row scanner) (d DayInfo, err error) {
		return d, row.Scan(&d.Day, &d.Settled, &d.CDRs, &d.Pending)
	})
	if err != nil {
		return nil, fmt.Errorf("list days: %w", err)
	}
	for i := range days {
		d := &days[i]
		if info, err := os.Stat(s.days.path(d.Day)); err == nil {
			d.Bytes = info.Size()
		}
		if d.Settled {
			continue
		}
		if err := s.countDay(ctx, d); err != nil {
			return nil, fmt.Errorf("count day %s: %w", d.Day, err)
		}
	}
	return days, nil
}

// countDay reads the counts of a day that is not settled from its own file.
func (s *Store) countDay(ctx context.Context, d *DayInfo) error {
	f, err := s.days.acquire(d.Day)
	if err != nil || f == nil {
		return err
	}
	row := f.reader.QueryRowContext(ctx, `SELECT
 coalesce(sum(value) FILTER (WHERE name = 'cdrs'), 0),
 coalesce(sum(value) FILTER (WHERE name = 'pending'), 0) FROM totals`)
	err = row.Scan(&d.CDRs, &d.Pending)
	if closeErr := s.days.release(f); err == nil {
		err = closeErr
	}
	return err
}
