package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Put puts the address on its interface for a life of whole seconds, or prolongs it. A
// life of 0 is for ever.
func Put(a Address, life time.Duration) error {
	if a.Simulated() {
		return nil
	}
	link, err := netlink.LinkByName(a.Interface)
	if err != nil {
		return fmt.Errorf("put %s on interface %q: %w", a, a.Interface, err)
	}
	addr := a.netlink()
	addr.ValidLft, addr.PreferedLft = int(life.Seconds()), int(life.Seconds())
	if a.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD // we know that nobody else has it
		addr.PreferedLft = 0          // it is for what is bound to it only
	}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return fmt.Errorf("put %s on interface %s: %w", a, a.Interface, err)
	}
	return nil
}

func (a Address) netlink() *netlink.Addr {
	ip := net.IP(a.Addr().AsSlice())
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip, Mask: net.CIDRMask(a.Prefix.Bits(), len(ip)*8)}}
}

// Take takes the address off, if it is there.
func Take(a Address) error {
	if a.Simulated() {
		return nil
	}
	link, err := netlink.LinkByName(a.Interface)
	if err != nil {
		return fmt.Errorf("take %s off interface %q: %w", a, a.Interface, err)
	}
	if err := netlink.AddrDel(link, a.netlink()); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("take %s off interface %s: %w", a, a.Interface, err)
	}
	return nil
}

// Present tells whether the machine has the address.
func Present(a Address) (bool, error) {
	all, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return false, fmt.Errorf("list the addresses: %w", err)
	}
	for _, one := range all {
		if one.IP.Equal(a.Addr().AsSlice()) {
			return true, nil
		}
	}
	return false, nil
}

// Watch calls changed now and whenever addresses of the machine have changed, until ctx
// ends.
func Watch(ctx context.Context, changed func()) error {
	updates := make(chan netlink.AddrUpdate, 64)
	done := make(chan struct{})
	defer close(done)
	if err := netlink.AddrSubscribe(updates, done); err != nil {
		return fmt.Errorf("watch the addresses: %w", err)
	}
	tick := time.NewTicker(time.Second) // should one have been missed
	defer tick.Stop()
	for {
		changed()
		select {
		case <-ctx.Done():
			return nil
		case _, ok := <-updates:
			if !ok {
				return errors.New("watch the addresses: the kernel tells no more")
			}
		case <-tick.C:
		}
	}
}
