package resolve

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
)

// place is the position that a question about the past means; false if it asks
// about now.
func (r *Resolver) place(ctx context.Context, asOf *time.Time, at *events.Position) (events.Position, bool, error) {
	switch {
	case asOf != nil && at != nil:
		return 0, false, events.Invalid("one of asOf and atPosition is enough").At("asOf")
	case at != nil:
		// What this node has not read yet is not its past.
		return *at, true, r.Backend.Await(ctx, *at)
	case asOf != nil && asOf.Before(r.Now()):
		position, err := r.Backend.PositionAt(ctx, *asOf)
		if err == nil {
			err = r.Backend.Await(ctx, position)
		}
		return position, true, err
	}
	return 0, false, nil
}

// balanceAt shows what was on an account, as the book's entries have it; what was
// reserved and the credit limit come from the book's state of that time.
func (r *Resolver) balanceAt(ctx context.Context, a *model.Account, position events.Position) (*model.Balance, error) {
	posted, err := r.History.BalanceAt(ctx, a.Key, int64(position))
	if err != nil {
		return nil, err
	}
	st, err := r.Backend.StateAt(ctx, position)
	if err != nil {
		return nil, err
	}
	l := st.Ledger.Balance(a.Key)
	if int64(l.Posted) != posted {
		return nil, events.Refuse(events.CodeInternal, "account %s: the history has %d and the book %s at position %d", a.Key, posted, l.Posted, position)
	}
	b := balanceOf(a, l, st.Catalog)
	b.AsOf = model.AsOf{Position: position}
	return b, nil
}

// statement sums up days of an account.
func (r *Resolver) statement(ctx context.Context, id string, from, to time.Time) (*model.Statement, error) {
	item, ok := r.find(ctx, catalog.KindAccount, id)
	if !ok {
		return nil, nil
	}
	if !from.Before(to) {
		return nil, events.Invalid("the statement's first day must be before its end").At("to")
	}
	a := account(item)
	zone, err := r.zone(a)
	if err != nil {
		return nil, err
	}
	out := &model.Statement{
		Account: *a, From: from, To: to, TimeZone: zone.String(), AsOf: r.asOf(),
		FromAt: events.DayStart(from.Year(), from.Month(), from.Day(), zone),
		ToAt:   events.DayStart(to.Year(), to.Month(), to.Day(), zone),
	}
	st, err := r.History.Statement(ctx, a.Key, events.Micros(out.FromAt), events.Micros(out.ToAt))
	if err != nil {
		return nil, err
	}
	money := func(micro int64) model.Money { return amount(micro, a.Currency) }
	out.Opening, out.Closing = money(st.OpeningMicro), money(st.ClosingMicro)
	out.Credits, out.Debits, out.EntryCount = money(st.CreditsMicro), money(st.DebitsMicro), int(st.Entries)
	out.LateCount, out.Rescues = int(st.Late), r.rescuesBefore(out.ToAt)
	last, err := r.Backend.PositionAt(ctx, out.ToAt)
	if err != nil {
		return nil, err
	}
	out.Final = out.ToAt.Before(r.Now().Add(-settled)) && last <= out.AsOf.Position
	return out, nil
}

// zone is the time zone that an account's days run by.
func (r *Resolver) zone(a *model.Account) (*time.Location, error) {
	return time.LoadLocation(r.Backend.Catalog().Company(a.CompanyKey).GetTimeZone())
}

// settled is how long after a day's end nothing can be recorded in it any more,
// with clocks that differ a little.
const settled = 5 * time.Second

// configuration shows what an entity was at a place in the book.
func (r *Resolver) configuration(ctx context.Context, id string, asOf *time.Time, at *events.Position) (*model.EntityVersion, error) {
	position, past, err := r.place(ctx, asOf, at)
	if err != nil {
		return nil, err
	}
	if !past {
		position, _ = r.Backend.AsOf()
	}
	kind, key, ok := model.KindOf(id)
	if !ok {
		return nil, nil
	}
	c, err := r.History.ChangeAt(ctx, strings.ReplaceAll(string(kind), " ", "_"), key, int64(position))
	if errors.Is(err, history.ErrNotFound) {
		return nil, nil
	}
	return &model.EntityVersion{Position: events.Position(c.Position), Removed: c.Removed, JSON: c.After}, err
}

// proof is the file that proves an event.
func (r *Resolver) proof(ctx context.Context, position events.Position) (*string, error) {
	file, err := r.Backend.Proof(ctx, position)
	if err != nil || file == nil {
		return nil, err
	}
	text := string(file)
	return &text, nil
}

// reversedBy is where a posting was taken back.
func (r *Resolver) reversedBy(ctx context.Context, e *model.Entry) (*events.Position, error) {
	by, err := r.History.ReversedBy(ctx, int64(e.Position))
	if err != nil || by == 0 {
		return nil, err
	}
	p := events.Position(by)
	return &p, nil
}
