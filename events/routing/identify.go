package routing

import (
	"net/netip"
	"strings"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
)

// sources finds originators by the address that a call comes from.
type sources struct {
	byNetwork map[netip.Prefix][]*wire.Originator
	bits      [129]bool // lengths of networks that occur
}

func (s *sources) add(o *wire.Originator) {
	if o.Disabled {
		return
	}
	for _, n := range o.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			continue // the catalog accepts none of these
		}
		if s.byNetwork == nil {
			s.byNetwork = map[netip.Prefix][]*wire.Originator{}
		}
		s.byNetwork[p] = append(s.byNetwork[p], o)
		s.bits[p.Bits()] = true
	}
}

// Knows tells whether an address is a peer's: an originator's calls may come from
// it, or a terminator's host is that address.
func (w *World) Knows(addr netip.Addr) bool {
	if w.hosts[addr.Unmap()] {
		return true
	}
	found := false
	w.sources.walk(addr, func(*wire.Originator, int) bool {
		found = true
		return false
	})
	return found
}

// walk visits the originators whose networks contain an address, those with the
// narrowest network first, until visit returns false.
func (s *sources) walk(addr netip.Addr, visit func(o *wire.Originator, bits int) bool) {
	addr = addr.Unmap()
	for bits := addr.BitLen(); bits >= 0; bits-- {
		if !s.bits[bits] {
			continue
		}
		p, err := addr.Prefix(bits)
		if err != nil {
			continue
		}
		for _, o := range s.byNetwork[p] {
			if !visit(o, bits) {
				return
			}
		}
	}
}

// Identify finds the originator of a call by its source and the number it dialled:
// of those whose network, port and tech prefix fit, the one with the narrowest
// network, then with the longest tech prefix, then with a port. Where the listener
// that the call came by is known, it must be the originator's, if that names one.
// It also gives the number without the tech prefix.
func (w *World) Identify(source netip.AddrPort, listener, dialled string) (*wire.Originator, string) {
	var best *wire.Originator
	bestBits := -1
	w.sources.walk(source.Addr(), func(o *wire.Originator, bits int) bool {
		if o.Listener != "" && listener != "" && o.Listener != listener {
			return true
		}
		if o.Port != 0 && o.Port != uint32(source.Port()) || !strings.HasPrefix(dialled, o.TechPrefix) {
			return true
		}
		if best == nil || bits == bestBits && narrower(o, best) {
			best, bestBits = o, bits
		}
		return true
	})
	if best == nil {
		return nil, ""
	}
	return best, dialled[len(best.TechPrefix):]
}

func narrower(a, b *wire.Originator) bool {
	if len(a.TechPrefix) != len(b.TechPrefix) {
		return len(a.TechPrefix) > len(b.TechPrefix)
	}
	return a.Port != 0 && b.Port == 0
}

// callers finds peers by the user names of their digest credentials.
type callers struct {
	byUser map[string]*wire.Originator
	any    bool // a peer has a secret
}

func (c *callers) add(o *wire.Originator) {
	if o.AuthUser == "" || o.Disabled {
		return
	}
	if c.byUser == nil {
		c.byUser = map[string]*wire.Originator{}
	}
	c.byUser[o.AuthUser] = o
	c.any = true
}

// Challenges tells whether any peer may identify itself by digest: then strangers
// are asked who they are.
func (w *World) Challenges() bool { return w.callers.any }

// Credentials finds who answers to a user name of digest: the peer as it calls, and
// its wrapped secret with the name that it is wrapped under. A peer that is
// switched off has none.
func (w *World) Credentials(user string) (peer *wire.Originator, name string, secret []byte) {
	if s := w.Catalog.Subscriber(user); s != nil {
		if len(s.Secret) == 0 || s.Disabled || w.Catalog.Company(s.Company).GetDisabled() {
			return nil, "", nil
		}
		return w.Catalog.Originator(catalog.DevicePeer + s.Id), "subscriber " + s.Id, s.Secret
	}
	if o := w.callers.byUser[user]; o != nil {
		return o, "originator " + o.Id, o.AuthSecret
	}
	return nil, "", nil
}
