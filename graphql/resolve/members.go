package resolve

import "github.com/tollbook/tollbook/graphql/model"

// members shows the nodes of the cluster.
func (r *Resolver) members() []*model.Member {
	var out []*model.Member
	for _, m := range r.Backend.Members() {
		node := &model.Member{
			Name: m.Name, Up: m.Up, KeepsBook: m.Keeps, Calls: m.Calls, MaxCalls: m.MaxCalls, ClockAhead: m.Ahead,
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
		out = append(out, node)
	}
	return out
}
