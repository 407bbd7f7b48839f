package relay

import (
	"fmt"
	"net/netip"
)

// Addresses are the local addresses that calls can be on.
func (e *Engine) Addresses() []netip.Addr {
	var all []netip.Addr
	for _, p := range e.pools {
		all = append(all, p.addr)
	}
	return all
}

// Address is the local address for a far end: near, where that is one of the
// engine's and of the far end's family, else the first one of that family. False
// means that there is none.
func (e *Engine) Address(far, near netip.Addr) (netip.Addr, bool) {
	far, near = far.Unmap(), near.Unmap()
	var first netip.Addr
	for _, p := range e.pools {
		if p.addr.Is4() != far.Is4() || p.away.Load() {
			continue
		}
		if p.addr == near {
			return near, true
		}
		if !first.IsValid() {
			first = p.addr
		}
	}
	return first, first.IsValid()
}

// Hold says whether one of the addresses that come and go is here now: only then do
// calls get ports on it. Those that have some keep them.
func (e *Engine) Hold(addr netip.Addr, here bool) {
	for _, p := range e.pools {
		if p.addr == addr.Unmap() {
			p.away.Store(!here)
		}
	}
}

// pool is that of a local address; the zero address stands for the first one.
func (e *Engine) pool(at netip.Addr) (*pool, error) {
	for _, p := range e.pools {
		if (!at.IsValid() || p.addr == at.Unmap()) && !p.away.Load() {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%w: %v is none of this relay's", ErrAddress, at)
}

// evict closes a pair at rest of any address.
func (e *Engine) evict() bool {
	for _, p := range e.pools {
		if p.evict() {
			return true
		}
	}
	return false
}

// NewCall opens the four ports of a call, for both sides on one of the engine's
// addresses; the zero Addr stands for the first. The id is kept for the caller's
// use alone. Errors: ErrClosed, ErrAddress, ErrPortsExhausted, ErrTooManyFiles.
func (e *Engine) NewCall(id string, at netip.Addr) (*Call, error) {
	from, err := e.pool(at)
	if err != nil {
		return nil, fmt.Errorf("relay: new call: %w", err)
	}
	c := e.blank(id)
	for side := range c.legs {
		p, err := from.take(c.shard)
		if err != nil {
			c.release()
			return nil, fmt.Errorf("relay: new call: %w", err)
		}
		c.hold(Side(side), from, p)
	}
	if err := e.enter(c); err != nil {
		return nil, fmt.Errorf("relay: new call: %w", err)
	}
	return c, nil
}

// blank is a call without ports, of the next worker in turn.
func (e *Engine) blank(id string) *Call {
	return &Call{engine: e, id: id, shard: int(e.next.Add(1) % uint32(e.transport.shards()))}
}

// enter counts a call as the engine's, which ends it when it closes.
func (e *Engine) enter(c *Call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.closed = true
		c.release()
		return ErrClosed
	}
	e.calls[c] = struct{}{}
	e.opened.Add(1)
	return nil
}

// hold makes a pair a side's. The mutex is held, or nobody else knows the call.
func (c *Call) hold(side Side, from *pool, p *pair) {
	l := &c.legs[side]
	l.pool, l.pair, l.local = from, p, p.local
	p.owner.Store(c)
}

// Listen moves a side to another of the engine's addresses, before its far end is
// known or when it is to be another one: the side is as after Reset then. Nothing
// changes where it is there already. Errors are those of NewCall.
func (c *Call) Listen(side Side, at netip.Addr) error {
	side &= 1
	to, err := c.engine.pool(at)
	if err != nil {
		return fmt.Errorf("relay: listen: %w", err)
	}
	if c.Local(side).Addr() == to.addr {
		return nil
	}
	p, err := to.take(c.shard)
	if err != nil {
		return fmt.Errorf("relay: listen: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		to.giveBack(p)
		return fmt.Errorf("relay: listen: %w", ErrClosed)
	}
	c.groundBoth()
	l := &c.legs[side]
	l.pool.giveBack(l.pair)
	*l = leg{}
	c.hold(side, to, p)
	return nil
}

// release gives the pairs back.
func (c *Call) release() {
	for i := range c.legs {
		if l := &c.legs[i]; l.pair != nil {
			p := l.pair
			l.pair = nil
			l.pool.giveBack(p)
		}
	}
}
