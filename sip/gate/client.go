package gate

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Client sends requests. A request says by which listener it leaves in its Laddr
// (Listener.Local), over what in its transport, and where to in its destination;
// a destination that is a name is looked up.
type Client struct{ gate *Gate }

// Client sends requests by the listeners that they name.
func (g *Gate) Client() Client { return Client{g} }

// TransactionRequest sends a request in a transaction of its own.
func (c Client) TransactionRequest(ctx context.Context, req *sip.Request, options ...sipgo.ClientRequestOption) (sip.ClientTransaction, error) {
	by, err := c.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return by.TransactionRequest(ctx, req, options...)
}

// TransactionDigestAuth sends a request again with the answer to a challenge.
func (c Client) TransactionDigestAuth(ctx context.Context, req *sip.Request, challenge *sip.Response, auth sipgo.DigestAuth) (sip.ClientTransaction, error) {
	by, err := c.prepare(ctx, req)
	if err != nil {
		return nil, err
	}
	return by.TransactionDigestAuth(ctx, req, challenge, auth)
}

// WriteRequest sends a request without a transaction, as the ACK of a 2xx is.
func (c Client) WriteRequest(req *sip.Request, options ...sipgo.ClientRequestOption) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialWithin)
	defer cancel()
	by, err := c.prepare(ctx, req)
	if err != nil {
		return err
	}
	return by.WriteRequest(req, options...)
}

// prepare finds the way of a request, opening a connection where it needs one.
func (c Client) prepare(ctx context.Context, req *sip.Request) (*sipgo.Client, error) {
	l := c.gate.Listener(req.Laddr.Hostname)
	network := sip.NetworkToLower(req.Transport())
	by := l.clients[network]
	if by == nil {
		return nil, fmt.Errorf("send %s: listener %s does not serve %q", req.Method, l.Name(), network)
	}
	host, port, err := sip.ParseAddr(req.Destination())
	if err != nil {
		return nil, fmt.Errorf("send %s: destination: %w", req.Method, err)
	}
	to, err := l.resolve(ctx, host, port, network)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", req.Method, err)
	}
	req.SetDestination(to.String())
	req.Laddr = l.Local()
	if network == "udp" {
		req.Laddr.Port = int(l.config.Ports["udp"])
		return by, nil
	}
	return by, l.Connect(ctx, network, to, host)
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
