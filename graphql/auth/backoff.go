package auth

import (
	"net/netip"
	"sync"
	"time"
)

// Sign-in attempts that cost nothing, and what the others cost.
const (
	freeFailures   = 5
	firstWait      = time.Second
	longestWait    = time.Minute
	forgetFailures = 15 * time.Minute
	maxTracked     = 8192
)

// backoff makes those wait who guess. It counts an attempt when it begins, so
// that many at once gain nothing, and forgets it when it succeeds.
type backoff struct {
	mu   sync.Mutex
	seen map[string]*failures
}

type failures struct {
	count int
	last  time.Time
}

func newBackoff() *backoff { return &backoff{seen: map[string]*failures{}} }

// begin counts an attempt under each key, unless one of them has to wait.
func (b *backoff) begin(now time.Time, keys ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		if f := b.seen[k]; f != nil && now.Before(f.last.Add(f.wait())) {
			return false
		}
	}
	for _, k := range keys {
		f := b.seen[k]
		if f == nil || now.Sub(f.last) > forgetFailures {
			b.makeRoom(now)
			f = &failures{}
			b.seen[k] = f
		}
		f.count++
		f.last = now
	}
	return true
}

// succeed forgets the failures under a key.
func (b *backoff) succeed(keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range keys {
		delete(b.seen, k)
	}
}

func (f *failures) wait() time.Duration {
	over := f.count - freeFailures
	if over < 0 {
		return 0
	}
	return min(firstWait<<min(over, 10), longestWait)
}

// makeRoom keeps the table bounded: the forgotten go first, then the oldest.
func (b *backoff) makeRoom(now time.Time) {
	if len(b.seen) < maxTracked {
		return
	}
	oldest, at := "", now
	for k, f := range b.seen {
		if now.Sub(f.last) > forgetFailures {
			delete(b.seen, k)
			continue
		}
		if oldest == "" || f.last.Before(at) {
			oldest, at = k, f.last
		}
	}
	if len(b.seen) >= maxTracked {
		delete(b.seen, oldest)
	}
}

// SourceOf groups addresses as an attacker can have them: an IPv6 customer has
// a whole /64.
func SourceOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return network.String()
}
