package gate

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Hidden tells whether a host that a far end names is an address of a private network
// while we hear him from a public one: a router stands between, and he is reached only
// where he is heard from.
func Hidden(host, source string) bool {
	from, err := netip.ParseAddrPort(source)
	return err == nil && hidden(host, from.Addr().Unmap())
}

func hidden(host string, heard netip.Addr) bool {
	if inner(heard) || heard.IsLoopback() {
		return false
	}
	named, err := netip.ParseAddr(bare(host))
	return err == nil && inner(named.Unmap())
}

// shared are addresses between a carrier and his routers (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

func inner(a netip.Addr) bool { return a.IsPrivate() || a.IsLinkLocalUnicast() || shared.Contains(a) }

// replyTo is where the answers to a datagram go: to whom it came from, by the port
// that its Via names, or by the one it came from where he asked for that (RFC 3581) or
// is behind a router, which lets nothing else through (RFC 3261, section 18.2.2).
func replyTo(req *sip.Request, from netip.AddrPort) netip.AddrPort {
	via := req.Via()
	if via == nil {
		return from
	}
	if _, asked := via.Params.Get("rport"); asked || hidden(via.Host, from.Addr()) {
		return from
	}
	port := via.Port
	if port < 1 || port > 65535 {
		port = 5060
	}
	return netip.AddrPortFrom(from.Addr(), uint16(port))
}
