package resolve

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/ledger"
	numbers "github.com/tollbook/tollbook/events/number"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/lookup"
)

// Router is the switch's routing as the API needs it.
type Router interface {
	// WorldAt is the configuration with its prices as of a position of the book, or
	// else as of an instant; both zero is now. It gives the instant, too.
	WorldAt(ctx context.Context, position events.Position, at time.Time) (*routing.World, time.Time, error)
	// Quality tells how calls by a terminator to a prefix went before an instant.
	Quality(terminator, prefix string, windowS uint32, nowUS int64) routing.Quality
}

// simulation is a question as the input asks it.
type simulation struct {
	question routing.Question
	position events.Position
	at       time.Time
	recorded *wire.CallRouted // of the call that the question is taken from
}

func (r *Resolver) simulate(ctx context.Context, in model.RouteSimulateInput) (*model.RouteSimulation, error) {
	s, err := r.question(ctx, in)
	if err != nil {
		return nil, asked(err)
	}
	world, at, err := r.Backend.WorldAt(ctx, s.position, s.at)
	if err != nil {
		return nil, asked(err)
	}
	q := &s.question
	q.Request.AtUS = events.Micros(at)
	var zones lookup.Zones
	q.Request.Offset = func(zone string) (int, bool) { return zones.Offset(zone, q.Request.AtUS) }
	used := "none"
	switch {
	case s.recorded != nil:
		used, q.Request.Quality = "recorded", routing.Recorded(s.recorded)
		q.Request.Guard = func(*routing.Request, *wire.Terms) string { return s.recorded.Guard }
	case s.position == 0 && s.at.IsZero():
		used, q.Request.Guard = "now", r.Backend.Guarded
		q.Request.Quality = func(terminator, prefix string, windowS uint32) routing.Quality {
			return r.Backend.Quality(terminator, prefix, windowS, q.Request.AtUS)
		}
		q.Request.Down = r.down
	}
	if q.Request.VendorOut, err = r.vendorsOut(ctx, world.Catalog, s, at); err != nil {
		return nil, asked(err)
	}
	answer := world.Simulate(*q)
	out := showSimulation(answer, world.Position, used)
	out.Evidence = simulatedEvidence(world, answer)
	return out, nil
}

// vendorsOut tells whose account is cut off: now, or by what was owed at the instant
// of the question.
func (r *Resolver) vendorsOut(ctx context.Context, cat *catalog.State, s *simulation, at time.Time) (func(account string) bool, error) {
	limited := slices.ContainsFunc(cat.List(catalog.KindAccount), func(it catalog.Item) bool { return it.Entity.GetAccount().CutOff })
	balance := r.Backend.Ledger
	switch past := s.position != 0 || !s.at.IsZero(); {
	case !limited:
		return nil, nil
	case past:
		position, err := r.Backend.PositionAt(ctx, at)
		if err != nil {
			return nil, err
		}
		then, err := r.Backend.StateAt(ctx, position)
		if err != nil {
			return nil, err
		}
		balance = then.Ledger.Balance
	}
	return func(account string) bool { return ledger.VendorOut(cat.Account(account), balance(account).Posted) }, nil
}

func showSimulation(a routing.Answer, position events.Position, used string) *model.RouteSimulation {
	out := &model.RouteSimulation{
		OriginatorID: model.OptionalID(catalog.KindOriginator, a.Request.Originator.GetId()), Refused: text(string(a.Refused)),
		Caller: a.Routed.Caller, Called: a.Routed.Called, Quality: used,
	}
	if a.Refused != "" {
		return out
	}
	out.Decision = decision(a.Decision.Record(a.Request, position))
	for i := range a.Out {
		out.Decision.Choices[i].CallerOut, out.Decision.Choices[i].CalledOut = &a.Out[i].Caller, &a.Out[i].Called
	}
	return out
}

// question reads the input; what a call tells is the default of what is given.
func (r *Resolver) question(ctx context.Context, in model.RouteSimulateInput) (*simulation, error) {
	s := &simulation{}
	if id := value(in.Call); id != nil {
		if err := r.fromCall(ctx, *id, s); err != nil {
			return nil, err
		}
	}
	q := &s.question
	if in.Originator.IsSet() {
		var f fields
		if q.Originator = f.key("originator", catalog.KindOriginator, or(in.Originator, "")); f.err != nil {
			return nil, f.err
		}
	}
	if source := value(in.Source); source != nil {
		addr, err := netip.ParseAddrPort(*source)
		if err != nil {
			return nil, events.Invalid("%.80q is not an address and port such as 192.0.2.1:5060", *source).At("input.source")
		}
		q.Source, q.Originator = addr, ""
	}
	set(&q.Numbers.Caller, in.Caller)
	set(&q.Numbers.Called, in.Called)
	set(&s.position, in.Position)
	if at := value(in.At); at != nil {
		s.at = *at
		if !in.Position.IsSet() {
			s.position = 0
		}
	}
	if in.Position.IsSet() || in.At.IsSet() {
		s.recorded = nil
	}
	if q.Numbers.Called == "" {
		return nil, events.Invalid("the number dialled is missing").At("input.called")
	}
	if q.Originator == "" && !q.Source.IsValid() {
		return nil, events.Invalid("who calls is missing: an originator or a source").At("input.originator")
	}
	return s, nil
}

// fromCall asks what a call that came did.
func (r *Resolver) fromCall(ctx context.Context, id string, s *simulation) error {
	unknown := events.NotFound("there is no such call").At("input.call")
	key, ok := model.ParseCallID(id)
	if !ok {
		if key, _, ok = model.ParseCdrID(id); !ok {
			return unknown
		}
	}
	c, err := r.History.Call(ctx, key)
	if errors.Is(err, history.ErrNotFound) {
		return unknown
	}
	if err != nil {
		return err
	}
	s.question.Request.Call = key
	for i := range c.Events {
		if e := c.Events[i].Body.GetCallReceived(); e != nil {
			s.question.Numbers = numbers.Set{Called: e.Called, Caller: e.Caller, CallerName: e.CallerName}
			s.question.Source, _ = netip.ParseAddrPort(e.Source)
			s.at = events.Instant(e.AtUs)
		}
	}
	if s.recorded = routedOf(&c); s.recorded != nil {
		s.position, s.at = events.Position(s.recorded.CatalogPosition), events.Instant(s.recorded.AtUs)
	}
	return nil
}
