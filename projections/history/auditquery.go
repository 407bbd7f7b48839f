package history

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
)

// AuditRow is one edit, sign-in, failed sign-in, or minute of a rejected source.
type AuditRow struct {
	// TimeUS is when it was recorded: UTC, microseconds.
	TimeUS   int64
	Journal  string
	Position int64
	// Kind is AuditChange, AuditSignIn, AuditSignFail or AuditRejected.
	Kind string
	// Actor is who edited, or the name that somebody signed in with.
	Actor   string
	Node    string
	Address string
	// Note is the edit's note, or the reason of a refusal.
	Note string
	// Count is the number of entities changed, or of rejected requests.
	Count int64

	serial int64
}

// Cursor names the row for Page.After and Page.Before.
func (a *AuditRow) Cursor() string { return pairCursor('a', a.TimeUS, a.serial) }

// AuditFilter chooses audit rows by recorded time (UTC microseconds, half-open, 0
// is open), kind and actor; empty is any.
type AuditFilter struct {
	FromUS, ToUS int64
	Kind         string
	Actor        string
}

// AuditPage is one page of audit rows, newest first.
type AuditPage struct {
	Rows []AuditRow
	PageInfo
}

// Audit returns one page of the audit, newest first.
func (s *Store) Audit(ctx context.Context, filter AuditFilter, page Page) (AuditPage, error) {
	var c condition
	c.when(filter.FromUS > 0, "time_us >= ?", filter.FromUS)
	c.when(filter.ToUS > 0, "time_us < ?", filter.ToUS)
	c.when(filter.Kind != "", "kind = ?", filter.Kind)
	c.when(filter.Actor != "", "actor = ?", filter.Actor)
	rows, more, err := bookPage(ctx, s.reader, bookQuery[AuditRow]{
		columns: "time_us, serial, journal, position, kind, actor, node, address, note, count",
		table:   "audit", key: "time_us, serial", cursor: 'a',
		scan: func(row scanner) (a AuditRow, err error) {
			return a, row.Scan(&a.TimeUS, &a.serial, &a.Journal, &a.Position, &a.Kind,
				&a.Actor, &a.Node, &a.Address, &a.Note, &a.Count)
		},
	}, c, page)
	if err != nil {
		return AuditPage{}, fmt.Errorf("query audit: %w", err)
	}
	result := AuditPage{Rows: rows, PageInfo: page.info(more)}
	if len(rows) > 0 {
		result.Start, result.End = rows[0].Cursor(), rows[len(rows)-1].Cursor()
	}
	return result, nil
}

// Change is one entity of an edit.
type Change struct {
	// Position is the edit's in the book, Index the entity's place in it.
	Position int64
	Index    int64
	// Kind and ID name the entity: "originator", "acme-1".
	Kind    string
	ID      string
	Removed bool
	// Before and After are JSON with the schema's field names; empty where the
	// entity was not there. Secrets are hidden.
	Before string
	After  string
}

const changeColumns = "position, idx, kind, id, removed, before, after"

func scanChange(row scanner) (c Change, err error) {
	return c, row.Scan(&c.Position, &c.Index, &c.Kind, &c.ID, &c.Removed, &c.Before, &c.After)
}

// Changes returns the entities of the edit at a position, in its order.
func (s *Store) Changes(ctx context.Context, position int64) ([]Change, error) {
	rows, err := s.reader.QueryContext(ctx,
		"SELECT "+changeColumns+" FROM changes WHERE position = ? ORDER BY idx", position)
	all, err := collect(rows, err, scanChange)
	if err != nil {
		return nil, fmt.Errorf("read changes: %w", err)
	}
	return all, nil
}

// EntityChanges returns the newest edits of one entity, newest first, at most limit.
func (s *Store) EntityChanges(ctx context.Context, kind, id string, limit int) ([]Change, error) {
	rows, err := s.reader.QueryContext(ctx, "SELECT "+changeColumns+` FROM changes
 WHERE kind = ? AND id = ? ORDER BY position DESC, idx DESC LIMIT ?`, kind, id, min(max(limit, 1), MaxPage))
	all, err := collect(rows, err, scanChange)
	if err != nil {
		return nil, fmt.Errorf("read changes of %s %s: %w", kind, id, err)
	}
	return all, nil
}

// compact takes the spaces out of a JSON text.
func compact(text []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return b.String(), nil
}
