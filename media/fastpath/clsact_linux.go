//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// owner is how a process of kernels below 6.6 is told from a dead one: a clsact
// filter outlives its process, so it is named after an abstract socket, which
// does not and which is of the same network namespace. Who finds a filter
// without its socket takes it away.
type owner struct {
	id     string
	socket net.Listener
}

const (
	filterName     = "tollbook-"
	filterPriority = 0x7b00
)

func newOwner() (*owner, error) {
	id := rand.Text()
	socket, err := net.Listen("unix", "@"+filterName+id)
	if err != nil {
		return nil, fmt.Errorf("abstract socket: %w", err)
	}
	return &owner{id: id, socket: socket}, nil
}

func (o *owner) close() error { return o.socket.Close() }

// alive says whether the owner of a filter is there.
func alive(id string) bool {
	socket, err := net.Listen("unix", "@"+filterName+id)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	return socket.Close() != nil
}

// attach puts a filter at the ingress of an interface and returns what takes it
// away again.
func (o *owner) attach(routes *netlink.Handle, l netlink.Link, program *ebpf.Program) (func() error, error) {
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := routes.QdiscAdd(qdisc); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("qdisc: %w", err)
	}
	if err := clean(routes, l, func(id string) bool { return !alive(id) }); err != nil {
		return nil, err
	}
	filter := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: l.Attrs().Index, Parent: netlink.HANDLE_MIN_INGRESS, Protocol: unix.ETH_P_ALL, Priority: filterPriority,
		},
		Fd: program.FD(), Name: filterName + o.id, DirectAction: true,
	}
	if err := routes.FilterAdd(filter); err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	return func() error { return clean(routes, l, func(id string) bool { return id == o.id }) }, nil
}

// clean takes away the filters whose owner is meant.
func clean(routes *netlink.Handle, l netlink.Link, meant func(id string) bool) error {
	filters, err := routes.FilterList(l, netlink.HANDLE_MIN_INGRESS)
	if err != nil {
		return fmt.Errorf("list of filters: %w", err)
	}
	for _, f := range filters {
		b, ok := f.(*netlink.BpfFilter)
		if !ok {
			continue
		}
		if id, ours := strings.CutPrefix(b.Name, filterName); ours && meant(id) {
			if err := routes.FilterDel(b); err != nil {
				return fmt.Errorf("filter of %s: %w", b.Name, err)
			}
		}
	}
	return nil
}
