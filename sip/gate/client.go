package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/transaction"
)

// Client sends requests. A request says by which listener it leaves in its Laddr
// (Listener.Local), over what in its transport, and where to in its destination;
// a destination that is a name is looked up.
type Client struct{ gate *Gate }

// Client sends requests by the listeners that they name.
func (g *Gate) Client() Client { return Client{g} }

// TransactionRequest sends a request in a transaction of its own. One without a Via
// gets one; it is complete otherwise, and not to be changed any more.
func (c Client) TransactionRequest(ctx context.Context, req *sip.Request) (*transaction.Client, error) {
	l, way, err := c.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return l.layer.Request(req, way)
}

// Sent is a request that was sent without a transaction. The zero value is none.
type Sent struct {
	way  transaction.Way
	data []byte
}

// Again sends it once more.
func (s Sent) Again() error {
	if s.way == nil {
		return errors.New("send a request again: it was never sent")
	}
	return s.way.Write(s.data)
}

// WriteRequest sends a request without a transaction, as the ACK of a 2xx is.
func (c Client) WriteRequest(req *sip.Request) (Sent, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	_, way, err := c.prepare(ctx, req)
	if err != nil {
		return Sent{}, err
	}
	s := Sent{way, transaction.Encode(req)}
	return s, s.Again()
}

// prepare finds the way of a request, opening a connection where it needs one, and
// gives it what every request must have on it.
func (c Client) prepare(ctx context.Context, req *sip.Request) (*Listener, transaction.Way, error) {
	l := c.gate.Listener(req.Laddr.Hostname)
	network := sip.NetworkToLower(req.Transport())
	port, served := l.config.Ports[network]
	if !served {
		return nil, nil, fmt.Errorf("send %s: listener %s does not serve %q", req.Method, l.Name(), network)
	}
	to, name, err := l.destination(ctx, req.Destination(), network)
	if err != nil {
		return nil, nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	req.SetDestination(to.String())
	req.Laddr = l.Local()
	if !hasVia(req) {
		via := &sip.ViaHeader{
			ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: sip.NetworkToUpper(network), Host: l.Host(), Port: int(port),
			Params: sip.HeaderParams{{K: "branch", V: l.branch()}, {K: "rport"}},
		}
		req.PrependHeader(via)
	}
	if req.Body() == nil {
		req.SetBody(nil) // it says that its length is 0
	}
	if network == "udp" {
		return l, &datagrams{l, to}, nil
	}
	return l, &connected{l, network, to.String(), name}, l.Connect(ctx, network, to, name)
}

// hasVia looks for the Via that we have put there, and does not parse others.
func hasVia(req *sip.Request) bool {
	for _, h := range req.Headers() {
		if _, ok := h.(*sip.ViaHeader); ok {
			return true
		}
	}
	return false
}

// destination finds the address behind a destination, and the name that it goes by.
func (l *Listener) destination(ctx context.Context, text, network string) (to netip.AddrPort, name string, err error) {
	if to, err := netip.ParseAddrPort(text); err == nil {
		return netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), to.Addr().String(), nil
	}
	host, port, err := sip.ParseAddr(text)
	if err != nil {
		return to, "", fmt.Errorf("destination: %w", err)
	}
	to, err = l.resolve(ctx, host, port, network)
	return to, host, err
}

func (l *Listener) resolve(ctx context.Context, host string, port int, network string) (netip.AddrPort, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
	}
	g := l.gate
	if g.config.Resolve == nil {
		return netip.AddrPort{}, fmt.Errorf("%q is a name, and there is nothing to look it up with", host)
	}
	to, err := g.config.Resolve(ctx, l, host, port, network)
	if err == nil {
		g.Admit(to.Addr())
	}
	return to, err
}
