package registrar

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// paceBuckets is the size of the table: sources that meet in a bucket share it.
	paceBuckets = 4096
	// paceRate requests a second, after paceBurst at once, are taken from a source.
	paceRate  = 20
	paceBurst = 100
)

// pace bounds what each source may ask in a second, with a memory of fixed size.
type pace struct {
	once sync.Once
	seed maphash.Seed

	mu      sync.Mutex
	buckets [paceBuckets]struct {
		tokens float64 // requests, not money
		at     time.Time
	}
}

// allow takes a request off a source's allowance.
func (p *pace) allow(from netip.Addr, now time.Time) bool {
	p.once.Do(func() { p.seed = maphash.MakeSeed() })
	b16 := from.As16()
	i := maphash.Bytes(p.seed, b16[:]) % paceBuckets
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &p.buckets[i]
	if b.at.IsZero() {
		b.tokens = paceBurst
	} else {
		b.tokens = min(paceBurst, b.tokens+now.Sub(b.at).Seconds()*paceRate)
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
