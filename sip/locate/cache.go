package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

const (
	// maxAnswers bounds the cache.
	maxAnswers = 10_000
	// A TTL is taken for at least minTTL and at most maxTTL; that there is nothing
	// is believed for at most maxNegative, that nobody answers for minTTL.
	minTTL      = time.Second
	maxTTL      = 24 * time.Hour
	maxNegative = 5 * time.Minute
	// staleFor is how long an answer that is over is still used when nobody answers.
	staleFor = time.Hour
	// askWithin bounds one question to one server.
	askWithin = 2 * time.Second
	// maxRecords bounds one answer.
	maxRecords = 64
)

// cache asks servers and keeps their answers.
type cache struct {
	servers []string
	search  *dns.ClientConfig
	now     func() time.Time
	files   *net.Resolver // knows the hosts file only
	flights singleflight.Group

	mu      sync.Mutex
	answers map[question]answer
}

type question struct {
	name string
	kind uint16
}

type answer struct {
	records []dns.RR
	until   time.Time
	err     error
}

func newCache(servers []string, search *dns.ClientConfig, now func() time.Time) *cache {
	return &cache{
		servers: servers, search: search, now: now, answers: map[question]answer{},
		files: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("files only")
		}},
	}
}

func joinPort(host, port string) string { return net.JoinHostPort(host, port) }

// ask gives the records of one type that a name has; none without an error where
// the name has none, or is none.
func ask[T dns.RR](ctx context.Context, c *cache, name string, kind uint16) ([]T, error) {
	q := question{name, kind}
	now := c.now()
	c.mu.Lock()
	kept, ok := c.answers[q]
	c.mu.Unlock()
	if !ok || !now.Before(kept.until) {
		result := c.flights.DoChan(fmt.Sprint(kind, " ", name), func() (any, error) {
			fresh := c.query(q)
			if fresh.err != nil && ok && now.Before(kept.until.Add(staleFor)) && kept.err == nil {
				fresh.records, fresh.err = kept.records, nil
			}
			c.keep(q, fresh)
			return fresh, nil
		})
		select {
		case r := <-result:
			kept = r.Val.(answer)
		case <-ctx.Done():
			return nil, fmt.Errorf("ask for %s of %s: %w", dns.TypeToString[kind], name, ctx.Err())
		}
	}
	var out []T
	for _, r := range kept.records {
		if t, ok := r.(T); ok && len(out) < maxRecords {
			out = append(out, t)
		}
	}
	return out, kept.err
}

func (c *cache) keep(q question, a answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.answers) >= maxAnswers {
		now := c.now()
		for k, old := range c.answers {
			if now.After(old.until) || len(c.answers) >= maxAnswers {
				delete(c.answers, k)
			}
		}
	}
	c.answers[q] = a
}

// query asks each server in turn until one answers.
func (c *cache) query(q question) answer {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.kind)
	m.SetEdns0(1232, false)
	err := errors.New("no server for names is known")
	for _, server := range c.servers {
		var res *dns.Msg
		if res, err = exchange(m, server); err != nil {
			continue
		}
		switch res.Rcode {
		case dns.RcodeSuccess, dns.RcodeNameError:
			return c.read(res)
		}
		err = fmt.Errorf("%s answers %s", server, dns.RcodeToString[res.Rcode])
	}
	return answer{until: c.now().Add(minTTL), err: fmt.Errorf("ask for %s of %s: %w", dns.TypeToString[q.kind], q.name, err)}
}

// exchange asks one server, by TCP if the answer is too long for a datagram.
func exchange(m *dns.Msg, server string) (*dns.Msg, error) {
	client := dns.Client{Timeout: askWithin, UDPSize: 1232}
	res, _, err := client.Exchange(m, server)
	if err == nil && res.Truncated {
		client.Net = "tcp"
		res, _, err = client.Exchange(m, server)
	}
	return res, err
}

// read takes an answer's records and how long they count: the shortest of their
// times, or for nothing that of the zone's SOA (RFC 2308).
func (c *cache) read(res *dns.Msg) answer {
	ttl := maxTTL
	if len(res.Answer) == 0 {
		ttl = minTTL
		for _, r := range res.Ns {
			if soa, ok := r.(*dns.SOA); ok {
				ttl = min(time.Duration(min(soa.Hdr.Ttl, soa.Minttl))*time.Second, maxNegative)
			}
		}
	}
	for _, r := range res.Answer {
		ttl = min(ttl, time.Duration(r.Header().Ttl)*time.Second)
	}
	return answer{records: res.Answer, until: c.now().Add(max(ttl, minTTL))}
}

// hosts are the addresses of a host of one family: as the hosts file says, or else
// the DNS, where a short name is looked for in the domains that the system searches.
func (c *cache) hosts(ctx context.Context, host string, six bool) ([]netip.Addr, error) {
	bare := host[:len(host)-1]
	network := "ip4"
	if six {
		network = "ip6"
	}
	if addrs, err := c.files.LookupNetIP(ctx, network, bare); err == nil {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		return addrs, nil
	}
	var last error
	for _, name := range c.search.NameList(bare) {
		out, err := c.lookup(ctx, name, six)
		if len(out) > 0 {
			return out, nil
		}
		last = err
	}
	return nil, last
}

func (c *cache) lookup(ctx context.Context, name string, six bool) ([]netip.Addr, error) {
	var out []netip.Addr
	if six {
		records, err := ask[*dns.AAAA](ctx, c, name, dns.TypeAAAA)
		for _, r := range records {
			if a, ok := netip.AddrFromSlice(r.AAAA); ok {
				out = append(out, a)
			}
		}
		return out, err
	}
	records, err := ask[*dns.A](ctx, c, name, dns.TypeA)
	for _, r := range records {
		if a, ok := netip.AddrFromSlice(r.A); ok {
			out = append(out, a.Unmap())
		}
	}
	return out, err
}
