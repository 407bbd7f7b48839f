package relay

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// pair is two bound sockets: RTP on an even port, RTCP on the one above. It
// outlives the call that it was bound for: after a rest it serves another one,
// since making sockets costs more than anything else a call does here.
//
// Its descriptors belong to the worker of its shard: only that one reads them and
// closes them, and it sends by them while it holds the mutex of the call that holds
// the pair. So a descriptor is never used after the kernel may have given its
// number away.
type pair struct {
	local   netip.AddrPort // of RTP
	shard   int
	sockets [2]socket
	ports   [2]port
	owner   atomic.Pointer[Call] // nil while it rests
	since   time.Duration        // when it came to rest
}

func newPair(local netip.AddrPort, shard int) *pair {
	p := &pair{local: local, shard: shard}
	p.ports = [2]port{{pair: p}, {pair: p, rtcp: true}}
	return p
}

// addr is the local address of RTP (0) or RTCP (1).
func (p *pair) addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(p.local.Addr(), p.local.Port()+uint16(i))
}

// deliver brings a datagram to the call that holds the pair. What comes while it
// rests is the tail of a call that is over.
func (e *Engine) deliver(p *port, packet []byte, from netip.AddrPort, now time.Duration) {
	if c := p.pair.owner.Load(); c != nil && c.receive(p, packet, from, now) {
		return
	}
	e.dropped[DropNoPeer].Add(1)
}

// receive is false when the pair is the call's no more.
func (c *Call) receive(p *port, packet []byte, from netip.AddrPort, now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for side := range c.legs {
		if c.legs[side].pair == p.pair {
			c.take(Side(side), p.rtcp, packet, from, now)
			return true
		}
	}
	return false
}
