package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtp"
)

// Side is one of the two ends of a call.
type Side uint8

// A is the caller's end and B the callee's.
const (
	A Side = iota
	B
)

// String is "A" or "B".
func (s Side) String() string { return string("AB"[s&1]) }

func (s Side) other() Side { return 1 - s&1 }

// Call is one relayed call. Its methods may be called from any goroutine and
// do not wait for the network.
type Call struct {
	engine *Engine
	id     string
	shard  int // the worker that serves its pairs

	mu     sync.Mutex
	closed bool
	legs   [2]leg
	header rtp.Header // reused for every packet
	tap    Tap        // nil for most calls
	tag    uint64     // guarded by fast.mu: see there
}

// ID is what NewCall was given.
func (c *Call) ID() string { return c.id }

// Local is the RTP address of a side's leg; RTCP is on the port above. Only Listen
// changes it.
func (c *Call) Local(side Side) netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.legs[side&1].local
}

// SetRemote says where a side's far end is, as its SDP tells. It is called
// again when the SDP changes; statistics go on, and a learnt address stays
// while Remote.Addr is the same; so do streams whose keys are the same. Errors:
// ErrClosed, ErrAddress, those of srtp.NewSender.
func (c *Call) SetRemote(side Side, r Remote) error {
	r.PayloadTypes = slices.Clone(r.PayloadTypes)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("relay: remote of side %v: %w", side, ErrClosed)
	}
	for _, addr := range []*netip.AddrPort{&r.Addr, &r.RTCPAddr} {
		*addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		if err := c.checkRemote(side&1, *addr, r.Ours); err != nil {
			return fmt.Errorf("relay: remote %v of side %v: %w", *addr, side, err)
		}
	}
	c.groundBoth()
	if err := c.legs[side&1].setRemote(r, c.engine.now()); err != nil {
		return fmt.Errorf("relay: remote of side %v: %w", side, err)
	}
	if c.tap != nil {
		c.tap.Formats(side&1, r.PayloadTypes)
	}
	return nil
}

// checkRemote refuses what could not be sent to and what would make calls feed
// each other in a circle, but for a far end that is said to be ours.
func (c *Call) checkRemote(side Side, addr netip.AddrPort, ours bool) error {
	if !addr.IsValid() {
		return nil
	}
	local := c.legs[side].local.Addr()
	if addr.Addr().Is4() != local.Is4() {
		return fmt.Errorf("%w: not of the family of %v", ErrAddress, local)
	}
	for _, p := range c.engine.pools {
		if !ours && addr.Addr() == p.addr && p.holds(addr.Port()) {
			return fmt.Errorf("%w: a port of this relay", ErrAddress)
		}
	}
	return nil
}

// Reset ends a side's leg and returns its statistics: the far end is forgotten
// and nothing is relayed until SetRemote names the next one. It is for hunting,
// where each attempt at a vendor is a leg of its own.
func (c *Call) Reset(side Side) Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groundBoth()
	l := &c.legs[side&1]
	stats := l.stats(c.engine, &c.legs[side.other()])
	*l = leg{pool: l.pool, pair: l.pair, local: l.local}
	return stats
}

// Stats returns a side's statistics so far; after Close, the final ones.
func (c *Call) Stats(side Side) Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sync()
	return c.legs[side&1].stats(c.engine, &c.legs[side.other()])
}

// LastPacket is when the last RTP packet of a side's far end came, with a
// monotonic reading; the zero Time when none has.
func (c *Call) LastPacket(side Side) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sync()
	return c.engine.at(c.legs[side&1].meter.last)
}

// Silent is how long a side has sent no RTP: since its last packet, or since
// SetRemote when it never sent one. It is 0 while the side has no far end. A
// far end on hold may be silent for good reason.
func (c *Call) Silent(side Side) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.legs[side&1]
	if !l.known {
		return 0
	}
	c.sync()
	return c.engine.now() - max(l.since, l.meter.last)
}

// Close ends the call and returns the statistics of both legs. Further calls
// return the same again.
func (c *Call) Close() (a, b Stats) {
	c.land()
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.groundBoth()
		c.release()
	}
	a, b = c.legs[A].stats(c.engine, &c.legs[B]), c.legs[B].stats(c.engine, &c.legs[A])
	c.mu.Unlock()
	c.engine.mu.Lock()
	delete(c.engine.calls, c)
	if c.engine.fast != nil {
		c.engine.fast.forget(c)
	}
	c.engine.mu.Unlock()
	return a, b
}
