package rating

import (
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Step is a version that an import makes: a deck's rows from an instant on.
type Step struct {
	FromUS int64
	Rows   []Row
}

// Stage turns a sheet's entries into the versions that they make of the rows now
// in force. An entry without a date takes effect at startUS; what the file does
// not name is kept, or, if removeMissing, goes when the file's first prices come.
// Faults are noted in the sheet; then there are no steps.
func (s *Sheet) Stage(old []Row, startUS int64, removeMissing bool) []Step {
	if s.header == nil && s.Faulty == 0 {
		s.fault(1, "", events.Invalid("the file is empty: its first line must name the columns"))
	}
	if len(s.Entries) == 0 && s.Faulty == 0 {
		s.fault(1, "", events.Invalid("the file has no rows"))
	}
	dates := s.order(startUS)
	if s.Faulty > 0 {
		return nil
	}
	var steps []Step
	rows, total := old, 0
	if removeMissing {
		rows = nil
	}
	for _, at := range dates {
		rows = s.at(rows, at)
		if len(rows) == 0 {
			s.fault(1, "", events.Invalid("nothing would be left of the deck"))
			return nil
		}
		if total += len(rows); total > maxStaged {
			s.fault(1, "", events.Invalid("the file's %d dates make versions of more than %d rows in all: import them in several files", len(dates), maxStaged))
			return nil
		}
		steps = append(steps, Step{FromUS: at, Rows: rows})
	}
	return steps
}

// order sorts the entries by what they price and when, refuses those that overlap,
// and gives the instants at which something changes.
func (s *Sheet) order(startUS int64) []int64 {
	var dates []int64
	for i := range s.Entries {
		e := &s.Entries[i]
		if e.FromUS == 0 {
			e.FromUS = startUS
		}
		if e.FromUS < startUS && e.TillUS == 0 {
			e.FromUS = startUS // it is in force already, or should be
		}
		for _, at := range []int64{e.FromUS, e.TillUS} {
			if at >= startUS && (len(dates) == 0 || dates[len(dates)-1] != at) && !slices.Contains(dates, at) {
				dates = append(dates, at)
			}
		}
		if len(dates) > maxVersions {
			s.fault(e.Line, "effective_from", events.Invalid("the file has more than %d different dates", maxVersions))
			return nil
		}
	}
	slices.SortStableFunc(s.Entries, func(a, b Entry) int {
		if c := Compare(&a.Row, &b.Row); c != 0 {
			return c
		}
		return int(min(1, max(-1, a.FromUS-b.FromUS)))
	})
	for i := 1; i < len(s.Entries); i++ {
		a, b := &s.Entries[i-1], &s.Entries[i]
		if Compare(&a.Row, &b.Row) != 0 {
			continue
		}
		if a.FromUS == b.FromUS || a.TillUS > b.FromUS {
			s.fault(b.Line, "prefix", events.Invalid("prefix %s has a price for the same time in line %d", b.Scope(), a.Line))
		}
	}
	slices.Sort(dates)
	return dates
}

// at are the rows from an instant on: those before, with what begins and ends then.
func (s *Sheet) at(before []Row, us int64) []Row {
	out := make([]Row, 0, len(before)+len(s.Entries))
	i := 0
	for j := 0; j < len(s.Entries); {
		e := &s.Entries[j]
		for i < len(before) && Compare(&before[i], &e.Row) < 0 {
			out = append(out, before[i])
			i++
		}
		var row *Row
		if i < len(before) && Compare(&before[i], &e.Row) == 0 {
			row = &before[i]
			i++
		}
		for ; j < len(s.Entries) && Compare(&s.Entries[j].Row, &e.Row) == 0; j++ {
			x := &s.Entries[j]
			if x.TillUS == us {
				row = nil
			}
			if x.FromUS == us {
				row = &x.Row
				if x.Removed {
					row = nil
				}
			}
		}
		if row != nil {
			out = append(out, *row)
		}
	}
	return append(out, before[i:]...)
}

// ChangeKind says what an import does to a price.
type ChangeKind string

// The kinds of changes.
const (
	New       ChangeKind = "new"
	Increase  ChangeKind = "increase"
	Decrease  ChangeKind = "decrease"
	Removed   ChangeKind = "removed"
	Blocked   ChangeKind = "blocked"
	Changed   ChangeKind = "changed" // something else than the price: increments, a name
	Unchanged ChangeKind = "unchanged"
)

// ChangeKinds are the kinds in the order in which they are shown.
func ChangeKinds() []ChangeKind {
	return []ChangeKind{New, Increase, Decrease, Changed, Blocked, Removed, Unchanged}
}

// Change is a price before and after; one of them is nil if it is new or removed.
type Change struct {
	Kind   ChangeKind
	Before *Row
	After  *Row
	FromUS int64
}

// Difference counts changes and holds those that are not Unchanged.
type Difference struct {
	Counts  map[ChangeKind]int
	Changes []Change
}

// Compare counts and lists what a step changes; both lists of rows are sorted.
func (d *Difference) Compare(before []Row, after Step) {
	if d.Counts == nil {
		d.Counts = map[ChangeKind]int{}
	}
	add := func(k ChangeKind, a, b *Row) {
		d.Counts[k]++
		if k != Unchanged {
			d.Changes = append(d.Changes, Change{k, a, b, after.FromUS})
		}
	}
	i, j := 0, 0
	for i < len(before) || j < len(after.Rows) {
		var c int
		switch {
		case i == len(before):
			c = 1
		case j == len(after.Rows):
			c = -1
		default:
			c = Compare(&before[i], &after.Rows[j])
		}
		switch {
		case c < 0:
			add(Removed, &before[i], nil)
			i++
		case c > 0:
			add(New, nil, &after.Rows[j])
			j++
		default:
			add(kindOf(&before[i], &after.Rows[j]), &before[i], &after.Rows[j])
			i, j = i+1, j+1
		}
	}
}

// kindOf compares two prices for the same calls. What is dearer in anything is an
// increase: a partner must have had notice of it.
func kindOf(a, b *Row) ChangeKind {
	dearer := b.PriceFirst > a.PriceFirst || b.PriceNext > a.PriceNext || b.ConnectFee > a.ConnectFee ||
		b.AttemptFee > a.AttemptFee || b.Minimum > a.Minimum || b.IntervalFirst > a.IntervalFirst ||
		b.IntervalNext > a.IntervalNext || b.Free < a.Free
	cheaper := b.PriceFirst < a.PriceFirst || b.PriceNext < a.PriceNext || b.ConnectFee < a.ConnectFee ||
		b.AttemptFee < a.AttemptFee || b.Minimum < a.Minimum
	switch {
	case *a == *b:
		return Unchanged
	case b.Blocked && !a.Blocked:
		return Blocked
	case dearer:
		return Increase
	case cheaper:
		return Decrease
	default:
		return Changed
	}
}

// Notice finds the increases that take effect sooner than so many days after now.
func (d *Difference) Notice(nowUS int64, days uint32) []Change {
	const day = 24 * 3600 * 1_000_000
	var out []Change
	for _, c := range d.Changes {
		if c.Kind == Increase && c.FromUS < nowUS+int64(days)*day {
			out = append(out, c)
		}
	}
	return out
}

// Named are the bands and the origin sets that rows name.
func Named(rows []Row) (bands, origins []string) {
	b, o := map[string]bool{}, map[string]bool{}
	for i := range rows {
		if r := &rows[i]; r.Band != "" || r.Origin != "" {
			b[r.Band], o[r.Origin] = true, true
		}
	}
	list := func(m map[string]bool) []string {
		var out []string
		for name := range m {
			if name != "" {
				out = append(out, name)
			}
		}
		slices.SortFunc(out, strings.Compare)
		return out
	}
	return list(b), list(o)
}
