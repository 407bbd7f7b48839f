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
	// Place tells which node is to have a message that came by a shared listener.
	Place(by *Listener, msg sip.Message) (node string)
	// Pass brings a message that came to the node that is to have it, which takes it by
	// Accept. It must not keep the message, nor wait.
	Pass(node string, p Parcel) error
	// Emit brings a message to the node that has the sockets, which sends it by Send. It
	// must not keep the message, nor wait.
	Emit(p Parcel) error
}

// Parcel is a message on its way between two nodes.
type Parcel struct {
	// Listener is the shared one's name.
	Listener string
	// Transport is that of the message, in small letters; Far is the far end's address
	// and port, and Name what its certificate is to be for, if we connect to it.
	Transport, Far, Name string
	Message              []byte
}

// passed hands a message that another node is to have to that node.
func (l *Listener) passed(msg sip.Message, p Parcel) bool {
	share := l.gate.config.Share
	if !l.config.Shared || share == nil {
		return false
	}
	node := share.Place(l, msg)
	if node == l.gate.config.Node {
		return false
	}
	p.Listener = l.Name()
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
	p.Listener = l.Name()
	return share.Emit(p)
}

// shared finds a shared listener.
func (g *Gate) shared(name string) (*Listener, error) {
	l := g.byName[name]
	if l == nil || !l.config.Shared {
		return nil, fmt.Errorf("there is no shared listener %q here", name)
	}
	return l, nil
}

// Accept takes a message that came by a shared listener to another node, which has let
// its sender in.
func (g *Gate) Accept(p Parcel) error {
	l, err := g.shared(p.Listener)
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

// Send sends what another node says by a shared listener whose sockets are here, and
// lets the answers in.
func (g *Gate) Send(p Parcel) error {
	l, err := g.shared(p.Listener)
	if err != nil {
		return err
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
