package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/model"
)

func (r *Resolver) putRoutePlan(ctx context.Context, in model.RoutePlanPutInput) (*model.RoutePlanPutPayload, error) {
	out, err := r.edit(ctx, edit{
		ref:      catalog.Ref{Kind: catalog.KindRoutePlan, ID: in.Key},
		expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			p := &wire.RoutePlan{Id: in.Key}
			if old, ok := cat.Get(catalog.Ref{Kind: catalog.KindRoutePlan, ID: in.Key}); ok {
				p = proto.CloneOf(old.Entity.GetRoutePlan())
			}
			set(&p.Name, in.Name)
			var f fields
			f.plan(p, in)
			return catalog.EntityOf(p), f.err
		},
	})
	payload := &model.RoutePlanPutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.RoutePlan = routePlan(out.item)
	}
	return payload, err
}

func (r *Resolver) putRoute(ctx context.Context, in model.RoutePutInput) (*model.RoutePutPayload, error) {
	var f fields
	plan := f.key("plan", catalog.KindRoutePlan, in.Plan)
	to := f.key("terminator", catalog.KindTerminator, in.Terminator)
	prefix := strings.TrimPrefix(in.Prefix, "+")
	id := catalog.RouteID(plan, prefix, to)
	ref := catalog.Ref{Kind: catalog.KindRoute, ID: id}
	out, err := r.edit(ctx, edit{
		ref: ref, expected: in.ExpectedVersion, dryRun: in.DryRun,
		build: func(cat *catalog.State) (*wire.Entity, error) {
			rt := &wire.Route{Id: id, Plan: plan, Prefix: prefix, Terminator: to}
			if old, ok := cat.Get(ref); ok {
				rt = proto.CloneOf(old.Entity.GetRoute())
			}
			f.count("priority", &rt.Priority, in.Priority)
			f.count("weight", &rt.Weight, in.Weight)
			set(&rt.Disabled, in.Disabled)
			f.route(rt, in)
			return catalog.EntityOf(rt), f.err
		},
	})
	payload := &model.RoutePutPayload{Position: out.position, UserErrors: list(out.errors)}
	if out.item.Entity != nil {
		payload.Route = route(out.item)
	}
	return payload, err
}

// routesOf gives a plan's routes by prefix, then priority, then terminator.
func (r *Resolver) routesOf(ctx context.Context, plan string) []row[catalog.Item] {
	rows := r.list(ctx, catalog.KindRoute, func(e *wire.Entity) bool { return e.GetRoute().Plan == plan })
	for i := range rows {
		rt := rows[i].node.Entity.GetRoute()
		rows[i].key = fmt.Sprintf("%s/%010d/%s", rt.Prefix, rt.Priority, rt.Terminator)
	}
	slices.SortFunc(rows, func(a, b row[catalog.Item]) int { return strings.Compare(a.key, b.key) })
	return rows
}
