// Package locate finds the addresses of a SIP server (RFC 3263): by NAPTR which
// transport it prefers, by SRV which hosts serve it, in which order and share, and
// their addresses. Answers are kept for as long as they say, those that there is
// nothing, too; addresses that failed a moment ago come last.
package locate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// MaxAddresses bounds what one target is located at.
	MaxAddresses = 16
	// avoidFor is how long an address that failed is tried last; maxAvoided bounds
	// how many are remembered.
	avoidFor   = 30 * time.Second
	maxAvoided = 10_000
)

// Target is where a request shall go.
type Target struct {
	// Host is a domain, a host's name or an address.
	Host string
	// Port is 0 where none is given: then SRV records are asked for.
	Port uint16
	// Transport is udp, tcp or tls; empty where none is given: then NAPTR records
	// are asked for.
	Transport string
	// Serves tells over which transports we can call; nil is all of them.
	Serves func(transport string) bool
	// Six asks for IPv6 addresses, otherwise for IPv4: a listener has one of them.
	Six bool
}

// Address is one way to a target.
type Address struct {
	Transport string
	Addr      netip.AddrPort
}

// String writes "udp 192.0.2.1:5060".
func (a Address) String() string { return a.Transport + " " + a.Addr.String() }

// Locator asks the DNS and remembers. It is made by New.
type Locator struct {
	cache *cache
	now   func() time.Time
	draw  func(n int) int // from 0 to n-1

	mu     sync.Mutex
	failed map[Address]time.Time
}

// New makes a Locator that asks servers, each an address with a port. Without any
// it asks those of /etc/resolv.conf.
func New(servers []string) (*Locator, error) {
	search := &dns.ClientConfig{Ndots: 1}
	if len(servers) == 0 {
		var err error
		if search, err = dns.ClientConfigFromFile("/etc/resolv.conf"); err != nil {
			return nil, fmt.Errorf("find out whom to ask for names: %w", err)
		}
		for _, s := range search.Servers {
			servers = append(servers, joinPort(s, search.Port))
		}
	}
	return &Locator{
		cache: newCache(servers, search, time.Now), now: time.Now, draw: rand.IntN, failed: map[Address]time.Time{},
	}, nil
}

// Locate gives the addresses of a target in the order in which they are to be tried;
// never none without an error.
func (l *Locator) Locate(ctx context.Context, t Target) ([]Address, error) {
	found, err := l.locate(ctx, t)
	if err == nil && len(found) == 0 {
		err = errNothing
	}
	if err != nil {
		return nil, fmt.Errorf("locate %s: %w", t.Host, err)
	}
	if len(found) > MaxAddresses {
		found = found[:MaxAddresses]
	}
	return l.order(found), nil
}

var errNothing = errors.New("the name has no address that we can call")

