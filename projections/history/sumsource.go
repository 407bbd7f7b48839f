package history

import (
	"context"
	"errors"
	"fmt"
)

// errMoved says that a day's file went away between finding and opening it.
var errMoved = errors.New("a day was dropped meanwhile")

// question is a text with one %s, for a condition on the day.
type question struct {
	text string
	args []any
}

// eachSum asks where the sums are: in book.db for settled days, with as many questions
// as it takes, in the day's own file for the others.
func (s *Store) eachSum(
	ctx context.Context, takes func(Day) bool, open question, settled []question, each func(scanner) error,
) error {
	for {
		err := s.eachSumOnce(ctx, takes, open, settled, each)
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// eachSumOnce takes one snapshot of book.db, which says what is settled in it.
// A day that settles afterwards still has its sums in its file.
func (s *Store) eachSumOnce(
	ctx context.Context, takes func(Day) bool, open question, settled []question, each func(scanner) error,
) (err error) {
	read := func(row scanner) (none struct{}, err error) { return none, each(row) }
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	rows, err := tx.QueryContext(ctx, "SELECT day FROM days WHERE settled = 0 ORDER BY day")
	days, err := collect(rows, err, func(row scanner) (day Day, err error) { return day, row.Scan(&day) })
	if err != nil {
		return err
	}
	files, err := s.acquireAll(days, takes)
	defer func() {
		for _, f := range files {
			err = errors.Join(err, s.days.release(f))
		}
	}()
	if err != nil {
		return err
	}
	for _, q := range settled {
		rows, err = tx.QueryContext(ctx, fmt.Sprintf(q.text, " AND day IN (SELECT day FROM days WHERE settled = 1)"), q.args...)
		if _, err = collect(rows, err, read); err != nil {
			return err
		}
	}
	for _, f := range files {
		rows, err := f.reader.QueryContext(ctx, fmt.Sprintf(open.text, ""), open.args...)
		if _, err = collect(rows, err, read); err != nil {
			return err
		}
	}
	return nil
}

// acquireAll opens the unsettled days that are wanted. A day without a file is
// one whose first batch has not been committed, or one that was dropped just now.
func (s *Store) acquireAll(days []Day, takes func(Day) bool) (files []*dayFile, err error) {
	for _, day := range days {
		if !takes(day) {
			continue
		}
		f, err := s.days.acquire(day)
		if err != nil {
			return files, err
		}
		if f != nil {
			files = append(files, f)
		} else if s.days.dropped(day) {
			return files, errMoved
		}
	}
	return files, nil
}
