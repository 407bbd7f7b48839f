package rating

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/money"
	"github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/wire"
)

// MaxRows bounds a deck version.
const MaxRows = 2_000_000

// maxDigits bounds a number's length.
const maxDigits = 32

// maxDestination bounds a destination's name, in bytes.
const maxDestination = 120

// Row is one price of a deck: what calls to a prefix cost.
type Row struct {
	Prefix        string
	Destination   string
	PriceFirst    money.Rate
	PriceNext     money.Rate
	IntervalFirst uint32 // seconds
	IntervalNext  uint32 // seconds
	Free          uint32 // seconds
	ConnectFee    money.Amount
	AttemptFee    money.Amount
	Minimum       money.Amount
	// Blocked rows let no call through.
	Blocked bool
	// Origin names the set of callers that the row is for, Band the time of the
	// week; "" is any.
	Origin, Band string
	// MinLength and MaxLength are how many digits a number may have; 0 is any.
	MinLength, MaxLength uint32
	// ExternalID is the row's name in the partner's own books.
	ExternalID string
}

// columns are the names of a deck's columns in their canonical order.
var columns = [...]string{
	"prefix", "destination", "price_first", "price_next", "interval_first", "interval_next",
	"free_seconds", "connect_fee", "attempt_fee", "minimum", "blocked",
	"origin", "band", "min_length", "max_length", "external_id",
}

// plainColumns are the first columns, which every canonical deck has; the others
// stand there only if a row uses one of them, so that older decks keep their digest.
const plainColumns = 11

// Terms are the row's terms in a version of a deck; number is the row's place in
// the version, from 1.
func (r *Row) Terms(d *wire.Deck, v *wire.DeckVersion, number int) *wire.Terms {
	return &wire.Terms{
		Deck: d.Id, DeckVersion: v.Number, Prefix: r.Prefix, Destination: r.Destination, Currency: d.Currency,
		PriceFirstNano: int64(r.PriceFirst), PriceNextNano: int64(r.PriceNext),
		IntervalFirstS: r.IntervalFirst, IntervalNextS: r.IntervalNext, FreeS: r.Free,
		ConnectFeeMicro: int64(r.ConnectFee), AttemptFeeMicro: int64(r.AttemptFee), MinimumMicro: int64(r.Minimum),
		Rounding: d.Rounding, Decimals: d.Decimals, TaxPpm: d.TaxPpm, TaxInclusive: d.TaxInclusive,
		Row: uint32(number), Band: r.Band, Origin: r.Origin, ExternalId: r.ExternalID,
	}
}

// ParseCSV reads a deck as people send it: a header naming the columns in any
// order, then rows in any order. prefix and either price or price_first are
// needed; "increments" may stand for three columns as "30/6/0". The rows come
// back sorted by prefix. An error names the line and the column.
func ParseCSV(data []byte) ([]Row, error) {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	in.ReuseRecord = true
	in.TrimLeadingSpace = true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, events.Invalid("the deck is empty: its first line must name the columns, such as prefix,destination,price")
	}
	if err != nil {
		return nil, csvError(err)
	}
	cols, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return sortRows(rows)
		}
		if err != nil {
			return nil, csvError(err)
		}
		line, _ := in.FieldPos(0)
		if len(rows) == MaxRows {
			return nil, events.Invalid("line %d: a deck has at most %d rows", line, MaxRows)
		}
		row, err := parseRow(cols, fields)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		rows = append(rows, row)
	}
}

func csvError(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		if errors.Is(p.Err, csv.ErrFieldCount) {
			return events.Invalid("line %d: this row has not as many fields as the header", p.Line)
		}
		return events.Invalid("line %d: %v", p.Line, p.Err)
	}
	return events.Invalid("the deck cannot be read as CSV: %v", err)
}

func parseHeader(header []string) ([]string, error) {
	cols := make([]string, len(header))
	seen := map[string]bool{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "price" {
			name = "price_first"
		}
		known := name == "increments"
		for _, c := range columns {
			known = known || name == c
		}
		if !known {
			return nil, events.Invalid("line 1: unknown column %q; known are price, increments, %s", clip(name), strings.Join(columns[:], ", "))
		}
		if seen[name] {
			return nil, events.Invalid("line 1: column %q stands twice", name)
		}
		seen[name] = true
		cols[i] = name
	}
	for _, need := range []string{"prefix", "price_first"} {
		if !seen[need] {
			return nil, events.Invalid("line 1: the column %s is missing", need)
		}
	}
	for _, other := range []string{"interval_first", "interval_next", "free_seconds"} {
		if seen["increments"] && seen[other] {
			return nil, events.Invalid("line 1: the column increments stands for %s, too; keep one of them", other)
		}
	}
	return cols, nil
}

