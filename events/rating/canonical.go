package rating

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Compare orders rows by prefix, then by what else they are for: those for all
// callers and times come first.
func Compare(a, b *Row) int {
	return cmp.Or(strings.Compare(a.Prefix, b.Prefix), strings.Compare(a.Origin, b.Origin), strings.Compare(a.Band, b.Band))
}

func sortRows(rows []Row) ([]Row, error) {
	if len(rows) == 0 {
		return nil, events.Invalid("the deck has no rows")
	}
	if !slices.IsSortedFunc(rows, func(a, b Row) int { return Compare(&a, &b) }) {
		rows = inOrder(rows)
	}
	for i := 1; i < len(rows); i++ {
		if Compare(&rows[i], &rows[i-1]) == 0 {
			return nil, events.Invalid("prefix %s stands twice in the deck; it may have one price", rows[i].Scope())
		}
	}
	return rows, nil
}

// inOrder sorts rows by their keys' order: rows are large, so what is moved about
// while sorting is only their places.
func inOrder(rows []Row) []Row {
	type place struct {
		key uint64
		row uint32
	}
	order := make([]place, len(rows))
	for i := range rows {
		key, _ := keyOf(rows[i].Prefix)
		order[i] = place{key, uint32(i)}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return cmp.Or(Compare(&rows[a.row], &rows[b.row]), cmp.Compare(a.row, b.row))
	})
	out := make([]Row, len(rows))
	for i, o := range order {
		out[i] = rows[o.row]
	}
	return out
}

// Scope says which calls a row is for: "49", "49 from eu", "49 at night".
func (r *Row) Scope() string {
	s := r.Prefix
	if r.Origin != "" {
		s += " from " + r.Origin
	}
	if r.Band != "" {
		s += " at " + r.Band
	}
	return s
}

// Canonical writes sorted rows in the one form that is hashed and kept: CSV with
// all columns, in order, every number with all its places.
func Canonical(rows []Row) []byte {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	write := func(fields []string) {
		if err := out.Write(fields); err != nil {
			panic("rating: writing to memory failed: " + err.Error())
		}
	}
	used := plainColumns
	if slices.ContainsFunc(rows, func(r Row) bool {
		return r.Origin != "" || r.Band != "" || r.MinLength != 0 || r.MaxLength != 0 || r.ExternalID != ""
	}) {
		used = len(columns)
	}
	write(columns[:used])
	for i := range rows {
		write(rows[i].Fields()[:used])
	}
	out.Flush()
	return b.Bytes()
}

// Columns are the names of a deck's columns in their canonical order.
func Columns() []string { return columns[:] }

// Fields are a row's cells in the canonical order.
func (r *Row) Fields() []string {
	return []string{
		r.Prefix, r.Destination, r.PriceFirst.String(), r.PriceNext.String(),
		itoa(r.IntervalFirst), itoa(r.IntervalNext), itoa(r.Free),
		r.ConnectFee.String(), r.AttemptFee.String(), r.Minimum.String(), strconv.FormatBool(r.Blocked),
		r.Origin, r.Band, itoa(r.MinLength), itoa(r.MaxLength), r.ExternalID,
	}
}

func itoa(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
