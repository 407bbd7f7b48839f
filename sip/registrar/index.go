package registrar

import (
	"maps"
	"net/netip"
	"sync"
)

// index is all bindings in memory. Its lists never change once they are in it.
type index struct {
	mu    sync.RWMutex
	users map[string][]Binding
	addrs map[netip.Addr]int // how many bindings came from an address
	total int
}

func (x *index) set(user string, list []Binding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, b := range x.users[user] {
		x.count1(&b, -1)
	}
	for _, b := range list {
		x.count1(&b, 1)
	}
	if len(list) == 0 {
		delete(x.users, user)
		return
	}
	x.users[user] = list
}

func (x *index) count1(b *Binding, by int) {
	x.total += by
	source, err := netip.ParseAddrPort(b.Source)
	if err != nil {
		return // none such is stored
	}
	if x.addrs[source.Addr()] += by; x.addrs[source.Addr()] == 0 {
		delete(x.addrs, source.Addr())
	}
}

func (x *index) get(user string) []Binding {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.users[user]
}

func (x *index) knows(addr netip.Addr) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.addrs[addr] > 0
}

func (x *index) count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.total
}

func (x *index) all() map[string][]Binding {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return maps.Clone(x.users)
}
