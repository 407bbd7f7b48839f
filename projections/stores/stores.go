// Package stores answers questions about CDRs from the store that has the answer: the
// embedded history, or its copy in ClickHouse.
//
// CDRs of days that the history has dropped are in the copy alone; a page that comes to the
// first day that is kept goes on there. Sums are in both: reports of a long time are the
// copy's while it is up to date. A node without a copy answers everything itself.
package stores

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/projections/history"
)

// Engine is what answered.
type Engine string

// The two engines.
const (
	Embedded   Engine = "embedded"
	ClickHouse Engine = "clickhouse"
)

// ErrAway is for CDRs that only ClickHouse has, while it does not answer.
var ErrAway = errors.New("CDRs of dropped days are in ClickHouse, which does not answer now; ask again later, or for later days")

// Copy is the history in ClickHouse: a sinks.ClickHouse.
type Copy interface {
	CDRs(ctx context.Context, filter history.Filter, page history.Page) (history.CDRPage, error)
	Report(ctx context.Context, q history.ReportQuery) ([]history.ReportRow, error)
	// Current says that nothing has waited for the copy for longer than a time.
	Current(within time.Duration) bool
}

// Stores chooses between the two.
type Stores struct {
	embedded *history.Store
	copied   Copy
	long     time.Duration
	now      func() time.Time
	log      *slog.Logger
}

// current is how far the copy may be behind for a report that it answers.
const current = time.Minute

// New makes the choice: reports of at least a long time are the copy's. copied is nil where
// there is none, long 0 where no report is.
func New(embedded *history.Store, copied Copy, long time.Duration, now func() time.Time, log *slog.Logger) *Stores {
	return &Stores{embedded: embedded, copied: copied, long: long, now: now, log: log}
}

// Report sums complete CDRs by hours, and says which engine did.
func (s *Stores) Report(ctx context.Context, q history.ReportQuery) ([]history.ReportRow, Engine, error) {
	if s.isLong(q) && s.copied.Current(current) {
		rows, err := s.copied.Report(ctx, q)
		if err == nil || errors.Is(err, history.ErrInvalid) || ctx.Err() != nil {
			return rows, ClickHouse, err
		}
		s.log.WarnContext(ctx, "a report is answered here, since ClickHouse did not", "err", err)
	}
	rows, err := s.embedded.Report(ctx, q)
	return rows, Embedded, err
}

func (s *Stores) isLong(q history.ReportQuery) bool {
	if s.copied == nil || s.long == 0 {
		return false
	}
	to := q.ToUS
	if to == 0 {
		to = s.now().UnixMicro()
	}
	return time.Duration(to-q.FromUS)*time.Microsecond >= s.long
}

// CDRs returns one page, newest first, as the history's CDRs does. Each day's rows come
// from one engine.
func (s *Stores) CDRs(ctx context.Context, filter history.Filter, page history.Page) (history.CDRPage, error) {
	kept := s.embedded.KeptSince()
	if s.copied == nil || kept == "" || !filter.Reaches(kept) {
		return s.embedded.CDRs(ctx, filter, page)
	}
	if page.Backward() {
		return s.backward(ctx, filter, page, kept)
	}
	return s.forward(ctx, filter, page, kept)
}

// forward goes from new to old: what is kept, then what is not.
func (s *Stores) forward(ctx context.Context, filter history.Filter, page history.Page, kept history.Day) (history.CDRPage, error) {
	first, err := s.embedded.CDRs(ctx, filter, page)
	if err != nil || first.HasNext {
		return first, err
	}
	size := page.Size()
	after, err := history.Older(page.After, kept)
	if err != nil {
		return history.CDRPage{}, err
	}
	second, err := s.away(s.copied.CDRs(ctx, filter, history.Page{First: max(1, size-len(first.Rows)), After: after}))
	if err != nil {
		return history.CDRPage{}, err
	}
	if len(first.Rows) == size {
		first.HasNext = len(second.Rows) > 0
		return first, nil
	}
	return joined(first, second, history.PageInfo{HasNext: second.HasNext, HasPrevious: page.After != ""}), nil
}

