//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
)

// doors are the interfaces at whose ingress the program runs.
type doors struct {
	config  Config
	routes  *netlink.Handle
	program *ebpf.Program

	mu     sync.Mutex
	closed bool
	open   map[int]door // by the interface's index
	owner  *owner       // names our clsact filters; nil while there are none
}

type door struct {
	name, kind string
	close      func() error
}

// attach opens the doors that are missing and forgets those whose interface is
// gone. It fails when there is none at all.
func (d *doors) attach() error {
	links, err := d.wanted()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	var problems error
	for index, at := range d.open {
		if !slices.ContainsFunc(links, func(l netlink.Link) bool { return l.Attrs().Index == index }) {
			delete(d.open, index)
			d.config.Log.Info("media fast path leaves an interface", "interface", at.name)
			// An interface that is gone has taken the attachment with it.
			if err := at.close(); err != nil {
				d.config.Log.Debug("media fast path: detach", "interface", at.name, "err", err)
			}
		}
	}
	for _, l := range links {
		if _, there := d.open[l.Attrs().Index]; there {
			continue
		}
		at, err := d.attachTo(l)
		if err != nil {
			problems = errors.Join(problems, fmt.Errorf("interface %s: %w", l.Attrs().Name, err))
			continue
		}
		d.open[l.Attrs().Index] = at
	}
	if len(d.open) == 0 && problems == nil {
		return fmt.Errorf("no Ethernet interface is up that %s", d.sought())
	}
	return problems
}

func (d *doors) sought() string {
	if len(d.config.Interfaces) > 0 {
		return "is called " + strings.Join(d.config.Interfaces, " or ")
	}
	return fmt.Sprintf("carries one of %v (traffic within this host needs none)", d.config.Addresses)
}

// wanted are the interfaces that the configuration means.
func (d *doors) wanted() ([]netlink.Link, error) {
	links, err := d.routes.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list of interfaces: %w", err)
	}
	carries, err := d.carriers()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(links, func(l netlink.Link) bool {
		a := l.Attrs()
		if len(d.config.Interfaces) > 0 {
			return !ethernet(l) || !slices.Contains(d.config.Interfaces, a.Name)
		}
		return !ethernet(l) || !carries[a.Index]
	}), nil
}

// carriers are the interfaces with one of the addresses.
func (d *doors) carriers() (map[int]bool, error) {
	addresses, err := d.routes.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list of addresses: %w", err)
	}
	carries := make(map[int]bool)
	for _, a := range addresses {
		have, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		have = have.Unmap()
		for _, want := range d.config.Addresses {
			if want = want.Unmap(); want == have || want.IsUnspecified() && want.Is4() == have.Is4() {
				carries[a.LinkIndex] = true
			}
		}
	}
	return carries, nil
}

// attachTo prefers a tcx link, which ends with the process whatever happens.
func (d *doors) attachTo(l netlink.Link) (door, error) {
	name := l.Attrs().Name
	if !d.config.Clsact {
		at, err := link.AttachTCX(link.TCXOptions{Interface: l.Attrs().Index, Program: d.program, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			return door{name: name, kind: "tcx", close: at.Close}, nil
		}
		if !errors.Is(err, ebpf.ErrNotSupported) {
			return door{}, explain("tcx", err)
		}
	}
	if d.owner == nil {
		var err error
		if d.owner, err = newOwner(); err != nil {
			return door{}, err
		}
	}
	detach, err := d.owner.attach(d.routes, l, d.program)
	if err != nil {
		return door{}, explain("clsact", err)
	}
	return door{name: name, kind: "clsact", close: detach}, nil
}

func (d *doors) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, at := range d.open {
		names = append(names, at.name)
	}
	slices.Sort(names)
	return names
}

func (d *doors) describe() string {
	d.mu.Lock()
	kind := "tcx"
	for _, at := range d.open {
		kind = at.kind
	}
	d.mu.Unlock()
	return kind + " on " + strings.Join(d.names(), ", ")
}

func (d *doors) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	var err error
	for index, at := range d.open {
		err = errors.Join(err, at.close())
		delete(d.open, index)
	}
	if d.owner != nil {
		err = errors.Join(err, d.owner.close())
	}
	return err
}
