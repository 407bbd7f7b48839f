package history

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/tollbook/tollbook/events"
)

// MaxPage is the most rows that one page may have; DefaultPage is what a page
// has if it does not say.
const (
	MaxPage     = 500
	DefaultPage = 50
)

// Page is a place in a list that is newest first. First rows after a cursor are
// older ones, Last rows before a cursor are newer ones; both come newest first.
// A cursor names a row, so rows that arrive meanwhile neither repeat nor hide any.
type Page struct {
	First int
	After string
	Last  int
	// Before is the cursor of the row whose newer neighbours are wanted.
	Before string
}

// PageInfo says where a page stands.
type PageInfo struct {
	// Start and End are the cursors of the first and last row; empty without rows.
	Start, End string
	// HasNext says that there are older rows, HasPrevious that there are newer ones.
	HasNext, HasPrevious bool
}

// Backward says that the page is read from old to new.
func (p Page) Backward() bool { return p.Last > 0 || p.Before != "" }

// Size is how many rows the page has at most, if it is a valid one.
func (p Page) Size() int {
	n, err := p.size()
	if err != nil {
		return DefaultPage
	}
	return n
}

// size returns how many rows the page may have.
func (p Page) size() (int, error) {
	n := p.First
	if p.Backward() {
		n = p.Last
	}
	switch {
	case p.Backward() && (p.First > 0 || p.After != ""):
		return 0, fmt.Errorf("page goes both ways: %w", ErrInvalid)
	case n < 0 || n > MaxPage:
		return 0, fmt.Errorf("page of %d rows, at most %d: %w", n, MaxPage, ErrInvalid)
	case n == 0:
		return DefaultPage, nil
	}
	return n, nil
}

// cursor returns the cursor that the page starts from, or "".
func (p Page) cursor() string {
	if p.Backward() {
		return p.Before
	}
	return p.After
}

// info describes a page of n rows that was asked for with one row more.
func (p Page) info(more bool) PageInfo {
	if p.Backward() {
		return PageInfo{HasPrevious: more, HasNext: p.Before != ""}
	}
	return PageInfo{HasNext: more, HasPrevious: p.After != ""}
}

// cdrCursor names a row by its key.
func cdrCursor(call events.CallID, leg int64) string {
	b := binary.BigEndian.AppendUint32(append([]byte{'c'}, call[:]...), uint32(leg))
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCDRCursor(cursor string) (call events.CallID, leg int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 21 || b[0] != 'c' {
		return call, 0, fmt.Errorf("cursor %q: %w", cursor, ErrInvalid)
	}
	copy(call[:], b[1:17])
	return call, int64(binary.BigEndian.Uint32(b[17:])), nil
}

// Cursor names the place between a day's calls and those of the day before it.
func (d Day) Cursor() string {
	first, _ := d.calls()
	first[6] = 7 << 4 // with the time of a UUIDv7, and below all of that time
	return cdrCursor(first, 0)
}

// Older returns the older of a cursor, empty for the newest of all, and a day's.
func Older(cursor string, day Day) (string, error) {
	if cursor == "" {
		return day.Cursor(), nil
	}
	call, _, err := parseCDRCursor(cursor)
	if err != nil {
		return "", err
	}
	if callDay(call) < day {
		return cursor, nil
	}
	return day.Cursor(), nil
}

// pairCursor names a row of book.db by its kind and two numbers.
func pairCursor(kind byte, a, b int64) string {
	buffer := binary.BigEndian.AppendUint64([]byte{kind}, uint64(a))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(buffer, uint64(b)))
}

func parsePairCursor(kind byte, cursor string) (int64, int64, error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 17 || b[0] != kind {
		return 0, 0, fmt.Errorf("cursor %q: %w", cursor, ErrInvalid)
	}
	return int64(binary.BigEndian.Uint64(b[1:])), int64(binary.BigEndian.Uint64(b[9:])), nil
}
