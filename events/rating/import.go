package rating

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// Limits of what is imported.
const (
	// MaxFaults is how many faults an import tells; it counts all.
	MaxFaults = 1000
	// maxCell bounds a cell, in bytes; maxCells the cells of a line.
	maxCell  = 4096
	maxCells = 200
	// maxVersions bounds the versions that the dates of one file make.
	maxVersions = 50
	// maxStaged bounds the rows of all those versions together.
	maxStaged = 2 * MaxRows
)

// importColumns are the columns that a file may have beside a deck's own.
var importColumns = [...]string{
	"price", "increments", "country_code", "enabled", "effective_from", "effective_till", "currency", "change", "ignore",
}

// ImportColumns are the names of all columns that a file may have.
func ImportColumns() []string {
	return append(columns[:len(columns):len(columns)], importColumns[:]...)
}

// KnownColumn says whether a file may have a column of the name.
func KnownColumn(name string) bool {
	_, alias := aliases[name]
	return alias || slices.Contains(columns[:], name) || slices.Contains(importColumns[:], name)
}

// Fault is what is wrong with a cell, or with a line when it names no column.
type Fault struct {
	Line           int
	Column, Reason string
	// Unknown says that the column is none that we know, nor is mapped to one.
	Unknown bool
}

// Entry is a line of a file: a price and when it is in force.
type Entry struct {
	Row
	Line int
	// FromUS and TillUS are 0 where the line does not say.
	FromUS, TillUS int64
	// Removed says that the deck shall have no such price from then on.
	Removed bool

	country, codes string // country_code and prefix as they stand in the line
}

// Sheet reads the lines of a partner's price list, one after the other, and
// keeps what is wrong with them.
type Sheet struct {
	deck    *wire.Deck
	mapping *wire.DeckMapping
	header  []string // our name of each column
	names   []string // the partner's name of each
	Entries []Entry
	// Faults are the first MaxFaults, Faulty counts all.
	Faults []Fault
	Faulty int
	// Typed says that the file's cells have types, as those of XLSX: numbers are
	// binary fractions, dates are counted in days.
	Typed bool
	width int
}

// NewSheet begins a file for a deck; the mapping may be nil.
func NewSheet(d *wire.Deck, m *wire.DeckMapping) *Sheet { return &Sheet{deck: d, mapping: m} }

func (s *Sheet) fault(line int, column string, err error) {
	s.Faulty++
	if len(s.Faults) >= MaxFaults {
		return
	}
	reason := err.Error()
	if len(reason) > 300 {
		reason = strings.ToValidUTF8(reason[:300], "") + "…"
	}
	s.Faults = append(s.Faults, Fault{Line: line, Column: column, Reason: reason})
}

// Fault notes a fault that was found outside: in the file's form, or in what its
// rows name.
func (s *Sheet) Fault(line int, column string, err error) { s.fault(line, column, err) }

// Line takes the next line's cells; the first one is the header. It is false when
// reading on is of no use.
func (s *Sheet) Line(number int, cells []string) bool {
	if len(cells) > maxCells {
		s.fault(number, "", events.Invalid("the line has more than %d cells", maxCells))
		return s.header != nil
	}
	if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
		return true
	}
	if s.header == nil {
		return s.readHeader(number, cells)
	}
	if len(s.Entries) == MaxRows {
		s.fault(number, "", events.Invalid("a deck has at most %d rows", MaxRows))
		return false
	}
	for len(cells) > s.width && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	if len(cells) > s.width {
		s.fault(number, "", events.Invalid("the line has %d cells, the header %d", len(cells), s.width))
		return true
	}
	if e, ok := s.entry(number, cells); ok {
		return s.expand(e)
	}
	return true
}

