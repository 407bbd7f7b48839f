package resolve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// maxPostings bounds the entries of one event; the book itself makes far fewer.
const maxPostings = 64

// entries shows a page of an account's movements. That the viewer may see the
// account has been checked by whoever showed it to him.
func (r *Resolver) entries(ctx context.Context, key string, s span, from, to *time.Time) (*model.Connection[model.Entry], error) {
	var filter history.EntryFilter
	if from != nil {
		filter.FromUS = events.Micros(*from)
	}
	if to != nil {
		filter.ToUS = events.Micros(*to)
	}
	page, err := r.History.Entries(ctx, key, filter, s.page())
	if err != nil {
		return nil, asked(err)
	}
	c := &model.Connection[model.Entry]{
		AsOf:     r.asOf(),
		PageInfo: model.PageInfo{HasNextPage: page.HasNext, HasPreviousPage: page.HasPrevious},
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		c.Edges = append(c.Edges, &model.Edge[model.Entry]{Cursor: row.Cursor(), Node: entry(row)})
	}
	bound(c)
	return c, nil
}

// entriesAt shows the movements of one event on the accounts that the viewer
// may see; our own accounts are for staff.
func (r *Resolver) entriesAt(ctx context.Context, position events.Position) ([]*model.Entry, error) {
	out := []*model.Entry{}
	for i := range int64(maxPostings) {
		row, err := r.History.Entry(ctx, int64(position), i)
		if errors.Is(err, history.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if r.seesAccount(ctx, row.Account) {
			out = append(out, entry(&row))
		}
	}
	return out, nil
}

func (r *Resolver) seesAccount(ctx context.Context, key string) bool {
	if ledger.IsOwn(key) {
		return auth.FromContext(ctx).Staff()
	}
	_, ok := r.find(ctx, catalog.KindAccount, key)
	return ok
}

func entry(e *history.Entry) *model.Entry {
	out := &model.Entry{
		ID:       fmt.Sprintf("%s:%d/%d", model.KindEntry, e.Position, e.Index),
		Position: events.Position(e.Position), AccountName: e.Account, AccountKey: e.Account,
		Kind: model.EntryKind(strings.ToUpper(e.Kind)), Amount: amount(e.AmountMicro, e.Currency),
		Balance: amount(e.BalanceAfterMicro, e.Currency), RecordedAt: events.Instant(e.TimeUS),
		EffectiveAt: events.Instant(e.EffectiveAtUS), Actor: e.Actor, Reason: e.Reason, Reference: e.Reference, Late: e.Late,
	}
	if !e.Call.IsZero() {
		id := model.CallID(e.Call)
		out.CallID = &id
	}
	if e.Reverses != 0 {
		p := events.Position(e.Reverses)
		out.Reverses = &p
	}
	return out
}

// entryNode finds a movement by its global id.
func (r *Resolver) entryNode(ctx context.Context, key string) (model.Node, error) {
	var position, index int64
	if n, _ := fmt.Sscanf(key, "%d/%d", &position, &index); n != 2 {
		return nil, nil
	}
	row, err := r.History.Entry(ctx, position, index)
	if errors.Is(err, history.ErrNotFound) || err == nil && !r.seesAccount(ctx, row.Account) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return entry(&row), nil
}
