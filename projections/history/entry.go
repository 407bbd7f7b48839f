package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Entry is one posting of the book: an amount onto (or, negative, off) an account.
type Entry struct {
	// Position is that of the event in the book, Index the posting's place in it.
	Position int64
	Index    int64
	Account  string
	Currency string
	// TimeUS is when the book took it, EffectiveAtUS when it counts: UTC microseconds.
	TimeUS        int64
	EffectiveAtUS int64
	// Kind is "charge", "offline" (a call written up), "credit", "debit", "forced_debit", "reversal", "transfer",
	// "credit_note", "debit_note" or "adjustment".
	Kind        string
	AmountMicro int64
	// BalanceAfterMicro is the account's posted balance after this entry.
	BalanceAfterMicro int64
	// Call is the call that was charged, zero for other kinds.
	Call      events.CallID
	Reason    string
	Reference string
	// Actor is who caused it: "user:anna", "token:billing", "node:n1".
	Actor string
	// Reverses is the position of the event that this one takes back, or 0.
	Reverses int64
	// Late says that it counts in a period of the account that was closed already.
	Late bool
}

// Cursor names the entry for Page.After and Page.Before.
func (e *Entry) Cursor() string { return pairCursor('e', e.Position, e.Index) }

// EntryFilter chooses entries by recorded time: UTC microseconds, half-open, 0
// is open. Kind is one kind, or empty for all.
type EntryFilter struct {
	FromUS, ToUS int64
	Kind         string
}

// EntryPage is one page of entries, newest first.
type EntryPage struct {
	Rows []Entry
	PageInfo
}

const entryColumns = `position, idx, account, currency, time_us, effective_at_us, kind,
 amount_micro, balance_after_micro, call, reason, reference, actor, reverses, late`

func scanEntry(row scanner) (e Entry, err error) {
	return e, row.Scan(&e.Position, &e.Index, &e.Account, &e.Currency, &e.TimeUS,
		&e.EffectiveAtUS, &e.Kind, &e.AmountMicro, &e.BalanceAfterMicro, &e.Call,
		&e.Reason, &e.Reference, &e.Actor, &e.Reverses, &e.Late)
}

// Entries returns one page of an account's entries, or of all entries if account
// is empty, newest first by position and index.
func (s *Store) Entries(ctx context.Context, account string, filter EntryFilter, page Page) (EntryPage, error) {
	c, err := s.entryCondition(ctx, account, filter)
	if err != nil {
		return EntryPage{}, fmt.Errorf("query entries: %w", err)
	}
	rows, more, err := bookPage(ctx, s.reader, bookQuery[Entry]{
		columns: entryColumns, table: "entries", key: "position, idx", cursor: 'e', scan: scanEntry,
	}, c, page)
	if err != nil {
		return EntryPage{}, fmt.Errorf("query entries: %w", err)
	}
	result := EntryPage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}

// Entry returns one entry, or ErrNotFound.
func (s *Store) Entry(ctx context.Context, position, index int64) (Entry, error) {
	row := s.reader.QueryRowContext(ctx,
		"SELECT "+entryColumns+" FROM entries WHERE position = ? AND idx = ?", position, index)
	e, err := scanEntry(row)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read entry %d/%d: %w", position, index, err)
	}
	return e, nil
}

// StreamEntries calls each for every entry that Entries would page through,
// oldest first, and stops at its first error.
func (s *Store) StreamEntries(
	ctx context.Context, account string, filter EntryFilter, each func(*Entry) error,
) (err error) {
	c, err := s.entryCondition(ctx, account, filter)
	if err != nil {
		return fmt.Errorf("stream entries: %w", err)
	}
	rows, err := s.reader.QueryContext(ctx, "SELECT "+entryColumns+" FROM entries"+c.where()+
		" ORDER BY position, idx", c.args...)
	if err != nil {
		return fmt.Errorf("stream entries: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return fmt.Errorf("stream entries: %w", err)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return rows.Err()
}

// entryCondition turns the filter into SQL. Recorded time rises with position,
// so times become bounds of the key.
func (s *Store) entryCondition(ctx context.Context, account string, filter EntryFilter) (condition, error) {
	var c condition
	c.when(account != "", "account = ?", account)
	c.when(filter.Kind != "", "kind = ?", filter.Kind)
	if filter.FromUS > 0 {
		position, err := s.positionAt(ctx, filter.FromUS)
		if err != nil {
			return c, err
		}
		c.when(true, "position >= ?", position)
	}
	if filter.ToUS > 0 {
		position, err := s.positionAt(ctx, filter.ToUS)
		if err != nil {
			return c, err
		}
		c.when(true, "position < ?", position)
	}
	return c, nil
}

// positionAt returns a position that divides the entries recorded before a time
// from those recorded at it or later.
func (s *Store) positionAt(ctx context.Context, us int64) (int64, error) {
	var low, high int64
	row := s.reader.QueryRowContext(ctx,
		"SELECT coalesce(min(position), 0), coalesce(max(position), 0) + 1 FROM entries")
	if err := row.Scan(&low, &high); err != nil {
		return 0, err
	}
	for low < high {
		middle := low + (high-low)/2
		var position, at int64
		err := s.reader.QueryRowContext(ctx, `SELECT position, time_us FROM entries
 WHERE position >= ? ORDER BY position LIMIT 1`, middle).Scan(&position, &at)
		switch {
		case err != nil:
			return 0, err
		case at < us:
			low = position + 1
		default:
			high = middle
		}
	}
	return low, nil
}

// Balance is an account's posted sum as of its last entry.
type Balance struct {
	Account     string
	Currency    string
	PostedMicro int64
	// Entries counts them, Position is the last one's.
	Entries  int64
	Position int64
}

// Balances returns the posted sums of all accounts, our own included.
func (s *Store) Balances(ctx context.Context) ([]Balance, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT account, currency, posted_micro, entries, position
 FROM balances ORDER BY account, currency`)
	all, err := collect(rows, err, func(row scanner) (b Balance, err error) {
		return b, row.Scan(&b.Account, &b.Currency, &b.PostedMicro, &b.Entries, &b.Position)
	})
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return all, nil
}

// bookQuery is a list of book.db that pages by a key of two columns.
type bookQuery[T any] struct {
	columns, table, key string
	cursor              byte
	scan                func(scanner) (T, error)
}

// bookPage reads one page of a list, newest first.
func bookPage[T any](ctx context.Context, db *sql.DB, q bookQuery[T], c condition, page Page) ([]T, bool, error) {
	size, err := page.size()
	if err != nil {
		return nil, false, err
	}
	order, than := " DESC", "<"
	if page.Backward() {
		order, than = " ASC", ">"
	}
	if cursor := page.cursor(); cursor != "" {
		a, b, err := parsePairCursor(q.cursor, cursor)
		if err != nil {
			return nil, false, err
		}
		c.when(true, "("+q.key+") "+than+" (?, ?)", a, b)
	}
	text := fmt.Sprintf("SELECT %s FROM %s%s ORDER BY %s LIMIT %d",
		q.columns, q.table, c.where(), ordered(q.key, order), size+1)
	rows, err := db.QueryContext(ctx, text, c.args...)
	all, err := collect(rows, err, q.scan)
	if err != nil {
		return nil, false, err
	}
	more := len(all) > size
	all = all[:min(len(all), size)]
	if page.Backward() {
		slices.Reverse(all)
	}
	return all, more, nil
}

// ordered puts a direction after each column of a key.
func ordered(key, direction string) string {
	return strings.ReplaceAll(key, ",", direction+",") + direction
}
