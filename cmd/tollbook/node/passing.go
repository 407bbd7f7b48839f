package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/nats-io/nats.go"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/lease"
	"github.com/tollbook/tollbook/sip/dispatch"
	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// standBack is how long a holder of a shared address may keep the book, and
	// standBackEvery how often it looks.
	standBack      = 5 * time.Second
	standBackEvery = 5 * time.Second
	// caughtUp is how many events a node may be behind that is to keep the book.
	caughtUp = 1000
)

// emitSubject is where the node that has a shared listener's sockets takes what others
// say by it.
func emitSubject(listener string) string { return "tollbook.shared." + listener }

// openShares opens the way for messages of listeners that other nodes speak by. It
// closes after the doors.
func (n *Node) openShares(context.Context) error {
	if n.settings.group == nil {
		return nil
	}
	conn, err := n.server.Connect("listeners of other nodes")
	if err != nil {
		return err
	}
	n.sharing.conn.Store(conn)
	n.onClose(func() error { conn.Close(); return nil })
	return n.acceptPassed(conn)
}

// acceptPassed takes messages that came to other nodes and are for this one, and sends
// what others say to far ends that only this one can reach.
func (n *Node) acceptPassed(conn *nats.Conn) error {
	_, err := conn.Subscribe(nodeSubject(n.settings.Node, "sip"), func(m *nats.Msg) {
		if n.serving.Load() == nil {
			return // it is repeated
		}
		p, err := parcelOf(m)
		if err == nil {
			err = n.gate.Accept(p)
		}
		if err != nil {
			n.log.Warn("a SIP message that another node passed on", "err", err)
		}
	})
	if err != nil {
		return fmt.Errorf("take messages of other nodes' listeners: %w", err)
	}
	_, err = conn.Subscribe(nodeSubject(n.settings.Node, sayVerb), n.say)
	if err != nil {
		return fmt.Errorf("send for other nodes: %w", err)
	}
	return nil
}

// sayVerb is what another node asks that speaks by a listener of this one.
const sayVerb = "say"

// say sends what another node says by a listener whose sockets are here.
func (n *Node) say(m *nats.Msg) {
	p, err := parcelOf(m)
	send := func() {
		if err == nil {
			err = n.gate.Send(p)
		}
		if err != nil {
			n.log.Debug("what another node said could not be sent", "listener", p.Listener, "to", p.Far, "err", err)
		}
	}
	if p.Transport == "udp" || n.gate.Listener(p.Listener).Connected(p.Transport, p.Far) {
		send()
		return
	}
	go send() // it may have to connect
}

// prepareShares makes what the gate asks from its first message on.
func (n *Node) prepareShares() {
	n.sharing.held = map[netip.Addr]*holding{}
	n.sharing.promises = lease.NewPromises(n.term(), time.Now())
	n.sharing.dispatcher = dispatch.New(dispatch.Config{
		Node: n.settings.Node, Takes: n.takers, Stays: n.stays, Now: time.Now,
		Serves: func(id events.CallID) (string, bool) {
			if sw := n.serving.Load(); sw == nil || sw.Serves(id) {
				return n.settings.Node, true
			}
			c, ok := n.live.Get(id)
			return c.Node, ok && (c.Node == n.settings.Node || n.isUp(c.Node))
		},
	})
}

// emitFor has this node send what others say by a listener whose sockets are here.
func (n *Node) emitFor(l *gate.Listener) ([]*nats.Subscription, error) {
	sub, err := n.sharing.conn.Load().Subscribe(emitSubject(l.Name()), n.say)
	if err != nil {
		return nil, fmt.Errorf("send for the other nodes by listener %s: %w", l.Name(), err)
	}
	return []*nats.Subscription{sub}, nil
}

// The headers of a message between nodes.
const (
	headListener  = "Listener"
	headTransport = "Transport"
	headFar       = "Far"
	headName      = "Name"
	headNode      = "Node"
	headAt        = "At"
)

func parcelOf(m *nats.Msg) (gate.Parcel, error) {
	p := gate.Parcel{
		Listener: m.Header.Get(headListener), Transport: m.Header.Get(headTransport), Far: m.Header.Get(headFar),
		Name: m.Header.Get(headName), Node: m.Header.Get(headNode), Message: m.Data,
	}
	if at := m.Header.Get(headAt); at != "" {
		if err := json.Unmarshal([]byte(at), &p.At); err != nil {
			return p, fmt.Errorf("read where a listener of node %s is: %w", p.Node, err)
		}
	}
	return p, nil
}

