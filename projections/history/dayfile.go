package history

import (
	"container/list"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/tollbook/tollbook/schema"

	"github.com/tollbook/tollbook/events"
)

// dayFile is one open file of CDRs.
type dayFile struct {
	day    Day
	reader *sql.DB
	// writer is opened by the first change; the store's write lock guards it.
	writer *writer
	// newest is the largest call id in the file, so that a new call needs no look-up.
	newest events.CallID
	users  int
	// gone: closed when its last user lets go.
	gone bool
	used *list.Element
}

// dayFiles keeps a bounded number of day files open.
type dayFiles struct {
	dir    string
	schema string
	limit  int
	// feed says that changes are noted.
	feed bool

	mu   sync.Mutex
	open map[Day]*dayFile
	// recent has the open files, the most recently used first.
	recent *list.List
	// all are the days that have a file, in order.
	all []Day
	// removed is the newest day whose file was unlinked.
	removed Day
}

func newDayFiles(dir string, limit int) (*dayFiles, error) {
	text, err := schema.SQL("day.sql")
	if err != nil {
		return nil, err
	}
	d := &dayFiles{dir: dir, schema: text, limit: limit, open: make(map[Day]*dayFile), recent: list.New()}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list day files: %w", err)
	}
	for _, file := range files {
		name, prefixed := strings.CutPrefix(file.Name(), "cdr-")
		name, suffixed := strings.CutSuffix(name, ".db")
		if day := Day(name); prefixed && suffixed && day.valid() {
			d.all = append(d.all, day)
		}
	}
	slices.Sort(d.all)
	return d, nil
}

func (d *dayFiles) path(day Day) string {
	return filepath.Join(d.dir, "cdr-"+string(day)+".db")
}

// days returns the days that have a file, in order.
func (d *dayFiles) days() []Day {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.all)
}

// acquire opens a day for reading. It returns nil, and no error, when there is no
// such file. Whoever gets a file must release it.
func (d *dayFiles) acquire(day Day) (*dayFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, found := slices.BinarySearch(d.all, day); !found {
		return nil, nil
	}
	return d.acquireLocked(day)
}

func (d *dayFiles) acquireLocked(day Day) (*dayFile, error) {
	f := d.open[day]
	if f == nil {
		reader, err := openReader(d.path(day))
		if err != nil {
			return nil, err
		}
		f = &dayFile{day: day, reader: reader}
		f.used = d.recent.PushFront(f)
		d.open[day] = f
	}
	d.recent.MoveToFront(f.used)
	f.users++
	return f, d.evict()
}

// change opens a day for writing and makes its file if there is none. The
// caller holds the store's write lock.
func (d *dayFiles) change(ctx context.Context, day Day) (*dayFile, error) {
	d.mu.Lock()
	f, err := d.acquireLocked(day)
	d.mu.Unlock()
	if err != nil || f.writer != nil {
		return f, err
	}
	if f.writer, err = openWriter(ctx, d.path(day), d.schema); err != nil {
		return nil, errors.Join(err, d.release(f))
	}
	if f.newest, err = newestCall(ctx, f.writer); err != nil {
		return nil, errors.Join(err, d.release(f))
	}
	if err := feedTable(ctx, f.writer, d.feed); err != nil {
		return nil, errors.Join(err, d.release(f))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if i, found := slices.BinarySearch(d.all, day); !found {
		d.all = slices.Insert(d.all, i, day)
	}
	return f, nil
}

// release lets go of a file.
func (d *dayFiles) release(f *dayFile) error {
	if f == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f.users--
	if f.gone && f.users == 0 {
		return f.close()
	}
	return d.evict()
}

// evict closes the least recently used files that nobody uses.
func (d *dayFiles) evict() error {
	var errs []error
	for e := d.recent.Back(); e != nil && len(d.open) > d.limit; {
		f := e.Value.(*dayFile)
		e = e.Prev()
		if f.users == 0 {
			errs = append(errs, d.forget(f))
		}
	}
	return errors.Join(errs...)
}

// forget takes a file out of the set, and closes it once nobody uses it.
func (d *dayFiles) forget(f *dayFile) error {
	delete(d.open, f.day)
	d.recent.Remove(f.used)
	f.gone = true
	if f.users > 0 {
		return nil
	}
	return f.close()
}

// unlink removes a day's file. Those who still read it go on reading it.
func (d *dayFiles) unlink(day Day) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	d.removed = max(d.removed, day)
	if f := d.open[day]; f != nil {
		errs = append(errs, d.forget(f))
	}
	if i, found := slices.BinarySearch(d.all, day); found {
		d.all = slices.Delete(d.all, i, i+1)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(d.path(day) + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("unlink day: %w", err))
		}
	}
	return errors.Join(errs...)
}

// dropped says that a day's file may have been unlinked.
func (d *dayFiles) dropped(day Day) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return day <= d.removed
}

func (d *dayFiles) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range d.open {
		errs = append(errs, d.forget(f))
	}
	return errors.Join(errs...)
}

func (f *dayFile) close() error {
	err := f.reader.Close()
	if f.writer != nil {
		err = errors.Join(err, f.writer.close())
		f.writer = nil
	}
	return err
}
