package resolve

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/99designs/gqlgen/graphql"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func numberList(it catalog.Item) *model.NumberList {
	l := it.Entity.GetNumberList()
	return &model.NumberList{
		ID: model.ID(catalog.KindNumberList, l.Id), Key: l.Id, Name: l.Name,
		Prefixes: append([]string{}, l.Prefixes...), Numbers: append([]string{}, l.Numbers...), Version: it.Version,
	}
}

func (r *Resolver) putNumberList(ctx context.Context, in model.NumberListPutInput) (*model.NumberListPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindNumberList, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			l := &wire.NumberList{Id: in.Key}
			if old := cat.NumberList(in.Key); old != nil {
				l = proto.CloneOf(old)
			}
			set(&l.Name, in.Name)
			replace(&l.Prefixes, in.Prefixes)
			replace(&l.Numbers, in.Numbers)
			return catalog.EntityOf(l), nil
		},
	})
	payload := &model.NumberListPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.NumberList = numberList(out.item)
	}
	return payload, err
}

// replace copies a list as it is.
func replace[T any](to *[]T, o graphql.Omittable[[]T]) {
	if v, given := o.ValueOK(); given {
		*to = v
	}
}

// each converts a list, to one that is never nil.
func each[A, B any](in []A, convert func(A) B) []B {
	out := make([]B, 0, len(in))
	for _, a := range in {
		out = append(out, convert(a))
	}
	return out
}

// given converts a list of an edit.
func given[A, B any](to *[]B, o graphql.Omittable[[]A], convert func(A) B) {
	if v, ok := o.ValueOK(); ok {
		*to = each(v, convert)
	}
}

func fieldOf(f model.NumberField) wire.NumberField {
	return wire.NumberField(wire.NumberField_value["NUMBER_FIELD_"+string(f)])
}

func showField(f wire.NumberField) model.NumberField {
	return model.NumberField(f.String()[len("NUMBER_FIELD_"):])
}

func showFigure(f wire.QualityFigure) model.QualityFigure {
	return model.QualityFigure(f.String()[len("QUALITY_FIGURE_"):])
}

func rewrites(rules []*wire.RewriteRule) []*model.RewriteRule {
	return each(rules, func(r *wire.RewriteRule) *model.RewriteRule {
		return &model.RewriteRule{Field: showField(r.Field), Pattern: r.Pattern, Replacement: r.Replacement, Last: r.Last}
	})
}

func rewriteOf(r *model.RewriteRuleInput) *wire.RewriteRule {
	return &wire.RewriteRule{Field: fieldOf(r.Field), Pattern: r.Pattern, Replacement: r.Replacement, Last: or(r.Last, false)}
}

func listUses(uses []*wire.ListUse) []*model.ListUse {
	return each(uses, func(u *wire.ListUse) *model.ListUse {
		return &model.ListUse{ListID: model.ID(catalog.KindNumberList, u.List), Field: showField(u.Field), Allow: u.Allow}
	})
}

// uses copies the lists of a peer.
func (f *fields) uses(to *[]*wire.ListUse, o graphql.Omittable[[]*model.ListUseInput]) {
	given(to, o, func(u *model.ListUseInput) *wire.ListUse {
		return &wire.ListUse{List: f.key("lists", catalog.KindNumberList, u.List), Field: fieldOf(u.Field), Allow: or(u.Allow, false)}
	})
}

// natural is an optional number that must not be negative.
func (f *fields) natural(path string, o graphql.Omittable[*int]) uint32 {
	var n uint32
	f.count(path, &n, o)
	return n
}

func (f *fields) prefixLimits(to *[]*wire.PrefixLimit, o graphql.Omittable[[]*model.PrefixLimitInput]) {
	given(to, o, func(l *model.PrefixLimitInput) *wire.PrefixLimit {
		return &wire.PrefixLimit{
			Prefix: l.Prefix, Channels: f.natural("prefixLimits", l.Channels), CallsPerSecond: f.natural("prefixLimits", l.CallsPerSecond),
		}
	})
}

// plan copies a plan's order and rules.
func (f *fields) plan(p *wire.RoutePlan, in model.RoutePlanPutInput) {
	given(&p.Order, in.Order, func(o *model.OrderByInput) *wire.OrderBy {
		by := &wire.OrderBy{
			Criterion: wire.Criterion(wire.Criterion_value["CRITERION_"+string(o.Criterion)]),
			Step:      uint64(f.natural("order", o.Step)), WindowS: f.natural("order", o.Window),
			MinimumAttempts: f.natural("order", o.MinimumAttempts),
		}
		if figure := value(o.Figure); figure != nil {
			by.Figure = wire.QualityFigure(wire.QualityFigure_value["QUALITY_FIGURE_"+string(*figure)])
		}
		return by
	})
	given(&p.HuntRules, in.HuntRules, func(h *model.HuntRuleInput) *wire.HuntRule {
		return &wire.HuntRule{SipCode: f.natural("huntRules", h.SipCode), Q850: f.natural("huntRules", h.Q850), Stop: h.Stop}
	})
}

// route copies what says for whom, when and how long a route is.
func (f *fields) route(r *wire.Route, in model.RoutePutInput) {
	replace(&r.CallerPrefixes, in.CallerPrefixes)
	given(&r.Hours, in.Hours, f.hours)
	f.zone("timeZone", &r.TimeZone, in.TimeZone)
	f.duration("pddTimeout", &r.PddTimeoutMs, in.PddTimeout, time.Millisecond)
	f.duration("ringTimeout", &r.RingTimeoutMs, in.RingTimeout, time.Millisecond)
}

// hours is a span of the week.
func (f *fields) hours(h *model.HoursInput) *wire.Hours {
	return &wire.Hours{
		FromMinute: f.natural("hours", graphql.OmittableOf(&h.FromMinute)), ToMinute: f.natural("hours", graphql.OmittableOf(&h.ToMinute)),
	}
}

// zone copies the name of a time zone; empty is UTC.
func (f *fields) zone(path string, to *string, o graphql.Omittable[*string]) {
	if name := or(o, ""); name != "" {
		if _, err := time.LoadLocation(name); err != nil || name == "Local" {
			f.fail(path, events.Invalid("%.80q is not an IANA name such as Europe/Berlin", name))
		}
	}
	set(to, o)
}

func showOrder(list []*wire.OrderBy) []*model.OrderBy {
	return each(list, func(o *wire.OrderBy) *model.OrderBy {
		out := &model.OrderBy{
			Criterion: model.Criterion(o.Criterion.String()[len("CRITERION_"):]), Step: int(o.Step),
			Window: int(o.WindowS), MinimumAttempts: int(o.MinimumAttempts),
		}
		if o.Figure != 0 {
			figure := showFigure(o.Figure)
			out.Figure = &figure
		}
		return out
	})
}

func showHunt(list []*wire.HuntRule) []*model.HuntRule {
	return each(list, func(h *wire.HuntRule) *model.HuntRule {
		return &model.HuntRule{SipCode: int(h.SipCode), Q850: int(h.Q850), Stop: h.Stop}
	})
}

func showHours(list []*wire.Hours) []*model.Hours {
	return each(list, func(h *wire.Hours) *model.Hours {
		return &model.Hours{FromMinute: int(h.FromMinute), ToMinute: int(h.ToMinute)}
	})
}

func showLimits(list []*wire.PrefixLimit) []*model.PrefixLimit {
	return each(list, func(l *wire.PrefixLimit) *model.PrefixLimit {
		return &model.PrefixLimit{Prefix: l.Prefix, Channels: int(l.Channels), CallsPerSecond: int(l.CallsPerSecond)}
	})
}
