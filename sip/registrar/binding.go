package registrar

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/gate"
)

const (
	// MinExpires and MaxExpires bound the life of a binding; MaxExpires is also that
	// of one whose client asks for nothing.
	MinExpires = time.Minute
	MaxExpires = time.Hour

	maxURI   = 512
	maxPath  = 8
	maxAgent = 128
)

// Binding is one contact of a subscriber: where a device of his can be reached
// (RFC 3261, section 10.3).
type Binding struct {
	// Contact is the URI as the device wrote it, Path the proxies on the way to it
	// (RFC 3327), the one that is asked first in front.
	Contact string   `json:"contact"`
	Path    []string `json:"path,omitempty"`
	// Source is the address and port that the REGISTER came from, over Transport, by
	// Listener of Node.
	Source    string `json:"source"`
	Transport string `json:"transport"`
	Listener  string `json:"listener"`
	Node      string `json:"node"`
	// At is where that listener is: other nodes speak by it to a device that is behind a
	// NAT, or has connected to it.
	At     *gate.Place `json:"at,omitempty"`
	CallID string      `json:"call_id"`
	CSeq   uint32      `json:"cseq"`
	// Q is the preference among several in thousandths.
	Q     int    `json:"q"`
	Agent string `json:"agent,omitempty"`
	// NAT says that the device is reached at Source, whatever its contact says.
	NAT bool `json:"nat,omitempty"`
	// Since, Refreshed and Expires are UTC in microseconds.
	Since     int64 `json:"since"`
	Refreshed int64 `json:"refreshed"`
	Expires   int64 `json:"expires"`
}

// live leaves out what has expired.
func live(list []Binding, nowUS int64) []Binding {
	return slices.DeleteFunc(slices.Clone(list), func(b Binding) bool { return b.Expires <= nowUS })
}

// order puts what is to be tried first in front: by q, then the freshest.
func order(list []Binding) {
	slices.SortStableFunc(list, func(a, b Binding) int {
		return cmp.Or(cmp.Compare(b.Q, a.Q), cmp.Compare(b.Refreshed, a.Refreshed), cmp.Compare(a.Contact, b.Contact))
	})
}

// uri is the contact as a URI.
func (b *Binding) uri() (sip.Uri, error) {
	var u sip.Uri
	err := sip.ParseUri(b.Contact, &u)
	return u, err
}

// refusal is why a REGISTER changes nothing.
type refusal struct {
	code   int
	reason string
}

// change is what a REGISTER asks for: base is a binding with all that its contacts
// have in common.
type change struct {
	base     Binding
	all      bool // remove all
	contacts []offer
	most     int
}

// offer is one contact; life 0 removes it.
type offer struct {
	contact string
	uri     sip.Uri
	q       int
	life    time.Duration
}

// apply makes the bindings that a REGISTER leaves, or refuses it as a whole.
func (c *change) apply(old []Binding) ([]Binding, *refusal) {
	now := c.base.Refreshed
	out := live(old, now)
	if c.all {
		for i := range out {
			if c.late(&out[i]) {
				return nil, &refusal{400, "CSeq Out Of Order"}
			}
		}
		return nil, nil
	}
	for _, o := range c.contacts {
		at := slices.IndexFunc(out, func(b Binding) bool {
			u, err := b.uri()
			return err == nil && same(&u, &o.uri)
		})
		if at >= 0 && c.late(&out[at]) {
			return nil, &refusal{400, "CSeq Out Of Order"}
		}
		b := c.base
		b.Since = now
		if at >= 0 {
			b.Since = out[at].Since
			out = slices.Delete(out, at, at+1)
		}
		if o.life == 0 {
			continue
		}
		b.Contact, b.Q, b.Expires = o.contact, o.q, now+o.life.Microseconds()
		out = append(out, b)
	}
	return c.bounded(out), nil
}

// late tells whether the REGISTER was overtaken by the one that made a binding.
func (c *change) late(b *Binding) bool {
	return b.CallID == c.base.CallID && c.base.CSeq <= b.CSeq
}

// bounded makes room: the devices that were not heard of for the longest time go.
func (c *change) bounded(list []Binding) []Binding {
	if len(list) <= c.most {
		return list
	}
	slices.SortStableFunc(list, func(a, b Binding) int { return cmp.Compare(b.Refreshed, a.Refreshed) })
	return list[:c.most]
}

// same compares two contacts (RFC 3261, section 19.1.4), by all that leads a request
// to a device.
func same(a, b *sip.Uri) bool {
	return a.Scheme == b.Scheme && a.User == b.User && strings.EqualFold(a.Host, b.Host) && a.Port == b.Port &&
		strings.EqualFold(a.UriParams.GetOr("transport", "udp"), b.UriParams.GetOr("transport", "udp"))
}

// behindNAT tells whether a device must be reached where its REGISTER came from: it
// says so itself by rport (RFC 3581), or names an address that it did not send from.
func behindNAT(req *sip.Request, contact *sip.Uri, source netip.AddrPort) bool {
	if _, rport := req.Via().Params.Get("rport"); rport {
		return true
	}
	host, err := netip.ParseAddr(strings.Trim(contact.Host, "[]"))
	return err != nil || host.Unmap() != source.Addr()
}

// target is where the INVITE for a binding is sent.
func (b *Binding) target() (destination string, err error) {
	if len(b.Path) > 0 {
		var u sip.Uri
		if err := sip.ParseUri(b.Path[0], &u); err != nil {
			return "", err
		}
		return hostPort(&u), nil
	}
	if b.NAT || b.Transport != "udp" {
		return b.Source, nil
	}
	u, err := b.uri()
	return hostPort(&u), err
}

func hostPort(u *sip.Uri) string {
	port := u.Port
	if port == 0 {
		port = 5060
	}
	return net.JoinHostPort(strings.Trim(u.Host, "[]"), strconv.Itoa(port))
}