func (l *Locator) locate(ctx context.Context, t Target) ([]Address, error) {
	if addr, err := netip.ParseAddr(strings.Trim(t.Host, "[]")); err == nil {
		if addr = addr.Unmap(); addr.Is6() != t.Six {
			return nil, errors.New("the address is of the other family than the listener")
		}
		return []Address{at(cmp.Or(t.Transport, "udp"), addr, t.Port)}, nil
	}
	host := dns.Fqdn(strings.ToLower(t.Host))
	if t.Port != 0 {
		return l.addresses(ctx, cmp.Or(t.Transport, "udp"), host, t.Port, t.Six)
	}
	ways, err := l.ways(ctx, t, host)
	if err != nil {
		return nil, err
	}
	var out []Address
	for _, w := range ways {
		more, err := l.services(ctx, w, t.Six)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if len(out) > 0 {
		return out, nil
	}
	// Neither NAPTR nor SRV: the host itself (RFC 3263, section 4.2).
	return l.addresses(ctx, cmp.Or(t.Transport, "udp"), host, 0, t.Six)
}

// way is a transport and the name of its SRV records.
type way struct{ transport, name string }

// prefixes are those of SRV records, in the order that we prefer.
var prefixes = []way{{"udp", "_sip._udp."}, {"tcp", "_sip._tcp."}, {"tls", "_sips._tcp."}}

// naptr gives the transport of a service that NAPTR records name.
var naptr = map[string]string{"SIP+D2U": "udp", "SIP+D2T": "tcp", "SIPS+D2T": "tls"}

// ways are the transports of a target in its order.
func (l *Locator) ways(ctx context.Context, t Target, host string) ([]way, error) {
	if t.Transport != "" {
		for _, p := range prefixes {
			if p.transport == t.Transport {
				return []way{{p.transport, p.name + host}}, nil
			}
		}
		return nil, fmt.Errorf("there are no SRV records for transport %q", t.Transport)
	}
	records, err := ask[*dns.NAPTR](ctx, l.cache, host, dns.TypeNAPTR)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(records, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []way
	for _, r := range records {
		transport := naptr[strings.ToUpper(r.Service)]
		if transport != "" && strings.EqualFold(r.Flags, "s") && t.serves(transport) {
			out = append(out, way{transport, strings.ToLower(r.Replacement)})
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, p := range prefixes {
		if t.serves(p.transport) && p.transport != "tls" { // not asked to be secret
			out = append(out, way{p.transport, p.name + host})
		}
	}
	return out, nil
}

func (t Target) serves(transport string) bool { return t.Serves == nil || t.Serves(transport) }

// services are the addresses behind SRV records; none without an error where there
// are no records.
func (l *Locator) services(ctx context.Context, w way, six bool) ([]Address, error) {
	records, err := ask[*dns.SRV](ctx, l.cache, w.name, dns.TypeSRV)
	if err != nil {
		return nil, err
	}
	var out []Address
	var last error
	for _, r := range l.shuffle(records) {
		if r.Target == "." || len(out) >= MaxAddresses {
			continue // "." says that the service is not there (RFC 2782)
		}
		more, err := l.addresses(ctx, w.transport, strings.ToLower(r.Target), r.Port, six)
		if err != nil {
			last = err // another target may do
			continue
		}
		out = append(out, more...)
	}
	if len(out) == 0 {
		return nil, last
	}
	return out, nil
}

// shuffle orders SRV records by priority, and within one by lot: each comes first in
// the share of its weight (RFC 2782).
func (l *Locator) shuffle(records []*dns.SRV) []*dns.SRV {
	rest := slices.Clone(records)
	// Those of weight 0 first, so that they are drawn by a lot of 0 only.
	slices.SortStableFunc(rest, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight))
	})
	var out []*dns.SRV
	for len(rest) > 0 {
		group, sum := 0, 0
		for group < len(rest) && rest[group].Priority == rest[0].Priority {
			sum += int(rest[group].Weight)
			group++
		}
		lot, pick := l.draw(sum+1), 0
		for at := int(rest[0].Weight); at < lot; at += int(rest[pick].Weight) {
			pick++
		}
		out = append(out, rest[pick])
		rest = slices.Delete(rest, pick, pick+1)
	}
	return out
}

func (l *Locator) addresses(ctx context.Context, transport, host string, port uint16, six bool) ([]Address, error) {
	addrs, err := l.cache.hosts(ctx, host, six)
	if err != nil {
		return nil, err
	}
	var out []Address
	for _, a := range addrs {
		out = append(out, at(transport, a, port))
	}
	return out, nil
}

func at(transport string, addr netip.Addr, port uint16) Address {
	if port == 0 {
		port = 5060
		if transport == "tls" {
			port = 5061
		}
	}
	return Address{transport, netip.AddrPortFrom(addr, port)}
}

// Failed says that an address did not answer: for half a minute it is tried last.
func (l *Locator) Failed(a Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) >= maxAvoided {
		clear(l.failed)
	}
	l.failed[a] = l.now().Add(avoidFor)
}

// Works says that an address answered.
func (l *Locator) Works(a Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.failed, a)
}

// order puts addresses that failed a moment ago behind the others.
func (l *Locator) order(list []Address) []Address {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) == 0 || len(list) < 2 {
		return list
	}
	now := l.now()
	var good, bad []Address
	for _, a := range list {
		if until, ok := l.failed[a]; ok && now.Before(until) {
			bad = append(bad, a)
			continue
		}
		good = append(good, a)
	}
	return append(good, bad...)
}
