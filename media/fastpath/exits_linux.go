//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// pair is a local address and one that is sent to from there.
type pair struct{ from, to netip.Addr }

// way is a pair's place in the table and how many flows use it.
type way struct {
	number uint32
	exit   rawExit
	flows  int
}

// exits are the interfaces towards the addresses of flows. They are asked of the
// kernel when the first flow needs one and again when routes change; the next
// hop and its link address are looked up by the kernel for each packet.
type exits struct {
	table  *ebpf.Map
	routes *netlink.Handle
	most   int

	mu    sync.Mutex
	pairs map[pair]*way
	next  uint32   // numbers that were never used
	free  []uint32 // and those that are free again
}

// take finds or makes the way of a flow. Errors: ErrRoute.
func (e *exits) take(p pair) (uint32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.pairs[p]
	if w == nil {
		exit, err := e.route(p)
		if err != nil {
			return 0, err
		}
		w = &way{exit: exit}
		switch n := len(e.free); {
		case n > 0:
			w.number, e.free = e.free[n-1], e.free[:n-1]
		case int(e.next) >= e.most:
			return 0, ErrFull
		default:
			w.number = e.next
			e.next++
		}
		if err := e.table.Put(w.number, exit); err != nil {
			e.free = append(e.free, w.number)
			return 0, fmt.Errorf("exit: %w", err)
		}
		e.pairs[p] = w
	}
	if w.exit.Interface == 0 {
		return 0, ErrRoute
	}
	w.flows++
	return w.number, nil
}

func (e *exits) put(p pair) {
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.pairs[p]
	if w.flows--; w.flows == 0 {
		delete(e.pairs, p)
		e.free = append(e.free, w.number)
	}
}

// refresh asks for every way again. A way that is no more leads to user space,
// where the socket says what is wrong.
func (e *exits) refresh() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all error
	for p, w := range e.pairs {
		exit, err := e.route(p)
		if err != nil {
			exit = rawExit{}
		}
		if exit != w.exit {
			w.exit = exit
			all = errors.Join(all, e.table.Put(w.number, exit))
		}
	}
	return all
}

// shortest is the length that every path carries (RFC 8200, section 5).
const shortest = 1280

// route asks the kernel which interface a packet would leave by.
func (e *exits) route(p pair) (rawExit, error) {
	if p.from.Is4() != p.to.Is4() || p.to.IsLinkLocalUnicast() || p.to.IsMulticast() {
		return rawExit{}, fmt.Errorf("%w: %v from %v", ErrRoute, p.to, p.from)
	}
	routes, err := e.routes.RouteGetWithOptions(p.to.AsSlice(), &netlink.RouteGetOptions{SrcAddr: p.from.AsSlice()})
	if err != nil || len(routes) == 0 {
		return rawExit{}, fmt.Errorf("%w: %v from %v: %w", ErrRoute, p.to, p.from, err)
	}
	r := routes[0]
	if r.Type != unix.RTN_UNICAST {
		return rawExit{}, fmt.Errorf("%w: %v is of this host", ErrRoute, p.to)
	}
	link, err := e.routes.LinkByIndex(r.LinkIndex)
	if err != nil {
		return rawExit{}, fmt.Errorf("%w: %w", ErrRoute, err)
	}
	if !ethernet(link) {
		return rawExit{}, fmt.Errorf("%w: %v is reached by %s", ErrRoute, p.to, link.Attrs().Name)
	}
	return rawExit{Interface: uint32(r.LinkIndex), Longest: uint32(min(shortest, link.Attrs().MTU))}, nil
}

// ethernet tells the interfaces whose frames the program can read and write.
func ethernet(link netlink.Link) bool {
	a := link.Attrs()
	return a.EncapType == "ether" && a.RawFlags&unix.IFF_LOOPBACK == 0 && a.RawFlags&unix.IFF_UP != 0
}
