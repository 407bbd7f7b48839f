package resolve

import (
	"context"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// periods shows a page of an account's closed periods.
func (r *Resolver) periods(ctx context.Context, a *model.Account, s span) (*model.Connection[model.Period], error) {
	page, err := r.History.Periods(ctx, a.Key, s.page())
	if err != nil {
		return nil, asked(err)
	}
	c := &model.Connection[model.Period]{
		AsOf:     r.asOf(),
		PageInfo: model.PageInfo{HasNextPage: page.HasNext, HasPreviousPage: page.HasPrevious},
	}
	for i := range page.Rows {
		row := &page.Rows[i]
		c.Edges = append(c.Edges, &model.Edge[model.Period]{Cursor: row.Cursor(), Node: period(a, row)})
	}
	bound(c)
	return c, nil
}

func period(a *model.Account, p *history.Period) *model.Period {
	money := func(micro int64) model.Money { return amount(micro, p.Currency) }
	return &model.Period{
		Position: events.Position(p.Position), Account: *a, From: instant(p.FromUS), To: events.Instant(p.ToUS),
		ClosedAt: events.Instant(p.ClosedAtUS), Actor: p.Actor, Opening: money(p.OpeningMicro), Closing: money(p.ClosingMicro),
		Credits: money(p.CreditsMicro), Debits: money(p.DebitsMicro), EntryCount: int(p.Entries), LateCount: int(p.Late),
		AfterCount: int(p.After), After: money(p.AfterMicro),
		StateHash: p.StateHash,
	}
}

// closePeriod asks the keeper, and shows the period once this node has it.
func (r *Resolver) closePeriod(ctx context.Context, in model.PeriodCloseInput) (*model.PeriodClosePayload, error) {
	payload := &model.PeriodClosePayload{UserErrors: []*model.UserError{}}
	item, ok := r.find(ctx, catalog.KindAccount, in.Account)
	var err error
	switch {
	case in.IdempotencyKey == "" || len(in.IdempotencyKey) > maxIdempotencyKey:
		err = events.Invalid("an idempotency key has 1 to %d bytes", maxIdempotencyKey).At("input.idempotencyKey")
	case !ok:
		err = events.NotFound("there is no account %.80q", in.Account).At("input.account")
	}
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	a := account(item)
	payload.Account = a
	zone, err := r.zone(a)
	if err != nil {
		return nil, err
	}
	key := events.KeyOf("period", auth.FromContext(ctx).Actor, in.IdempotencyKey)
	to := events.DayStart(in.To.Year(), in.To.Month(), in.To.Day(), zone)
	reply, err := r.execute(ctx, &wire.Command{
		Key: key[:], DryRun: dry(in.DryRun),
		Body: &wire.Command_ClosePeriod{ClosePeriod: &wire.ClosePeriod{Account: a.Key, ToUs: to.UnixMicro()}},
	})
	if err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	if payload.Repeated = reply.Repeated; dry(in.DryRun) && !reply.Repeated {
		return payload, nil
	}
	position := events.Position(reply.GetPosted().GetPosition())
	payload.Position = &position
	if err := r.Backend.Await(ctx, position); err != nil {
		return nil, err
	}
	closed, err := r.History.PeriodAt(ctx, int64(position))
	if err != nil {
		return nil, err
	}
	payload.Period = period(a, &closed)
	return payload, nil
}

// offlineOf shows an account's allowance; what nodes used of it is for staff.
func (r *Resolver) offlineOf(ctx context.Context, a *model.Account) (*model.OfflineAllowance, error) {
	entity := r.Backend.Catalog().Account(a.Key)
	out := &model.OfflineAllowance{
		Calls: int(entity.GetOfflineCalls()), Amount: amount(entity.GetOfflineMicro(), a.Currency), Used: []*model.OfflineUse{},
	}
	if !auth.FromContext(ctx).Staff() {
		return out, nil
	}
	uses, err := r.History.OfflineUses(ctx, a.Key)
	for _, u := range uses {
		out.Used = append(out.Used, &model.OfflineUse{
			Node: u.Node, Calls: int(u.Calls), Amount: amount(u.AmountMicro, a.Currency), Number: int(u.Number),
			WrittenUpAt: events.Instant(u.TimeUS),
		})
	}
	return out, err
}
