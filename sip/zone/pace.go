package zone

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// perSecond is how many answers a network gets each second over UDP, where its
	// address may be made up by somebody who wants it flooded.
	perSecond = 50
	// mostNetworks bounds the networks that are counted; others share one count.
	mostNetworks = 10_000
)

// verdict is what becomes of an answer.
type verdict uint8

const (
	whole verdict = iota
	short
	silent
)

// pace counts the answers of a second by network.
type pace struct {
	mu     sync.Mutex
	second int64
	counts map[netip.Prefix]int
}

func newPace() *pace { return &pace{counts: map[netip.Prefix]int{}} }

// ask counts a question and says how it is answered: beyond the limit every other one in
// short, the rest not at all.
func (p *pace) ask(from netip.Addr, now time.Time) verdict {
	from = from.Unmap()
	bits := 24
	if from.Is6() {
		bits = 56
	}
	network, err := from.Prefix(bits)
	if err != nil {
		network = netip.Prefix{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if second := now.Unix(); second != p.second {
		p.second = second
		clear(p.counts)
	}
	if _, known := p.counts[network]; !known && len(p.counts) >= mostNetworks {
		network = netip.Prefix{}
	}
	p.counts[network]++
	switch count := p.counts[network]; {
	case count <= perSecond:
		return whole
	case count%2 == 0:
		return short
	default:
		return silent
	}
}
