package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Statement sums up an account's entries recorded in a half-open time.
type Statement struct {
	// OpeningMicro is the posted balance before the first entry, ClosingMicro
	// that behind the last one.
	OpeningMicro, ClosingMicro int64
	// CreditsMicro is what was added, DebitsMicro (negative) what was taken off.
	CreditsMicro, DebitsMicro int64
	// Entries counts them, Late those that count in a period that was closed already.
	Entries, Late int64
}

// Statement sums up an account's entries recorded at or after fromUS and before
// toUS, UTC microseconds. It adds amounts that were rounded once and never rounds.
func (s *Store) Statement(ctx context.Context, account string, fromUS, toUS int64) (st Statement, err error) {
	low, err := s.positionAt(ctx, fromUS)
	if err != nil {
		return st, fmt.Errorf("read statement: %w", err)
	}
	high, err := s.positionAt(ctx, toUS)
	if err != nil {
		return st, fmt.Errorf("read statement: %w", err)
	}
	if st.OpeningMicro, err = s.BalanceAt(ctx, account, low-1); err != nil {
		return st, err
	}
	if st.ClosingMicro, err = s.BalanceAt(ctx, account, high-1); err != nil {
		return st, err
	}
	err = s.reader.QueryRowContext(ctx, `SELECT count(*),
 coalesce(sum(CASE WHEN amount_micro > 0 THEN amount_micro END), 0),
 coalesce(sum(CASE WHEN amount_micro < 0 THEN amount_micro END), 0), coalesce(sum(late), 0)
 FROM entries WHERE account = ? AND position >= ? AND position < ?`, account, low, high).
		Scan(&st.Entries, &st.CreditsMicro, &st.DebitsMicro, &st.Late)
	if err != nil {
		return st, fmt.Errorf("read statement: %w", err)
	}
	// The rows may have grown between the questions, but only at the end.
	st.ClosingMicro = st.OpeningMicro + st.CreditsMicro + st.DebitsMicro
	return st, nil
}

// BalanceAt is an account's posted balance when the book stood at a position: it
// is the same for ever.
func (s *Store) BalanceAt(ctx context.Context, account string, position int64) (micro int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT balance_after_micro FROM entries
 WHERE account = ? AND position <= ? ORDER BY position DESC, idx DESC LIMIT 1`, account, position).Scan(&micro)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read balance of %s at %d: %w", account, position, err)
	}
	return micro, nil
}

// ReversedBy is the position of the posting that took one back, 0 for none.
func (s *Store) ReversedBy(ctx context.Context, position int64) (by int64, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT position FROM entries WHERE reverses = ? AND reverses <> 0 LIMIT 1", position).Scan(&by)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read what reverses %d: %w", position, err)
	}
	return by, nil
}

// ChangeAt is the last edit of an entity up to a position, or ErrNotFound. Its
// After is what the entity was then.
func (s *Store) ChangeAt(ctx context.Context, kind, id string, position int64) (c Change, err error) {
	row := s.reader.QueryRowContext(ctx, `SELECT position, idx, kind, id, removed, before, after FROM changes
 WHERE kind = ? AND id = ? AND position <= ? ORDER BY position DESC, idx DESC LIMIT 1`, kind, id, position)
	c, err = scanChange(row)
	if errors.Is(err, sql.ErrNoRows) {
		return c, ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("read %s %s at %d: %w", kind, id, position, err)
	}
	return c, nil
}
