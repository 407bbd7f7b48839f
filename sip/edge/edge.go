// Package edge puts addresses that several machines share on this machine's
// interfaces, tells the network where they are now, and sees what others put there.
//
// An address is put there for a short life, which its holder prolongs: the kernel takes
// it off a machine whose holder was killed or stands still, so that no machine answers
// for an address that another one has.
package edge

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// Address is one address of an interface.
type Address struct {
	// Prefix is the address with the bits of its network, as 192.0.2.100/24.
	Prefix netip.Prefix
	// Interface carries it; of an address of 127.0.0.0/8 it is not needed.
	Interface string
}

// Addr is the address alone.
func (a Address) Addr() netip.Addr { return a.Prefix.Addr() }

// Simulated tells of an address that every Linux machine has: several nodes on one
// machine can pass it on without privileges.
func (a Address) Simulated() bool { return a.Addr().IsLoopback() && a.Addr().Is4() }

// String is the address with its network.
func (a Address) String() string { return a.Prefix.String() }

// announceAgain are the times after which a new holder says once more where the address
// is: the first word may be lost, and the machine that had it may still answer.
var announceAgain = []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond, time.Second, time.Second, time.Second, time.Second}

// Announce tells the network, a few times until ctx ends, that the address is here, and
// every minute after that. It returns the first failure.
func Announce(ctx context.Context, a Address) error {
	if a.Simulated() {
		return nil
	}
	var failed error
	for i := 0; ; i++ {
		wait := time.Minute
		if i < len(announceAgain) {
			wait = announceAgain[i]
		}
		select {
		case <-ctx.Done():
			return failed
		case <-time.After(wait):
		}
		if err := announce(a); err != nil && failed == nil {
			failed = err
		}
	}
}

// ErrUnsupported says that this system's interfaces cannot be changed by us.
var ErrUnsupported = errors.New("addresses can be put on interfaces on Linux only")
