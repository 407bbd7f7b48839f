package resolve

import (
	"context"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// audit shows a page of who did what.
func (r *Resolver) audit(ctx context.Context, s span, kind *model.AuditKind, actor *string) (*model.Connection[model.AuditEvent], error) {
	var filter history.AuditFilter
	if kind != nil {
		filter.Kind = strings.ToLower(string(*kind))
	}
	if actor != nil {
		filter.Actor = *actor
	}
	page, err := r.History.Audit(ctx, filter, s.page())
	if err != nil {
		return nil, asked(err)
	}
	c := &model.Connection[model.AuditEvent]{
		AsOf:     r.asOf(),
		PageInfo: model.PageInfo{HasNextPage: page.HasNext, HasPreviousPage: page.HasPrevious},
	}
	for i := range page.Rows {
		a := &page.Rows[i]
		c.Edges = append(c.Edges, &model.Edge[model.AuditEvent]{Cursor: a.Cursor(), Node: &model.AuditEvent{
			Journal: a.Journal, Position: events.Position(a.Position), At: events.Instant(a.TimeUS),
			Kind: model.AuditKind(strings.ToUpper(a.Kind)), Actor: a.Actor, Node: a.Node, Address: a.Address,
			Note: a.Note, Count: int(a.Count),
		}})
	}
	bound(c)
	return c, nil
}

// auditChanges shows the entities of an edit.
func (r *Resolver) auditChanges(ctx context.Context, e *model.AuditEvent) ([]*model.AuditChange, error) {
	out := []*model.AuditChange{}
	if e.Kind != model.AuditKindChange {
		return out, nil
	}
	changes, err := r.History.Changes(ctx, int64(e.Position))
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		out = append(out, &model.AuditChange{Kind: c.Kind, Key: c.ID, Removed: c.Removed, Before: c.Before, After: c.After})
	}
	return out, nil
}
