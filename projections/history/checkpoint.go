package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tollbook/tollbook/events"
)

// Progress says how far a journal has been applied.
type Progress struct {
	Journal string
	// Sequence and Position are those of the last event applied, TimeUS its recorded time.
	Sequence uint64
	Position uint64
	TimeUS   int64
}

// Checkpoint returns the cursor that the last Apply stored for a journal, nil if
// there is none. All rows up to it are on the disk.
func (s *Store) Checkpoint(journal string) ([]byte, error) {
	var cursor []byte
	err := s.reader.QueryRow("SELECT cursor FROM checkpoints WHERE journal = ?", journal).Scan(&cursor)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && len(cursor) == 0:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read checkpoint of %s: %w", journal, err)
	}
	return cursor, nil
}

// AsOf returns how far every journal has been applied, by name: what an answer
// from this store is complete up to.
func (s *Store) AsOf(ctx context.Context) ([]Progress, error) {
	rows, err := s.reader.QueryContext(ctx,
		"SELECT journal, sequence, position, time_us FROM checkpoints ORDER BY journal")
	all, err := collect(rows, err, func(scan scanner) (p Progress, err error) {
		return p, scan.Scan(&p.Journal, &p.Sequence, &p.Position, &p.TimeUS)
	})
	if err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	return all, nil
}

// advance stores the progress of a batch and the caller's cursors.
func (s *Store) advance(ctx context.Context, batch []events.Recorded, cursors map[string][]byte) error {
	reached := make(map[string]Progress)
	for journal := range cursors {
		reached[journal] = Progress{Journal: journal}
	}
	for _, r := range batch {
		if at := reached[r.Journal]; r.Position >= at.Position {
			reached[r.Journal] = Progress{r.Journal, r.Sequence, r.Position, r.TimeUS}
		}
	}
	for _, journal := range slices.Sorted(maps.Keys(reached)) {
		at := reached[journal]
		cursor, given := cursors[journal]
		if cursor == nil {
			cursor = []byte{}
		}
		err := s.book.exec(ctx, `INSERT INTO checkpoints (journal, cursor, sequence, position, time_us)
 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET
 cursor = iif(?6, excluded.cursor, cursor), sequence = max(sequence, excluded.sequence),
 position = max(position, excluded.position), time_us = max(time_us, excluded.time_us)`,
			journal, cursor, int64(at.Sequence), int64(at.Position), at.TimeUS, given)
		if err != nil {
			return err
		}
	}
	return nil
}

// position returns how far a journal has been applied, inside a transaction.
func (s *Store) position(ctx context.Context, journal string) (uint64, error) {
	var position uint64
	err := s.book.query(ctx, "SELECT position FROM checkpoints WHERE journal = ?",
		[]driver.Value{journal}, func(v []driver.Value) error {
			position = uint64(v[0].(int64))
			return nil
		})
	return position, err
}

// applyBook writes a batch's entries, audit and progress in one transaction.
func (s *Store) applyBook(ctx context.Context, batch []events.Recorded, cursors map[string][]byte) error {
	applied, err := s.position(ctx, bookJournal)
	if err != nil {
		return err
	}
	tally := newTally(s.book, s.balances)
	for _, r := range batch {
		if r.Event.GetBody() == nil {
			continue
		}
		if r.Journal == bookJournal {
			if r.Position <= applied {
				continue
			}
			applied = r.Position
			if err := tally.apply(ctx, r); err != nil {
				return fmt.Errorf("book position %d: %w", r.Position, err)
			}
		}
		if err := s.applyAudit(ctx, r); err != nil {
			return fmt.Errorf("audit %s/%d: %w", r.Journal, r.Position, err)
		}
		if err := s.applyCut(ctx, r); err != nil {
			return fmt.Errorf("CDR file %s/%d: %w", r.Journal, r.Position, err)
		}
		if err := s.applyFile(ctx, r); err != nil {
			return fmt.Errorf("file %s/%d: %w", r.Journal, r.Position, err)
		}
	}
	if err := tally.close(ctx); err != nil {
		return err
	}
	return s.advance(ctx, batch, cursors)
}

// scanner is a row that can be read.
type scanner interface{ Scan(into ...any) error }

// collect reads all rows of a query and closes it.
func collect[T any](rows *sql.Rows, err error, read func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []T
	for rows.Next() {
		one, err := read(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
