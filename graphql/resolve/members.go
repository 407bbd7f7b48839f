package resolve

import (
	"context"
	"net/netip"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/model"
)

// members shows the nodes of the cluster.
func (r *Resolver) members() []*model.Member {
	var out []*model.Member
	for _, m := range r.Backend.Members() {
		out = append(out, member(m))
	}
	return out
}

func member(m Member) *model.Member {
	node := &model.Member{
		Draining: m.Draining, Holds: texts(m.Holds),
		Name: m.Name, Up: m.Up, KeepsBook: m.Keeps, Witness: m.Witness, Whole: m.Whole, Calls: m.Calls, MaxCalls: m.MaxCalls, ClockAhead: m.Ahead,
		Address: text(m.Address), Sip: text(m.SIP), Version: text(m.Version),
	}
	if !m.Seen.IsZero() {
		seen, at := m.Seen, m.Position
		node.SeenAt, node.Position = &seen, &at
	}
	if m.DiffersAt != 0 {
		differs, equal := m.DiffersAt, m.EqualTo
		node.DiffersAt, node.EqualTo = &differs, &equal
	}
	return node
}

// texts writes addresses.
func texts(all []netip.Addr) []string {
	out := make([]string, 0, len(all))
	for _, a := range all {
		out = append(out, a.String())
	}
	return out
}

// drain has a node take no new calls, or take them again.
func (r *Resolver) drain(ctx context.Context, in model.NodeDrainInput, on bool) (*model.NodeDrainPayload, error) {
	find := func() int {
		return slices.IndexFunc(r.Backend.Members(), func(m Member) bool { return m.Name == in.Node })
	}
	var err error = events.NotFound("there is no node %.80q in the cluster", in.Node).At("input.node")
	if find() >= 0 {
		err = r.Backend.Drain(ctx, in.Node, on, auth.FromContext(ctx).Actor)
	}
	if err != nil {
		mistakes, err := userErrors(err)
		return &model.NodeDrainPayload{UserErrors: mistakes}, err
	}
	payload := &model.NodeDrainPayload{UserErrors: []*model.UserError{}}
	if at := find(); at >= 0 {
		payload.Member = member(r.Backend.Members()[at])
	}
	return payload, nil
}

// removeNode takes a node out of the cluster: first it is written down that it is not
// let in again, then the servers forget it. Asked again, it goes on where it broke off.
func (r *Resolver) removeNode(ctx context.Context, in model.NodeRemoveInput) (*model.NodeRemovePayload, error) {
	if err := r.mayRemove(in); err != nil {
		mistakes, err := userErrors(err)
		return &model.NodeRemovePayload{UserErrors: mistakes}, err
	}
	out, err := r.edit(ctx, edit{ref: settingsRef, build: func(cat *catalog.State) (*wire.Entity, error) {
		s := proto.CloneOf(cat.Settings())
		if !slices.Contains(s.RemovedNodes, in.Node) {
			s.RemovedNodes = append(s.RemovedNodes, in.Node)
		}
		return catalog.EntityOf(s), nil
	}})
	payload := &model.NodeRemovePayload{Position: out.position, UserErrors: list(out.errors)}
	if err != nil || len(out.errors) > 0 {
		return payload, err
	}
	if err := r.Backend.RemoveNode(ctx, in.Node, auth.FromContext(ctx).Actor); err != nil {
		payload.UserErrors, err = userErrors(err)
		return payload, err
	}
	payload.Node = &in.Node
	return payload, nil
}

// mayRemove says why a node must stay.
func (r *Resolver) mayRemove(in model.NodeRemoveInput) error {
	members := r.Backend.Members()
	at := slices.IndexFunc(members, func(m Member) bool { return m.Name == in.Node })
	switch {
	case at < 0 && !slices.Contains(r.Backend.Catalog().Settings().GetRemovedNodes(), in.Node):
		return events.NotFound("there is no node %.80q in the cluster", in.Node).At("input.node")
	case at < 0:
		return nil // a removal that was begun
	case members[at].Up && !or(in.Force, false):
		return events.Refuse(events.CodeConflict, "node %s is up, with %d calls: drain and stop it, or force its removal", in.Node, members[at].Calls).At("input.node")
	}
	return nil
}