// backward goes from old to new: what is not kept, then what is.
func (s *Stores) backward(ctx context.Context, filter history.Filter, page history.Page, kept history.Day) (history.CDRPage, error) {
	before, err := history.Older(page.Before, kept)
	if err != nil {
		return history.CDRPage{}, err
	}
	if page.Before != "" && before != page.Before { // it begins with what is kept
		return s.embedded.CDRs(ctx, filter, page)
	}
	old, err := s.away(s.copied.CDRs(ctx, filter, page))
	if err != nil {
		return history.CDRPage{}, err
	}
	from := 0 // the first row, from the newest, of a day that is not kept
	for from < len(old.Rows) && history.DayOf(old.Rows[from].StartedUS()) >= kept {
		from++
	}
	old.Rows = old.Rows[from:]
	size := page.Size()
	recent, err := s.embedded.CDRs(ctx, filter, history.Page{Last: max(1, size-len(old.Rows)), Before: kept.Cursor()})
	if err != nil {
		return history.CDRPage{}, err
	}
	info := history.PageInfo{HasNext: page.Before != "", HasPrevious: recent.HasPrevious}
	if len(old.Rows) == size {
		info.HasPrevious = old.HasPrevious || len(recent.Rows) > 0
		recent.Rows = nil
	}
	return joined(recent, old, info), nil
}

func (s *Stores) away(page history.CDRPage, err error) (history.CDRPage, error) {
	if err != nil && !errors.Is(err, history.ErrInvalid) {
		s.log.Warn("CDRs of dropped days were asked for in vain", "err", err)
		return page, ErrAway
	}
	return page, err
}

// joined puts older rows behind newer ones.
func joined(newer, older history.CDRPage, info history.PageInfo) history.CDRPage {
	all := history.CDRPage{Rows: append(newer.Rows, older.Rows...), PageInfo: info}
	if n := len(all.Rows); n > 0 {
		all.Start, all.End = all.Rows[0].Cursor(), all.Rows[n-1].Cursor()
	}
	return all
}

// CDR returns one row, or history.ErrNotFound.
func (s *Stores) CDR(ctx context.Context, call events.CallID, leg int64) (history.CDR, error) {
	row, err := s.embedded.CDR(ctx, call, leg)
	if !errors.Is(err, history.ErrNotFound) || s.copied == nil || !(history.Filter{Call: call}).Reaches(s.embedded.KeptSince()) {
		return row, err
	}
	page, err := s.away(s.copied.CDRs(ctx, history.Filter{Call: call}, history.Page{First: history.MaxPage}))
	if err != nil {
		return row, err
	}
	for i := range page.Rows {
		if page.Rows[i].Leg == leg {
			return page.Rows[i], nil
		}
	}
	return row, fmt.Errorf("CDR %s leg %d: %w", call, leg, history.ErrNotFound)
}

// Stream calls each for every row that a filter takes, newest first, and stops at its
// first error.
func (s *Stores) Stream(ctx context.Context, filter history.Filter, each func(*history.CDR) error) error {
	if err := s.embedded.Stream(ctx, filter, each); err != nil {
		return err
	}
	kept := s.embedded.KeptSince()
	if s.copied == nil || kept == "" || !filter.Reaches(kept) {
		return nil
	}
	for page := (history.Page{First: history.MaxPage, After: kept.Cursor()}); ; {
		rows, err := s.away(s.copied.CDRs(ctx, filter, page))
		if err != nil {
			return err
		}
		for i := range rows.Rows {
			if err := each(&rows.Rows[i]); err != nil {
				return err
			}
		}
		if !rows.HasNext {
			return nil
		}
		page.After = rows.End
	}
}

// WriteCSV writes the rows that a filter takes, newest first, as history.WriteCSV does.
func (s *Stores) WriteCSV(ctx context.Context, to io.Writer, filter history.Filter) error {
	return history.WriteCSV(to, func(each func(*history.CDR) error) error { return s.Stream(ctx, filter, each) })
}
