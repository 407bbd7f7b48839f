package registrar

import (
	"github.com/emiago/sipgo/sip"
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
		out = append(out, c)
	}
	return out
}

// open tells whether a device can be reached: over a connection only while that is
// there (RFC 5626). What other nodes have, they know.
func (r *Registrar) open(b *Binding) bool {
	if !sip.IsReliable(b.Transport) || len(b.Path) > 0 || b.Node != r.config.Node || r.config.Gate == nil {
		return true
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
