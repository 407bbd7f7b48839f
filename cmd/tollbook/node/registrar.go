package node

import (
	"context"
	"net/netip"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/sip/registrar"
)

// openRegistrar makes the door at which strangers say who they are, and reads where
// the subscribers' devices are. It comes before anything is heard.
func (n *Node) openRegistrar(ctx context.Context) error {
	var err error
	n.door, err = registrar.NewDoor(registrar.DoorConfig{
		World: n.tables.World, Secrets: n.key, Banned: n.banned, Log: n.log,
	})
	if err != nil {
		return err
	}
	var store *registrar.KV
	err = n.server.Patiently(ctx, func(ctx context.Context) (err error) {
		store, err = registrar.OpenKV(ctx, n.server.JetStream(), n.server.Replicas())
		return err
	})
	if err != nil {
		return err
	}
	n.registrar, err = registrar.New(n.ctx, registrar.Config{
		Node: n.settings.Node, Gate: n.gate, Door: n.door, World: n.tables.World, Store: store, Up: n.isUp, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.gate.Ask(n.registrar)
	n.task("registrations", n.registrar.Keep)
	return nil
}

// banned records a ban.
func (n *Node) banned(b registrar.Ban) {
	n.audit.observe(&wire.Event{Body: &wire.Event_SourceBanned{SourceBanned: &wire.SourceBanned{
		Node: n.settings.Node, Address: b.Addr.String(), Reason: b.Reason, Failures: uint32(b.Failures), UntilUs: b.Until.UnixMicro(),
	}}})
}

// Bans are the sources that are not heard now.
func (n *Node) Bans() []resolve.Ban {
	var out []resolve.Ban
	for _, b := range n.door.Bans() {
		out = append(out, resolve.Ban{Addr: b.Addr, Node: n.settings.Node, Reason: b.Reason, Failures: b.Failures, Since: b.Since, Until: b.Until})
	}
	return out
}

// LiftBan hears a source again. It is false if it is not banned.
func (n *Node) LiftBan(addr netip.Addr, actor string) bool {
	if !n.door.Lift(addr) {
		return false
	}
	n.audit.observe(&wire.Event{Actor: actor, Body: &wire.Event_BanLifted{BanLifted: &wire.BanLifted{
		Node: n.settings.Node, Address: addr.String(),
	}}})
	return true
}

// Bindings are the devices of a subscriber that are registered now.
func (n *Node) Bindings(subscriber string) []resolve.Binding {
	var out []resolve.Binding
	for _, b := range n.registrar.Bindings(subscriber) {
		out = append(out, resolve.Binding{
			Contact: b.Contact, Source: b.Source, Transport: b.Transport, Node: b.Node, Agent: b.Agent, Q: b.Q, NAT: b.NAT,
			SinceUS: b.Since, RefreshedUS: b.Refreshed, ExpiresUS: b.Expires,
		})
	}
	return out
}
