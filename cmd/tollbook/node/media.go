package node

import (
	"fmt"
	"net/netip"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/tollbook/tollbook/sip/gate"
)

// maxMediaAddresses bounds the local addresses of media.
const maxMediaAddresses = 32

// Addresses is a list of IP addresses; in the file it may be a single one.
type Addresses []string

// UnmarshalYAML reads a list or one address.
func (a *Addresses) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*a = nil
		if node.Value != "" {
			*a = Addresses{node.Value}
		}
		return nil
	}
	return node.Decode((*[]string)(a))
}

// addresses are those that media is on: those of the file, else those of the
// signalling.
func (m Media) addresses(listeners []gate.ListenerConfig) ([]netip.Addr, error) {
	var out []netip.Addr
	for i, text := range m.Address {
		addr, err := netip.ParseAddr(text)
		switch {
		case err != nil || addr.IsUnspecified() || addr.Is4In6() || addr.IsMulticast():
			return nil, fmt.Errorf("media.address[%d] %q is not a single address of this machine, such as 192.0.2.1", i, text)
		case slices.Contains(out, addr):
			return nil, fmt.Errorf("media.address[%d] %q is in the list twice", i, text)
		}
		out = append(out, addr)
	}
	if len(out) > maxMediaAddresses {
		return nil, fmt.Errorf("media.address names %d addresses: %d are possible", len(out), maxMediaAddresses)
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, l := range listeners {
		if !slices.Contains(out, l.Addr) {
			out = append(out, l.Addr)
		}
	}
	return out, nil
}
