package gate

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Hidden tells whether a host that a far end names is an address of a private network
// while we hear him from a public one: a router stands between, and he is reached only
// where he is heard from.
func Hidden(host, source string) bool {
	named, err := netip.ParseAddr(bare(host))
	if err != nil {
		return false
	}
	from, err := netip.ParseAddrPort(source)
	if err != nil {
		return false
	}
	heard := from.Addr().Unmap()
	return inner(named.Unmap()) && !inner(heard) && !heard.IsLoopback()
}

// shared are addresses between a carrier and his routers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func inner(a netip.Addr) bool { return a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a) }

// Respond answers. A far end behind a router that did not ask for it (RFC 3581) is
// answered where he was heard from, too.
func (a *arrival) Respond(res *sip.Response) error {
	if a.back != "" {
		res.SetDestination(a.back)
	}
	return a.ServerTransaction.Respond(res)
}

// back is where the answers to a request go in place of where its Via says; "" is no
// other place. Over a connection they take that one anyway.
func back(req *sip.Request) string {
	via := req.Via()
	if via == nil || sip.IsReliable(req.Transport()) || !Hidden(via.Host, req.Source()) {
		return ""
	}
	return req.Source()
}
