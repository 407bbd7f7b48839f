package node

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
	"github.com/tollbook/tollbook/sip/outbound"
	"github.com/tollbook/tollbook/sip/overload"
)

// bindSIP takes the ports of the signalling.
func (n *Node) bindSIP(context.Context) error {
	n.prepareShares()
	if err := n.identify(); err != nil {
		return err
	}
	var err error
	if n.locate, err = locate.New(n.settings.DNS); err != nil {
		return err
	}
	n.gate, err = gate.Open(gate.Config{
		Listeners: n.settings.sip, UserAgent: "Tollbook/" + Version, Known: n.known, Rejected: n.rejected,
		Resolve: n.resolve, Node: n.settings.Node, Share: n, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		return n.gate.Close(ctx)
	})
	return nil
}

// identify reads the certificates of those listeners that have one.
func (n *Node) identify() error {
	for i, one := range n.settings.SIP {
		if one.Certificate == "" {
			continue
		}
		id, err := gate.LoadIdentity(one.Certificate, one.Key, one.Authorities, func(err error) {
			n.log.Error("a renewed certificate cannot be used; the old one stays", "listener", one.Name, "err", err)
		})
		if err != nil {
			return fmt.Errorf("listener %s: %w", one.Name, err)
		}
		n.settings.sip[i].Identity = id
	}
	return nil
}

// resolve finds where a request within a dialog goes whose hop is a name.
func (n *Node) resolve(ctx context.Context, by *gate.Listener, host string, port int, transport string) (netip.AddrPort, error) {
	list, err := n.locate.Locate(ctx, locate.Target{Host: host, Port: uint16(port), Transport: transport, Six: by.Addr().Is6()})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return list[0].Addr, nil
}

// makeOutbound makes what pings terminators and keeps our registrations elsewhere.
func (n *Node) makeOutbound() {
	n.outbound = outbound.New(outbound.Config{
		Node: n.settings.Node, Gate: n.gate, Locate: n.locate, Catalog: n.follower.Catalog, Secrets: n.key,
		Record: n.audit.observe, Log: n.log, Holds: func(listener string) bool { return n.gate.Listener(listener).Here() },
	})
}

// askOthers begins with that. It ends before the doors close: registrations are
// taken back, so that no call comes to a node that is going.
func (n *Node) askOthers() {
	ctx, stop := context.WithCancel(n.ctx)
	done := make(chan struct{})
	n.task("pings and registrations", func(context.Context) error {
		defer close(done)
		return n.outbound.Run(ctx)
	})
	n.onClose(func() error {
		stop()
		<-done
		return nil
	})
}

// TerminatorState is what pings know of a terminator.
func (n *Node) TerminatorState(id string) (resolve.TerminatorState, bool) {
	s, pinged := n.outbound.Terminator(id)
	return resolve.TerminatorState{
		Up: s.Up, Since: s.Since, PingedAt: s.At, Took: s.Took, Reason: s.Reason, Address: s.Address,
	}, pinged
}

// RegistrationState is how a registration of this node's stands.
func (n *Node) RegistrationState(id string) (resolve.RegistrationState, bool) {
	s, ours := n.outbound.Registration(id)
	return resolve.RegistrationState{
		Registered: s.Registered, Since: s.Since, AskedAt: s.At, Until: s.Until, Next: s.Next,
		Reason: s.Reason, Address: s.Address, Contact: s.Contact, Failures: s.Failures,
	}, ours
}

// controller makes what keeps new calls from coming faster than they are decided.
func (n *Node) controller() *overload.Controller {
	return overload.New(overload.Config{
		Latency: n.settings.latency, Waiting: n.settings.Overload.Waiting,
		Changed: func(perSecond int) {
			if perSecond == 0 {
				n.log.Warn("all new calls are let in again")
				return
			}
			n.log.Warn("new calls wait too long for their decision: fewer are let in", "per_second", perSecond)
		},
	})
}
