package node

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tollbook/tollbook/sip/edge"
	"github.com/tollbook/tollbook/sip/gate"
)

// maxShared bounds the shared addresses.
const maxShared = 16

// Who says which node has the shared addresses.
const (
	// ownerLease is the nodes themselves.
	ownerLease = "lease"
	// ownerExternal is another program, such as keepalived.
	ownerExternal = "external"
)

// Shared are addresses that one node of the cluster has at a time. It is the same on all
// nodes. Listeners, and addresses of media, that are among them go with them.
type Shared struct {
	Addresses []SharedAddress `yaml:"addresses"`
	// Owner is "lease", the default: the nodes agree on who has them; or "external":
	// another program puts them on the interfaces, such as keepalived.
	Owner string `yaml:"owner"`
	// Dispatch spreads the new calls that come to them over all nodes, by load.
	Dispatch bool `yaml:"dispatch"`
}

// SharedAddress is one address and where it is put.
type SharedAddress struct {
	// Address is an address with the bits of its network, as 192.0.2.100/24.
	Address string `yaml:"address"`
	// Interface carries it.
	Interface string `yaml:"interface"`
}

// parse reads the addresses, and marks the listeners that go with them.
func (s Shared) parse(listeners []gate.ListenerConfig) ([]edge.Address, error) {
	if len(s.Addresses) > maxShared {
		return nil, fmt.Errorf("shared names %d addresses: %d are possible", len(s.Addresses), maxShared)
	}
	if s.Owner != "" && s.Owner != ownerLease && s.Owner != ownerExternal {
		return nil, fmt.Errorf("shared.owner %q is not %q or %q", s.Owner, ownerLease, ownerExternal)
	}
	var out []edge.Address
	for i, text := range s.Addresses {
		a, err := text.parse(s.Owner)
		if err != nil {
			return nil, fmt.Errorf("shared.addresses[%d] %q: %w", i, text.Address, err)
		}
		if slices.ContainsFunc(out, func(b edge.Address) bool { return a.Addr() == b.Addr() }) {
			return nil, fmt.Errorf("shared.addresses[%d] %q is in the list twice", i, text.Address)
		}
		heard := false
		for k := range listeners {
			if listeners[k].Addr == a.Addr() {
				listeners[k].Shared, heard = true, true
			}
		}
		if !heard {
			return nil, fmt.Errorf("shared.addresses[%d] %q: no listener of sip is on it", i, text.Address)
		}
		out = append(out, a)
	}
	if len(listeners) > 0 && listeners[0].Shared {
		return nil, errors.New("sip[0] is on a shared address: the first listener must be this node's own")
	}
	return out, nil
}

func (s SharedAddress) parse(owner string) (edge.Address, error) {
	prefix, err := netip.ParsePrefix(s.Address)
	if err != nil || prefix.Addr().IsUnspecified() || prefix.Addr().IsMulticast() || prefix.Addr().Is4In6() {
		return edge.Address{}, errors.New("this is not an address with the bits of its network, such as 192.0.2.100/24")
	}
	a := edge.Address{Prefix: prefix, Interface: s.Interface}
	switch {
	case a.Simulated() && owner == ownerExternal:
		return a, errors.New("every machine has this address, so nobody can see who owns it")
	case !a.Simulated() && a.Addr().IsLoopback():
		return a, errors.New("other machines cannot reach it")
	case !a.Simulated() && s.Interface == "" && owner != ownerExternal:
		return a, errors.New("interface is empty: name the one to put it on")
	}
	return a, nil
}

// addresses are the shared ones alone.
func (s settings) addresses() []netip.Addr {
	var out []netip.Addr
	for _, a := range s.shared {
		out = append(out, a.Addr())
	}
	return out
}

// portRange are UDP ports, both included.
type portRange struct {
	From uint16 `json:"from"`
	To   uint16 `json:"to"`
}

func (r portRange) overlaps(o portRange) bool { return r.From <= o.To && o.From <= r.To }

// sharedPorts are the ports of media, if it is on a shared address; nil if not.
func (s settings) sharedPorts() *portRange {
	if !slices.ContainsFunc(s.addresses(), func(a netip.Addr) bool { return slices.Contains(s.media, a) }) {
		return nil
	}
	return &portRange{s.portMin, s.portMax}
}
