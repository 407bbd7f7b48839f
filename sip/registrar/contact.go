package registrar

import (
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/gate"
)

// Contact is a device to be called.
type Contact struct {
	// URI is what the request asks for, Routes the proxies on the way.
	URI    sip.Uri
	Routes []sip.Uri
	// Destination is a host and port, Transport in small letters, Listener the local
	// address that the device knows us by.
	Destination, Transport, Listener string
	Q                                int
	// Key tells the contact from others of the subscriber.
	Key string
}

// Contacts are a subscriber's devices, those to be tried first in front.
func (r *Registrar) Contacts(user string) []Contact {
	var out []Contact
	for _, b := range r.Bindings(user) {
		if !r.open(&b) {
			continue
		}
		c, err := b.contact()
		if err != nil {
			r.config.Log.Error("a contact cannot be called", "subscriber", user, "contact", b.Contact, "err", err)
			continue
		}
		if r.through(&b) {
			l, err := r.config.Gate.Foreign(b.Node, b.Listener, *b.At)
			if err != nil {
				r.config.Log.Error("a device cannot be called through its node", "subscriber", user, "node", b.Node, "err", err)
				continue
			}
			c.Listener = l.Name()
		}
		out = append(out, c)
	}
	return out
}

// through tells whether a device is reached only through the node that it registered
// at: the router before it lets nobody else in, or it has a connection there. When that
// node is away a device on UDP is tried from here all the same.
func (r *Registrar) through(b *Binding) bool {
	return b.Node != r.config.Node && b.At != nil && len(b.Path) == 0 && (b.NAT || sip.IsReliable(b.Transport)) &&
		r.config.Gate != nil && r.up(b.Node)
}

// at is where other nodes find a listener of this one; nil of one that is theirs, too.
func (r *Registrar) at(listener string) *gate.Place {
	if r.config.Gate == nil || r.config.Gate.Listener(listener).Shared() {
		return nil
	}
	at := r.config.Gate.Listener(listener).Place()
	return &at
}

func (r *Registrar) up(node string) bool { return r.config.Up == nil || r.config.Up(node) }

// open tells whether a device can be reached: over a connection only while that is
// there (RFC 5626). What other nodes have they know, while they are there.
func (r *Registrar) open(b *Binding) bool {
	if !sip.IsReliable(b.Transport) || len(b.Path) > 0 || r.config.Gate == nil {
		return true
	}
	if b.Node != r.config.Node {
		return b.At == nil || r.up(b.Node)
	}
	return r.config.Gate.Listener(b.Listener).Connected(b.Transport, b.Source)
}

func (b *Binding) contact() (Contact, error) {
	c := Contact{Transport: b.Transport, Listener: b.Listener, Q: b.Q, Key: b.Contact}
	var err error
	if c.URI, err = b.uri(); err != nil {
		return c, err
	}
	for _, text := range b.Path {
		var u sip.Uri
		if err := sip.ParseUri(text, &u); err != nil {
			return c, err
		}
		c.Routes = append(c.Routes, u)
	}
	c.Destination, err = b.target()
	return c, err
}
