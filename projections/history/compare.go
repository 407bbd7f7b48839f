package history

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
)

// Compared counts what Compare found equal.
type Compared struct{ CDRs, Entries, Periods int64 }

// Compare reads two stores side by side, all CDRs, entries and periods, and reports
// the first row in which they differ. Days of CDRs that the first store dropped
// are left out.
func Compare(ctx context.Context, have, want *Store) (Compared, error) {
	var n Compared
	kept := map[Day]bool{}
	for _, d := range have.days.days() {
		kept[d] = true
	}
	in := func(c *CDR) bool {
		return kept[DayOf(callTimeUS(c.Call))] || !have.days.dropped(DayOf(callTimeUS(c.Call)))
	}
	err := abreast(ctx,
		&pages[CDR]{read: have.cdrRows, takes: in}, &pages[CDR]{read: want.cdrRows, takes: in},
		func(a, b *CDR) int { return -cmp.Or(bytes.Compare(a.Call[:], b.Call[:]), cmp.Compare(a.Leg, b.Leg)) },
		func(c *CDR) string { return fmt.Sprintf("the CDR of call %s, leg %d", c.Call, c.Leg) },
		differentColumns, &n.CDRs)
	if err != nil {
		return n, err
	}
	every := func(*Entry) bool { return true }
	err = abreast(ctx,
		&pages[Entry]{read: have.entryRows, takes: every}, &pages[Entry]{read: want.entryRows, takes: every},
		func(a, b *Entry) int {
			return -cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.Index, b.Index))
		},
		func(e *Entry) string { return fmt.Sprintf("the entry %d of position %d", e.Index+1, e.Position) },
		func(a, b *Entry) string {
			if *a == *b {
				return ""
			}
			return fmt.Sprintf("has %+v, the events give %+v", *a, *b)
		}, &n.Entries)
	if err != nil {
		return n, err
	}
	return n, comparePeriods(ctx, have, want, &n.Periods)
}

// comparePeriods also adds each period up.
func comparePeriods(ctx context.Context, have, want *Store, count *int64) error {
	every := func(*Period) bool { return true }
	return abreast(ctx,
		&pages[Period]{read: have.periodRows, takes: every}, &pages[Period]{read: want.periodRows, takes: every},
		func(a, b *Period) int {
			return -cmp.Or(cmp.Compare(a.ToUS, b.ToUS), cmp.Compare(a.Position, b.Position))
		},
		func(p *Period) string {
			return fmt.Sprintf("the period of account %s closed at %d", p.Account, p.Position)
		},
		func(a, b *Period) string {
			switch {
			case *a != *b:
				return fmt.Sprintf("has %+v, the events give %+v", *a, *b)
			case a.OpeningMicro+a.CreditsMicro+a.DebitsMicro != a.ClosingMicro:
				return fmt.Sprintf("does not add up: %+v", *a)
			}
			return ""
		}, count)
}

// differentColumns tells in what two rows differ.
func differentColumns(a, b *CDR) string {
	names, x, y := columnNames(), pointers(a, nil), pointers(b, nil)
	var out []string
	for i := range x {
		if v, w := text(x[i]), text(y[i]); v != w {
			out = append(out, fmt.Sprintf("%s is %q, the events give %q", names[i], v, w))
		}
	}
	return strings.Join(out, "; ")
}

func (s *Store) cdrRows(ctx context.Context, after string) ([]CDR, string, error) {
	page, err := s.cdrs(ctx, Filter{}, Page{First: MaxPage, After: after}, true)
	if !page.HasNext {
		page.End = ""
	}
	return page.Rows, page.End, err
}

func (s *Store) entryRows(ctx context.Context, after string) ([]Entry, string, error) {
	page, err := s.Entries(ctx, "", EntryFilter{}, Page{First: MaxPage, After: after})
	if !page.HasNext {
		page.End = ""
	}
	return page.Rows, page.End, err
}

func (s *Store) periodRows(ctx context.Context, after string) ([]Period, string, error) {
	page, err := s.Periods(ctx, "", Page{First: MaxPage, After: after})
	if !page.HasNext {
		page.End = ""
	}
	return page.Rows, page.End, err
}

// pages gives the rows of a list one by one.
type pages[T any] struct {
	read  func(ctx context.Context, after string) ([]T, string, error)
	takes func(*T) bool
	rows  []T
	after string
	ended bool
}

func (p *pages[T]) next(ctx context.Context) (*T, error) {
	for {
		for len(p.rows) == 0 {
			if p.ended {
				return nil, nil
			}
			var err error
			if p.rows, p.after, err = p.read(ctx, p.after); err != nil {
				return nil, err
			}
			p.ended = p.after == ""
		}
		row := &p.rows[0]
		p.rows = p.rows[1:]
		if p.takes(row) {
			return row, nil
		}
	}
}

// abreast walks two lists that are sorted alike.
func abreast[T any](ctx context.Context, have, want *pages[T], order func(a, b *T) int, name func(*T) string, differ func(a, b *T) string, count *int64) error {
	for {
		a, err := have.next(ctx)
		if err != nil {
			return err
		}
		b, err := want.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case a == nil && b == nil:
			return nil
		case b == nil || a != nil && order(a, b) < 0:
			return fmt.Errorf("%s stands in the history, but the events do not give it", name(a))
		case a == nil || order(a, b) > 0:
			return fmt.Errorf("%s is missing in the history", name(b))
		}
		if text := differ(a, b); text != "" {
			return fmt.Errorf("%s: %s", name(a), text)
		}
		*count++
	}
}

// Until leaves out the events that a store had not applied when it told its
// progress, so that another one can be built up to the same place.
func Until(progress []Progress, batch []events.Recorded) []events.Recorded {
	at := map[string]uint64{}
	for _, p := range progress {
		at[p.Journal] = p.Position
	}
	return slices.DeleteFunc(batch, func(r events.Recorded) bool { return r.Position > at[r.Journal] })
}