func parseRow(cols, fields []string) (Row, error) {
	row := Row{IntervalFirst: 1, IntervalNext: 1}
	nextGiven := false
	for i, col := range cols {
		value := strings.TrimSpace(fields[i])
		if col == "price_next" && value != "" {
			nextGiven = true
		}
		if value == "" && col != "prefix" && col != "price_first" {
			continue
		}
		if err := row.set(col, value); err != nil {
			return row, fmt.Errorf("column %s: %w", col, err)
		}
	}
	if !nextGiven {
		row.PriceNext = row.PriceFirst
	}
	return row, nil
}

func (r *Row) set(col, value string) (err error) {
	switch col {
	case "prefix":
		r.Prefix = strings.Clone(strings.TrimPrefix(value, "+"))
		err = number.CheckPrefix(r.Prefix)
	case "destination":
		r.Destination = strings.Clone(value)
		err = checkDestination(value)
	case "price_first":
		r.PriceFirst, err = price(value)
	case "price_next":
		r.PriceNext, err = price(value)
	case "interval_first":
		r.IntervalFirst, err = seconds(value, 1)
	case "interval_next":
		r.IntervalNext, err = seconds(value, 1)
	case "free_seconds":
		r.Free, err = seconds(value, 0)
	case "increments":
		err = r.setIncrements(value)
	case "connect_fee":
		r.ConnectFee, err = fee(value)
	case "attempt_fee":
		r.AttemptFee, err = fee(value)
	case "minimum":
		r.Minimum, err = fee(value)
	case "blocked":
		r.Blocked, err = strconv.ParseBool(value)
		if err != nil {
			err = events.Invalid("%q is neither true nor false", clip(value))
		}
	default:
		err = r.setScope(col, value)
	}
	return err
}

// setScope reads the columns that say which calls the row is for.
func (r *Row) setScope(col, value string) (err error) {
	switch col {
	case "origin":
		r.Origin, err = name(value)
	case "band":
		r.Band, err = name(value)
	case "min_length":
		r.MinLength, err = digits(value)
	case "max_length":
		r.MaxLength, err = digits(value)
	case "external_id":
		r.ExternalID = strings.Clone(value)
		err = checkDestination(value)
	}
	return err
}

func name(s string) (string, error) {
	if len(s) > 64 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
		return "", events.Invalid("%q is not an id: small letters, digits, '-', '_' and '.'", clip(s))
	}
	return strings.Clone(s), nil
}

func digits(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxDigits {
		return 0, events.Invalid("%q is not a number of digits from 0 to %d", clip(s), maxDigits)
	}
	return uint32(n), nil
}

// setIncrements reads minimum/increment/free seconds, as in "30/6/0".
func (r *Row) setIncrements(value string) error {
	parts := strings.Split(value, "/")
	if len(parts) != 2 && len(parts) != 3 {
		return events.Invalid("%q is not minimum/increment/free seconds, such as 30/6/0", clip(value))
	}
	targets := []*uint32{&r.IntervalFirst, &r.IntervalNext, &r.Free}
	least := [...]uint64{1, 1, 0}
	for i, part := range parts {
		n, err := seconds(strings.TrimSpace(part), least[i])
		if err != nil {
			return err
		}
		*targets[i] = n
	}
	return nil
}

func price(s string) (money.Rate, error) {
	r, err := money.ParseRate(s)
	if err == nil && r < 0 {
		err = events.Invalid("the price %s is negative", s)
	}
	return r, err
}

func fee(s string) (money.Amount, error) {
	a, err := money.ParseAmount(s)
	if err == nil && a < 0 {
		err = events.Invalid("the fee %s is negative", s)
	}
	return a, err
}

func seconds(s string, least uint64) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < least || n > maxInterval {
		return 0, events.Invalid("%q is not a number of seconds from %d to %d", clip(s), least, maxInterval)
	}
	return uint32(n), nil
}

// checkDestination refuses names that an event could not carry: those in another
// encoding than UTF-8, and those with line ends in them.
func checkDestination(s string) error {
	switch {
	case len(s) > maxDestination:
		return events.Invalid("the destination is longer than %d bytes", maxDestination)
	case !utf8.ValidString(s):
		return events.Invalid("the destination %q is not in UTF-8: save the file in that encoding", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return events.Invalid("the destination %q has a control character in it", s)
	}
	return nil
}

// clip keeps a refusal short, whatever stands in a cell.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