// expand makes an entry of each of the prefixes that a line gives.
func (s *Sheet) expand(e Entry) bool {
	list, err := listed(e.country, e.codes)
	switch {
	case err != nil:
		s.fault(e.Line, s.nameOf("prefix"), err)
		return true
	case len(s.Entries)+len(list) > MaxRows:
		s.fault(e.Line, "", events.Invalid("a deck has at most %d rows", MaxRows))
		return false
	}
	for _, p := range list {
		e.Prefix, e.country, e.codes = p, "", ""
		s.Entries = append(s.Entries, e)
	}
	return true
}

// nameOf is the partner's name of one of our columns.
func (s *Sheet) nameOf(ours string) string {
	if i := slices.Index(s.header, ours); i >= 0 {
		return s.names[i]
	}
	return ours
}

// readHeader gives each column our name: by the mapping, or if it is ours.
func (s *Sheet) readHeader(line int, cells []string) bool {
	before := s.Faulty
	seen := map[string]string{}
	s.header = []string{}
	for _, theirs := range cells {
		name := strings.ToLower(strings.Join(strings.Fields(strings.TrimPrefix(theirs, "\ufeff")), " "))
		ours, mapped := s.mapping.GetColumns()[name]
		if !mapped {
			ours = strings.ReplaceAll(name, " ", "_")
		}
		if ours == "" || ours == "ignore" {
			ours = "ignore"
		} else if !KnownColumn(ours) {
			s.fault(line, clip(theirs), events.Invalid("unknown column %q: map it to one of %s, or to ignore", clip(theirs), strings.Join(ImportColumns(), ", ")))
			s.Faults[len(s.Faults)-1].Unknown = true
		}
		if same, other := aliases[ours]; other {
			ours = same
		}
		if was, twice := seen[ours]; twice && ours != "ignore" {
			s.fault(line, clip(theirs), events.Invalid("the columns %q and %q both stand for %s", clip(was), clip(theirs), ours))
		}
		seen[ours] = theirs
		s.header, s.names = append(s.header, ours), append(s.names, clip(theirs))
	}
	s.width = len(cells)
	_, country := seen["country_code"]
	for _, need := range []string{"prefix", "price_first"} {
		if _, ok := seen[need]; !ok && (need != "prefix" || !country) {
			s.fault(line, need, events.Invalid("the column %s is missing", need))
		}
	}
	return s.Faulty == before
}

// entry reads a line; it notes every cell that is wrong.
func (s *Sheet) entry(line int, cells []string) (Entry, bool) {
	e := Entry{Row: Row{IntervalFirst: 1, IntervalNext: 1}, Line: line}
	before, nextGiven := s.Faulty, false
	if i := slices.Index(s.header, "change"); i >= 0 && i < len(cells) { // a row that goes needs no price
		if err := e.change(strings.ToLower(strings.TrimSpace(cells[i]))); err != nil {
			s.fault(line, s.names[i], err)
		}
	}
	for i, col := range s.header {
		value := ""
		if i < len(cells) {
			value = strings.TrimSpace(cells[i])
		}
		if col == "ignore" || col == "change" || value == "" && !s.needed(col, e) {
			continue
		}
		if len(value) > maxCell {
			s.fault(line, s.names[i], events.Invalid("the cell has %d bytes; at most %d are allowed", len(value), maxCell))
			continue
		}
		nextGiven = nextGiven || col == "price_next"
		if err := s.cell(&e, col, value); err != nil {
			s.fault(line, s.names[i], err)
		}
	}
	if !nextGiven {
		e.PriceNext = e.PriceFirst
	}
	if e.TillUS != 0 && e.TillUS <= e.FromUS {
		s.fault(line, "effective_till", events.Invalid("the row ends before it takes effect"))
	}
	if e.MaxLength != 0 && e.MaxLength < e.MinLength {
		s.fault(line, "max_length", events.Invalid("the longest number is shorter than the shortest"))
	}
	return e, s.Faulty == before
}

// aliases are other names for columns of ours.
var aliases = map[string]string{"price": "price_first", "forbidden": "blocked", "time_band": "band", "origin_set": "origin"}

