// Package outside reaches servers that people have named: over TLS, by no proxy, where no
// redirect leads, and only at addresses of the public Internet unless others are allowed.
package outside

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// connecting bounds the making of a connection.
const connecting = 10 * time.Second

// Reach says what may be reached.
type Reach struct {
	// Allow are networks that may be reached although they are not of the public Internet,
	// and Setting names where they are said, for the error.
	Allow   []netip.Prefix
	Setting string
}

// Dialer makes connections to what may be reached.
func (r Reach) Dialer() *net.Dialer { return &net.Dialer{Timeout: connecting, Control: r.guard} }

// Client asks HTTPS servers for whom ca vouches (certificates in PEM; empty is the
// system's). It answers a redirect to its caller.
func (r Reach) Client(ca string) (*http.Client, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM([]byte(ca)) {
			return nil, errors.New("ca has no certificate")
		}
	}
	return &http.Client{
		Transport: &http.Transport{ // no proxy: it would reach what we may not
			TLSClientConfig: trust, DisableKeepAlives: true, DialContext: r.Dialer().DialContext,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// guard is asked with the address that a name led to, right before the connection: who
// names a server must not reach by it what only this machine can reach.
func (r Reach) guard(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address: %w", address, err)
	}
	addr := at.Addr().WithZone("").Unmap()
	if public(addr) || slices.ContainsFunc(r.Allow, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return nil
	}
	return fmt.Errorf("%s is no address of the public Internet; %s in the node's configuration allows it", addr, r.Setting)
}

// closed are what netip does not know as special: shared and reserved addresses, and
// those in IPv6 that lead to addresses of IPv4 (RFC 6890 and its updates).
var closed = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"),
}

func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) })
}
