package resolve

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/guard"
)

// Guard is the switch's protection against fraud as the API needs it.
type Guard interface {
	// Guarded names the rule that would block a call now, without a trace of the
	// question.
	Guarded(r *routing.Request, sell *wire.Terms) string
	// GuardTrips are the rules that are tripped, by id.
	GuardTrips() []guard.Trip
	// GuardFull are the parts of the guard's memory that are full, by name.
	GuardFull() []string
	// LiftGuard lets the calls of a trip pass until an instant; zero is until the
	// trip would be over. It is CodeNotFound for no such trip.
	LiftGuard(ctx context.Context, trip string, until time.Time, actor, note string) error
}

// maxNote bounds what people write about a lift.
const maxNote = 500

func guardRule(it catalog.Item) *model.GuardRule {
	g := it.Entity.GetGuardRule()
	accountID := func(key string) string { return model.ID(catalog.KindAccount, key) }
	return &model.GuardRule{
		ID: model.ID(catalog.KindGuardRule, g.Id), Key: g.Id, Name: g.Name, Disabled: g.Disabled,
		AccountIds: each(g.Accounts, accountID), ExceptAccountIds: each(g.ExceptAccounts, accountID),
		Prefixes: append([]string{}, g.Prefixes...), PriceFrom: model.Nano(g.PriceFromNano), Currency: text(g.Currency),
		Hours: showHours(g.Hours), TimeZone: g.TimeZone, Measure: showMeasure(g.Measure), Window: int(g.WindowS), Calls: int(g.Calls),
		Amount: model.Micro(g.AmountMicro), Action: model.GuardAction(strings.TrimPrefix(g.Action.String(), "GUARD_ACTION_")),
		Block: int(g.BlockS), Version: it.Version,
	}
}

func showMeasure(m wire.GuardMeasure) model.GuardMeasure {
	return model.GuardMeasure(strings.TrimPrefix(m.String(), "GUARD_MEASURE_"))
}

func (r *Resolver) putGuardRule(ctx context.Context, in model.GuardRulePutInput) (*model.GuardRulePutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindGuardRule, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			g := &wire.GuardRule{Id: in.Key}
			if old := cat.GuardRule(in.Key); old != nil {
				g = proto.CloneOf(old)
			}
			var f fields
			f.guardRule(g, in)
			return catalog.EntityOf(g), f.err
		},
	})
	payload := &model.GuardRulePutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.GuardRule = guardRule(out.item)
	}
	return payload, err
}

func (f *fields) guardRule(g *wire.GuardRule, in model.GuardRulePutInput) {
	set(&g.Name, in.Name)
	set(&g.Disabled, in.Disabled)
	keys := func(path string, to *[]string, o graphql.Omittable[[]string]) {
		given(to, o, func(id string) string { return f.key(path, catalog.KindAccount, id) })
	}
	keys("accounts", &g.Accounts, in.Accounts)
	keys("exceptAccounts", &g.ExceptAccounts, in.ExceptAccounts)
	replace(&g.Prefixes, in.Prefixes)
	f.decimal("priceFrom", &g.PriceFromNano, in.PriceFrom, 9)
	set(&g.Currency, in.Currency)
	given(&g.Hours, in.Hours, f.hours)
	f.zone("timeZone", &g.TimeZone, in.TimeZone)
	if m := value(in.Measure); m != nil {
		g.Measure = wire.GuardMeasure(wire.GuardMeasure_value["GUARD_MEASURE_"+string(*m)])
	}
	if a := value(in.Action); a != nil {
		g.Action = wire.GuardAction(wire.GuardAction_value["GUARD_ACTION_"+string(*a)])
	}
	f.count("window", &g.WindowS, in.Window)
	f.count("calls", &g.Calls, in.Calls)
	f.decimal("amount", &g.AmountMicro, in.Amount, 6)
	f.count("block", &g.BlockS, in.Block)
}

// guardTrip shows a trip; nil where the viewer may not see its account.
func (r *Resolver) guardTrip(ctx context.Context, t *guard.Trip) *model.GuardTrip {
	item, ok := r.find(ctx, catalog.KindAccount, t.Account)
	if !ok {
		return nil
	}
	out := &model.GuardTrip{
		ID: model.KindTrip + ":" + t.ID(), RuleID: model.ID(catalog.KindGuardRule, t.Rule), Account: *account(item), Subject: t.Subject,
		Measure: showMeasure(t.Measure), Window: int(t.WindowS), Blocks: t.Blocks, Lifted: t.Lifted, Count: int(t.Count),
		CallID: model.CallID(events.CallID(t.Call)), OriginatorID: model.ID(catalog.KindOriginator, t.Originator),
		Called: t.Called, Destination: t.Destination, Node: t.Node, At: events.Instant(t.AtUs), Until: events.Instant(t.UntilUs),
	}
	if t.Measure == wire.GuardMeasure_GUARD_MEASURE_SPEND_ON_DESTINATION {
		spent := amount(t.AmountMicro, t.Currency)
		out.Spent = &spent
	}
	return out
}

// guardTrips shows the trips of the accounts that the viewer may see.
func (r *Resolver) guardTrips(ctx context.Context, s span) (*model.Connection[model.GuardTrip], error) {
	var rows []row[*model.GuardTrip]
	for _, t := range r.Backend.GuardTrips() {
		if shown := r.guardTrip(ctx, &t); shown != nil {
			rows = append(rows, row[*model.GuardTrip]{shown.ID, shown})
		}
	}
	return pageOf(rows, s, r.asOf(), func(t *model.GuardTrip) *model.GuardTrip { return t })
}

// liftGuard lets the calls of a trip pass.
func (r *Resolver) liftGuard(ctx context.Context, in model.GuardLiftInput) (*model.GuardLiftPayload, error) {
	id, note := strings.TrimPrefix(in.Trip, model.KindTrip+":"), or(in.Note, "")
	var err error
	if len(note) > maxNote {
		err = events.Invalid("a note has at most %d bytes", maxNote).At("input.note")
	} else {
		err = r.Backend.LiftGuard(ctx, id, or(in.Until, time.Time{}), auth.FromContext(ctx).Actor, note)
	}
	if err != nil {
		errors, err := userErrors(err)
		return &model.GuardLiftPayload{UserErrors: errors}, err
	}
	payload := &model.GuardLiftPayload{UserErrors: []*model.UserError{}}
	trips := r.Backend.GuardTrips()
	if i := slices.IndexFunc(trips, func(t guard.Trip) bool { return t.ID() == id }); i >= 0 {
		payload.Trip = r.guardTrip(ctx, &trips[i])
	}
	return payload, nil
}