func (n *Node) carry(subject string, p gate.Parcel) error {
	conn := n.sharing.conn.Load()
	if conn == nil {
		return errors.New("this node is not ready")
	}
	m := &nats.Msg{Subject: subject, Data: p.Message, Header: nats.Header{
		headListener: {p.Listener}, headTransport: {p.Transport}, headFar: {p.Far}, headName: {p.Name},
	}}
	if p.At != nil {
		at, err := json.Marshal(p.At)
		if err != nil {
			return err
		}
		m.Header[headNode], m.Header[headAt] = []string{p.Node}, []string{string(at)}
	}
	return conn.PublishMsg(m)
}

// Place tells which node is to have a message: by a shared listener that of its call, or
// one that takes new calls; by this node's own another only for what that has said by it.
func (n *Node) Place(by *gate.Listener, msg sip.Message) string {
	if by.Shared() {
		return n.sharing.dispatcher.Place(msg)
	}
	if n.sharing.conn.Load() == nil {
		return n.settings.Node
	}
	return n.sharing.dispatcher.Whose(msg)
}

// Pass brings a message that came here to the node that is to have it.
func (n *Node) Pass(node string, p gate.Parcel) error { return n.carry(nodeSubject(node, "sip"), p) }

// Emit has the node send whose listener it is, or, by a shared one, whoever holds its
// address.
func (n *Node) Emit(node string, p gate.Parcel) error {
	if node != "" {
		return n.carry(nodeSubject(node, sayVerb), p)
	}
	return n.carry(emitSubject(p.Listener), p)
}

// stays tells of calls to a contact that we have registered from the shared address:
// the registration is known here alone.
func (n *Node) stays(req *sip.Request) bool {
	_, _, ours := n.outbound.Owner(req.Source(), req.Recipient, req.To().Address)
	return ours
}

// takers are the nodes that take new calls that come to a shared address: all that are
// up and not drained, if they are to be spread, else this one. While this one is drained
// the others take them.
func (n *Node) takers() []dispatch.Load {
	var out []dispatch.Load
	draining := n.sw.Draining()
	if !draining {
		out = append(out, dispatch.Load{Node: n.settings.Node, Calls: n.sw.Calls(), Most: n.settings.MaxCalls})
	}
	if !n.settings.Shared.Dispatch && !draining {
		return out
	}
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, m := range n.members.of {
		if m.takesCalls() {
			out = append(out, dispatch.Load{Node: name, Calls: m.Calls, Most: m.MaxCalls})
		}
	}
	return out
}

// isUp says that another node answered within the last seconds.
func (n *Node) isUp(node string) bool {
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	m := n.members.of[node]
	return m != nil && m.up()
}

// keepElsewhere leaves the book to a node that holds no shared address, where there is
// one: a node's death should not stop both at once.
func (n *Node) keepElsewhere(ctx context.Context) error {
	tick := time.NewTicker(standBackEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if to := n.betterKeeper(); to != "" {
				n.log.Info("this node holds a shared address and leaves the book to another", "to", to)
				if err := n.server.StepDown(ctx, cluster.StreamBook, to); err != nil {
					n.log.Warn("the book could not be left to another node", "to", to, "err", err)
				}
			}
		}
	}
}

// betterKeeper is a node that should keep the book instead of this one, "" if there is
// none.
func (n *Node) betterKeeper() string {
	n.sharing.mu.Lock()
	long := false
	for _, h := range n.sharing.held {
		long = long || time.Since(h.since) > standBack
	}
	n.sharing.mu.Unlock()
	if !long || !n.server.Clustered() || !n.terms.Keeps() {
		return ""
	}
	pos, _ := n.follower.Position()
	n.members.mu.Lock()
	defer n.members.mu.Unlock()
	for name, m := range n.members.of {
		if time.Since(m.seen) < 2*lookEvery && !m.Witness && len(m.Holds) == 0 && m.Position+caughtUp > pos && m.ahead.Abs() < clockMost/2 {
			return name
		}
	}
	return ""
}
