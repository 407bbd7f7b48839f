// Package history is the embedded SQL store behind CDRs, ledger entries, audit
// and reports. It follows the journals and is rebuilt from them at will.
//
// A directory holds one SQLite file per UTC day of calls, cdr-2026-11-22.db, and
// book.db for what is not a day's: entries, audit, settled rollups, checkpoints.
// The day of a call is that of its id, a UUIDv7, so any event finds its file
// without asking, and retention is unlinking a file.
//
// # The fold
//
// A call's events come from two journals in any relative order. A day file keeps
// them, packed in one value per call, and the CDRs of the call are a pure
// function of that set in its canonical order. So the order of arrival cannot
// matter, an event that is applied again adds nothing to the set and changes
// nothing, and what rows a batch replaces is known without reading them.
//
// A CDR is made when it is read. What the tables have of it is what it is looked
// for by; writing its eighty columns, again and again while the call goes on, was
// most of what a call cost (docs/adr/0060).
//
// # Two files, one crash
//
// A batch is committed file by file: its day files, then book.db with the
// checkpoint. Hourly rollups and totals are kept by difference (new rows less
// old rows), which is only right if counted in the transaction that changes the
// rows; so they live in the day file beside the rows. Summing again every touched
// hour would be right too, but costs an hour's rows per batch. When a day is
// over its sums are copied whole into book.db, where they outlive the file; a
// day that is about to change again is first marked as not settled, durably, and
// is read from its own file until it is copied again. Entries, balances and the
// checkpoint share one transaction of book.db and need no such care.
package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/tollbook/tollbook/schema"
)

// foldVersion is stored in every file. It rises when the same events would give
// other rows; a store of another version has to be replayed.
const foldVersion = 10

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found")

// ErrInvalid says that a question was malformed: a cursor, a filter, a group.
var ErrInvalid = errors.New("invalid")

// ErrFoldVersion says that the directory was written by other rules: remove it
// and replay the journals.
var ErrFoldVersion = errors.New("history was folded by another version")

// Options bound what a store keeps open and in memory. Zero means the default.
type Options struct {
	// OpenDays is how many day files are kept open at a time: 32.
	OpenDays int
	// WorkingSet is how many unfinished calls are kept decoded: 8192.
	WorkingSet int
	// SettleAfter is after how many later days a day's sums move to book.db: 1.
	SettleAfter int
	// Feed notes which calls' complete CDRs change, for Fed.
	Feed bool
}

func (o Options) withDefaults() Options {
	if o.OpenDays <= 0 {
		o.OpenDays = 32
	}
	if o.WorkingSet <= 0 {
		o.WorkingSet = 8192
	}
	if o.SettleAfter <= 0 {
		o.SettleAfter = 1
	}
	return o
}

// Store is the history of one directory. Its methods may be called from many
// goroutines; Apply calls wait for each other, readers wait for nobody.
type Store struct {
	dir     string
	options Options
	days    *dayFiles
	// book is the connection that changes book.db, reader those that do not.
	book    *writer
	reader  *sql.DB
	skipped atomic.Uint64
	// kept is the floor, for those who do not hold the lock.
	kept atomic.Value

	// write is held by whoever changes rows; it guards what follows.
	write sync.Mutex
	calls *workingSet
	// balances are some of those in book.db.
	balances map[balanceKey]*balance
	// settled has every known day: whether its sums are in book.db.
	settled map[Day]bool
	// floor is the first day that is kept; setFloor changes it.
	floor Day
	// fed are the days that may have changes that are not struck out.
	fed map[Day]bool
}

// Open opens or makes the store in dir.
func Open(dir string, options Options) (*Store, error) {
	options = options.withDefaults()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("open history: %w", err)
	}
	s := &Store{
		dir:     dir,
		options: options,
		calls:   newWorkingSet(options.WorkingSet), balances: make(map[balanceKey]*balance),
	}
	if err := s.open(context.Background()); err != nil {
		return nil, errors.Join(fmt.Errorf("open history: %w", err), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	text, err := schema.SQL("book.sql")
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, "book.db")
	if s.book, err = openWriter(ctx, path, text); err != nil {
		return err
	}
	if s.reader, err = openReader(path); err != nil {
		return err
	}
	if s.days, err = newDayFiles(s.dir, s.options.OpenDays); err != nil {
		return err
	}
	s.days.feed = s.options.Feed
	s.fed = make(map[Day]bool)
	if s.options.Feed {
		for _, day := range s.days.days() {
			s.fed[day] = true
		}
	}
	if err := s.loadDays(ctx); err != nil {
		return err
	}
	return s.unlinkDropped()
}

// Close closes all files. Queries and Apply calls must have finished.
func (s *Store) Close() error {
	s.write.Lock()
	defer s.write.Unlock()
	var errs []error
	if s.days != nil {
		errs = append(errs, s.days.close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.book != nil {
		errs = append(errs, s.book.close())
	}
	return errors.Join(errs...)
}

// Skipped counts the events since Open that could not be placed: a call id that
// is not 16 bytes, an event without a body.
func (s *Store) Skipped() uint64 { return s.skipped.Load() }
