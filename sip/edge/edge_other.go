//go:build !linux

package edge

import (
	"context"
	"net"
	"time"
)

// Put works for addresses of 127.0.0.0/8 only.
func Put(a Address, _ time.Duration) error {
	if a.Simulated() {
		return nil
	}
	return ErrUnsupported
}

// Take takes nothing: nothing was put.
func Take(Address) error { return nil }

func announce(Address) error { return ErrUnsupported }

// Present tells whether the machine has the address.
func Present(a Address) (bool, error) {
	all, err := net.InterfaceAddrs()
	for _, one := range all {
		if n, ok := one.(*net.IPNet); ok && n.IP.Equal(a.Addr().AsSlice()) {
			return true, nil
		}
	}
	return false, err
}

// Watch calls changed every second until ctx ends.
func Watch(ctx context.Context, changed func()) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		changed()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
