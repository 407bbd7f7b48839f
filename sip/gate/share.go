package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Share is the way between the nodes of a cluster that use one listener: one node has
// its sockets, and each call's dialogs and transactions are on one node, which may be
// another. Messages go between the two as they stood on the wire.
type Share interface {
	// Place tells which node is to have a message that came by a listener: by a shared
	// one any may be meant, by one of this node's own whoever speaks by it (Foreign).
	Place(by *Listener, msg sip.Message) (node string)
	// Pass brings a message that came to the node that is to have it, which takes it by
	// Accept. It must not keep the message, nor wait.
	Pass(node string, p Parcel) error
	// Emit brings a message to the node that has the sockets, which sends it by Send: to
	// the one that is named, or, if none is, to whoever holds the listener's address. It
	// must not keep the message, nor wait.
	Emit(node string, p Parcel) error
}

// Parcel is a message on its way between two nodes.
type Parcel struct {
	// Listener is its name where the message goes.
	Listener string
	// Transport is that of the message, in small letters; Far is the far end's address
	// and port, and Name what its certificate is to be for, if we connect to it.
	Transport, Far, Name string
	Message              []byte
	// Node and At tell whose listener a message came by and where that is, if it is no
	// shared one.
	Node string
	At   *Place
}

// passed hands a message that another node is to have to that node; as it stood on the
// wire, where that is known.
func (l *Listener) passed(msg sip.Message, p Parcel) bool {
	share := l.gate.config.Share
	if share == nil {
		return false
	}
	node := share.Place(l, msg)
	if node == l.gate.config.Node {
		return false
	}
	if p.Message == nil {
		p.Message = []byte(msg.String())
	}
	if p.Listener = l.Name(); !l.config.Shared {
		at := l.Place()
		p.Node, p.At = l.gate.config.Node, &at
	}
	if err := share.Pass(node, p); err != nil {
		l.gate.config.Log.Warn("a SIP message could not be passed to the node that is to have it", "to", node, "err", err)
	}
	return true
}

// emit has the node that holds the listener's address send.
func (l *Listener) emit(p Parcel) error {
	share := l.gate.config.Share
	if !l.config.Shared || share == nil {
		return errors.New("the listener is closed")
	}
	p.Listener = strings.TrimPrefix(l.Name(), l.of+"/")
	return share.Emit(l.of, p)
}

// byWhich is the listener that a message of another node's came by.
func (g *Gate) byWhich(p Parcel) (*Listener, error) {
	if p.At != nil {
		return g.Foreign(p.Node, p.Listener, *p.At)
	}
	l := g.byName[p.Listener]
	if l == nil || !l.config.Shared {
		return nil, fmt.Errorf("take a message of another node's: there is no shared listener %q here", p.Listener)
	}
	return l, nil
}

// Accept takes a message that came to another node, by a shared listener or one of its
// own, and was let in there.
func (g *Gate) Accept(p Parcel) error {
	l, err := g.byWhich(p)
	if err != nil || g.deaf.Load() {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			g.config.Log.Error("a SIP message made its parser panic", "panic", r, "source", p.Far, "stack", string(debug.Stack()))
		}
	}()
	from, err := netip.ParseAddrPort(p.Far)
	if err != nil {
		return fmt.Errorf("take a message of another node's: %w", err)
	}
	msg, err := l.parser.ParseSIP(p.Message)
	if err != nil {
		return fmt.Errorf("take a message of another node's: %w", err)
	}
	msg.SetTransport(strings.ToUpper(p.Transport))
	msg.SetSource(p.Far)
	if p.Transport == "udp" {
		l.layer.Receive(msg, l.wayBack(msg, from))
		return nil
	}
	l.layer.Receive(msg, &connected{by: l, network: p.Transport, to: p.Far})
	return nil
}

// Send sends what another node says by a listener whose sockets are here, and lets the
// answers in.
func (g *Gate) Send(p Parcel) error {
	l := g.byName[p.Listener]
	if l == nil {
		return fmt.Errorf("send what another node says: there is no listener %q here", p.Listener)
	}
	to, err := netip.ParseAddrPort(p.Far)
	if err != nil {
		return fmt.Errorf("send what another node says: %w", err)
	}
	if !l.Here() {
		return fmt.Errorf("send what another node says: the sockets of listener %s are not here", l.Name())
	}
	g.Admit(to.Addr())
	if p.Transport == "udp" {
		return l.write(p.Message, to)
	}
	if !l.Connected(p.Transport, p.Far) {
		ctx, cancel := context.WithTimeout(context.Background(), dialWithin)
		defer cancel()
		if err := l.Connect(ctx, p.Transport, to, p.Name); err != nil {
			return err
		}
	}
	return (&connected{by: l, network: p.Transport, to: p.Far}).Write(p.Message)
}

// branch names a transaction of ours; by a shared listener it tells whose it is.
func (l *Listener) branch() string {
	branch := sip.GenerateBranchN(16)
	if l.config.Shared {
		branch += "." + l.gate.config.Node
	}
	return branch
}

// BranchNode is the node whose request by a shared listener a response answers, "" if
// that cannot be told.
func BranchNode(res *sip.Response) string {
	via := res.Via()
	if via == nil {
		return ""
	}
	branch, _ := via.Params.Get("branch")
	random, node, ok := strings.Cut(strings.TrimPrefix(branch, sip.RFC3261BranchMagicCookie+"."), ".")
	if !ok || random == "" {
		return ""
	}
	return node
}