// needed says whether a line must have a cell in the column.
func (s *Sheet) needed(col string, e Entry) bool {
	switch col {
	case "prefix":
		return !slices.Contains(s.header, "country_code")
	case "price_first":
		return !e.Removed
	default:
		return false
	}
}

func (s *Sheet) cell(e *Entry, col, value string) (err error) {
	if s.Typed {
		value = untyped(col, value)
	}
	switch col {
	case "prefix":
		e.codes = strings.Clone(value)
	case "country_code":
		e.country = strings.Clone(value)
	case "enabled":
		var open bool
		open, err = yes(value)
		e.Blocked = e.Blocked || !open
	case "blocked":
		var closed bool
		closed, err = yes(value)
		e.Blocked = e.Blocked || closed
	case "effective_from":
		e.FromUS, err = s.date(value)
	case "effective_till":
		e.TillUS, err = s.date(value)
	case "currency":
		if !strings.EqualFold(value, s.deck.Currency) {
			err = events.Invalid("the price is in %s, the deck in %s", clip(value), s.deck.Currency)
		}
	case "price_first", "price_next", "connect_fee", "attempt_fee", "minimum":
		if s.mapping.GetDecimalComma() {
			value = strings.Replace(strings.ReplaceAll(value, ".", ""), ",", ".", 1)
		}
		err = e.set(col, value)
	case "band":
		if err = e.set(col, value); err == nil && !slices.ContainsFunc(s.deck.Bands, func(b *wire.Band) bool { return b.Name == e.Band }) {
			err = events.Invalid("the deck has no band %q", clip(value))
		}
	default:
		err = e.set(col, value)
	}
	return err
}

// change reads what the partner says about the row; only a removal and a block
// are more than words.
func (e *Entry) change(value string) error {
	switch value {
	case "removed", "remove", "deleted", "closed":
		e.Removed = true
	case "blocked", "block":
		e.Blocked = true
	case "", "new", "increase", "decrease", "current", "unchanged", "no change", "changed":
	default:
		return events.Invalid("%q is not new, increase, decrease, unchanged, removed or blocked", clip(value))
	}
	return nil
}

// yes reads what people write for yes and no.
func yes(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true", "yes", "y", "1", "x", "+":
		return true, nil
	case "false", "no", "n", "0", "-":
		return false, nil
	}
	return false, events.Invalid("%q is neither yes nor no", clip(value))
}

// date reads a date or an instant; a date without a time is midnight in UTC.
func (s *Sheet) date(value string) (int64, error) {
	if s.Typed {
		if us, ok := serial(value); ok {
			return us, nil
		}
	}
	layouts := []string{s.mapping.GetDateLayout(), "2006-01-02", time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04"}
	for _, l := range layouts {
		if t, err := time.Parse(l, value); l != "" && err == nil {
			return t.UnixMicro(), nil
		}
	}
	return 0, events.Invalid("%q is not a date such as 2006-01-02", clip(value))
}

// ReadCSV feeds a sheet with CSV. The separator is a comma, a semicolon or a tab,
// whichever the header has most of.
func (s *Sheet) ReadCSV(data []byte) {
	head, _, _ := bytes.Cut(data, []byte("\n"))
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	in.ReuseRecord, in.TrimLeadingSpace, in.FieldsPerRecord = true, true, -1
	for _, sep := range []rune{';', '\t'} {
		if bytes.ContainsRune(head, sep) && bytes.Count(head, []byte(string(sep))) > bytes.Count(head, []byte{byte(in.Comma)}) {
			in.Comma = sep
			in.TrimLeadingSpace = sep != '\t'
		}
	}
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			var p *csv.ParseError
			line := 0
			if errors.As(err, &p) {
				line, err = p.Line, p.Err
			}
			s.fault(line, "", fmt.Errorf("the file cannot be read as CSV: %w", err))
			return
		}
		line, _ := in.FieldPos(0)
		if !s.Line(line, fields) {
			return
		}
	}
}
