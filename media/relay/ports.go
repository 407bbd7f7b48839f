package relay

import (
	"fmt"
	"math/rand/v2"
	"sync"
)

// ports hands out even ports at random, so that an attacker cannot guess where
// the next call listens. Each stands for itself and the odd port above it.
type ports struct {
	min, max uint16
	mu       sync.Mutex
	free     []uint16
	used     map[uint16]struct{}
}

func newPorts(lowest, highest uint16) (*ports, error) {
	p := &ports{min: lowest, max: highest, used: make(map[uint16]struct{})}
	for n := max(2, int(lowest)+int(lowest)%2); n+1 <= int(highest); n += 2 {
		p.free = append(p.free, uint16(n))
	}
	if len(p.free) < 2 {
		return nil, fmt.Errorf("%w: %d-%d does not hold two even ports with the odd ones above", ErrPortsExhausted, lowest, highest)
	}
	return p, nil
}

func (p *ports) total() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free) + len(p.used)
}

// take returns a random even port that no call holds.
func (p *ports) take() (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, fmt.Errorf("%w: all %d in %d-%d are held by calls", ErrPortsExhausted, len(p.used), p.min, p.max)
	}
	i, last := rand.IntN(len(p.free)), len(p.free)-1
	port := p.free[i]
	p.free[i] = p.free[last]
	p.free = p.free[:last]
	p.used[port] = struct{}{}
	return port, nil
}

func (p *ports) put(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, port)
	p.free = append(p.free, port)
}

// holds is true for both ports of a pair that a call holds.
func (p *ports) holds(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.used[port&^1]
	return ok
}
