package relay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pool has the ports of one local address: even ones, each of which stands for
// itself and the odd one above it. Those that calls held stay bound for a while
// and are given out again.
type pool struct {
	engine   *Engine
	addr     netip.Addr
	min, max uint16
	away     atomic.Bool // the address is another machine's now

	mu   sync.Mutex
	free []uint16            // not bound
	held map[uint16]struct{} // bound, held by calls or at rest
	idle [][]*pair           // at rest, by shard, the longest first
}

const (
	// restFor is how long a pair rests: what its last far end still sends must not
	// be taken for the next one's.
	restFor = 3 * time.Second
	// mostIdle bounds the pairs at rest of an engine. A quarter of what RLIMIT_NOFILE
	// allows does, too.
	mostIdle = 1024
	// bindTries is how many ports of the range may turn out to be taken by other
	// programs before a call is refused.
	bindTries = 64
)

func newPool(e *Engine, addr netip.Addr, lowest, highest uint16) (*pool, error) {
	p := &pool{engine: e, addr: addr, min: lowest, max: highest, held: make(map[uint16]struct{})}
	for n := max(2, int(lowest)+int(lowest)%2); n+1 <= int(highest); n += 2 {
		p.free = append(p.free, uint16(n))
	}
	if len(p.free) < 2 {
		return nil, fmt.Errorf("%w: %d-%d does not hold two even ports with the odd ones above", ErrPortsExhausted, lowest, highest)
	}
	return p, nil
}

func (p *pool) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free) + len(p.held)
}

// holds is true for both ports of a pair that is bound.
func (p *pool) holds(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.held[port&^1]
	return ok
}

// take gives a pair out: one that has rested, else a new one; when there is no port
// or descriptor left, one that has not rested.
func (p *pool) take(shard int) (*pair, error) {
	if at := p.reuse(shard, restFor); at != nil {
		return at, nil
	}
	at, err := p.bindAny(shard)
	for err != nil {
		if at := p.reuse(shard, 0); at != nil {
			return at, nil
		}
		if !p.evict() && (!errors.Is(err, ErrTooManyFiles) || !p.engine.evict()) {
			return nil, err
		}
		at, err = p.bindAny(shard)
	}
	return at, nil
}

// reuse takes one of the pairs that have rested, at random, so that an attacker
// cannot guess where the next call listens.
func (p *pool) reuse(shard int, rest time.Duration) *pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[shard]
	before := p.engine.now() - rest
	n := sort.Search(len(list), func(i int) bool { return list[i].since > before })
	if n == 0 {
		return nil
	}
	i := rand.IntN(n)
	at := list[i]
	list[i], list[0] = list[0], nil
	p.idle[shard] = list[1:]
	p.engine.idle.Add(-1)
	return at
}

// bindAny binds a random port that is free.
func (p *pool) bindAny(shard int) (*pair, error) {
	var last error
	var refused []uint16
	defer func() {
		for _, number := range refused {
			p.put(number)
		}
	}()
	for range bindTries {
		number, ok := p.pick()
		if !ok {
			err := fmt.Errorf("%w: all of %v %d-%d are in use", ErrPortsExhausted, p.addr, p.min, p.max)
			if last != nil {
				err = fmt.Errorf("%w; before that: %w", err, last)
			}
			return nil, err
		}
		at := newPair(netip.AddrPortFrom(p.addr, number), shard)
		if last = p.engine.transport.open(at); last == nil {
			return at, nil
		}
		refused = append(refused, number)
		switch {
		case errors.Is(last, syscall.EMFILE), errors.Is(last, syscall.ENFILE):
			return nil, fmt.Errorf("%w: RLIMIT_NOFILE is %d, which allows %d calls", ErrTooManyFiles, p.engine.files, p.engine.callsByFiles())
		case errors.Is(last, ErrClosed):
			return nil, last
		}
	}
	return nil, fmt.Errorf("%w: %d tried in %v %d-%d: %w", ErrPortsExhausted, bindTries, p.addr, p.min, p.max, last)
}

// pick takes a random number off the free ones.
func (p *pool) pick() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, false
	}
	i, last := rand.IntN(len(p.free)), len(p.free)-1
	number := p.free[i]
	p.free[i] = p.free[last]
	p.free = p.free[:last]
	p.held[number] = struct{}{}
	return number, true
}

func (p *pool) put(number uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, number)
	if p.owns(number) {
		p.free = append(p.free, number)
	}
}

// owns tells whether a port is of the pool's range. One that is not came with a call of
// another node's, and goes with it.
func (p *pool) owns(number uint16) bool { return number >= p.min && number < p.max }

// claim binds one even port, which no call may hold.
func (p *pool) claim(number uint16, shard int) (*pair, error) {
	p.mu.Lock()
	var resting *pair
	for i, list := range p.idle {
		for k, at := range list {
			if at.local.Port() == number {
				resting, p.idle[i] = at, append(list[:k:k], list[k+1:]...)
				p.engine.idle.Add(-1)
			}
		}
	}
	p.mu.Unlock()
	if resting != nil {
		p.shut(resting)
	}
	if !p.pickOnly(number) {
		return nil, fmt.Errorf("%w: %v port %d is held by a call or not in %d-%d", ErrPortsExhausted, p.addr, number, p.min, p.max)
	}
	at := newPair(netip.AddrPortFrom(p.addr, number), shard)
	if err := p.engine.transport.open(at); err != nil {
		p.put(number)
		return nil, fmt.Errorf("bind %v: %w", at.local, err)
	}
	return at, nil
}

func (p *pool) pickOnly(number uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, n := range p.free {
		if n == number {
			p.free = append(p.free[:i], p.free[i+1:]...)
			p.held[number] = struct{}{}
			return true
		}
	}
	if _, held := p.held[number]; held || p.owns(number) || number%2 == 1 {
		return false
	}
	p.held[number] = struct{}{}
	return true
}

// giveBack lets a pair rest that no call holds any more, or closes it when enough
// of them rest.
func (p *pool) giveBack(at *pair) {
	at.owner.Store(nil)
	if !p.owns(at.local.Port()) {
		p.engine.transport.close(at, func() { p.put(at.local.Port()) })
		return
	}
	p.mu.Lock()
	if p.engine.idle.Add(1) <= p.engine.mostIdle.Load() {
		at.since = p.engine.now()
		p.idle[at.shard] = append(p.idle[at.shard], at)
		p.mu.Unlock()
		return
	}
	p.engine.idle.Add(-1)
	p.mu.Unlock()
	p.engine.transport.close(at, func() { p.put(at.local.Port()) })
}

// shut closes a pair and waits until its port is free.
func (p *pool) shut(at *pair) {
	done := make(chan struct{})
	p.engine.transport.close(at, func() {
		p.put(at.local.Port())
		close(done)
	})
	<-done
}

// evict closes a pair at rest. False means that there was none.
func (p *pool) evict() bool {
	p.mu.Lock()
	var at *pair
	for shard, list := range p.idle {
		if len(list) > 0 {
			at, p.idle[shard] = list[0], list[1:]
			p.engine.idle.Add(-1)
			break
		}
	}
	p.mu.Unlock()
	if at != nil {
		p.shut(at)
	}
	return at != nil
}
