package b2bua

import (
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/gate"
)

// way is how a dialog's far end is reached: by which of our listeners, over what,
// and, where the far end came to us over a connection, over that one.
type way struct {
	listener  *gate.Listener
	transport string // in small letters
	// flow is the far end's own end of a connection that it opened, "" if there is
	// none: requests go back over it while it is open, since a far end behind a
	// firewall can be reached in no other way (RFC 5923, RFC 5626).
	flow string
	// again finds the connection that a registered device has opened since, "" if it
	// has none; nil for who is not registered.
	again func() string
	// source is where the far end was heard from, over UDP.
	source string
	// home is where a far end behind a NAT is reached over UDP, whatever its Contact
	// says; "" leaves it to the Contact.
	home string
	// secure says that the dialog was made by a sips URI: so must be its Contact.
	secure bool
}

// wayOf is the way back to whom a request came from.
func (s *Switch) wayOf(req *sip.Request, tx gate.ServerTransaction) way {
	w := way{
		listener: s.config.Gate.ListenerOf(tx), transport: sip.NetworkToLower(req.Transport()),
		secure: req.Recipient.Scheme == "sips",
	}
	if sip.IsReliable(w.transport) {
		w.flow = req.Source()
	} else {
		w.source = req.Source()
	}
	return w
}

// contact is where the far end of a dialog reaches us.
func (w way) contact() sip.Uri {
	u := w.listener.Contact(w.transport)
	if w.secure {
		u.Scheme = "sips"
		u.UriParams.Remove("transport")
	}
	return u
}

// address sends a request of a dialog to its next hop: over the connection that the
// far end opened, if it is still there, or else where the hop's URI says.
func (w way) address(req *sip.Request, hop sip.Uri) {
	transport, host, port := w.transport, hop.Host, hop.Port
	if t, ok := hop.UriParams.Get("transport"); ok && t != "" {
		transport = strings.ToLower(t)
	}
	if hop.Scheme == "sips" && (transport == "udp" || transport == "tcp") {
		transport = "tls"
	}
	if port == 0 {
		port = sip.DefaultPort(transport)
	}
	req.SetTransport(strings.ToUpper(transport))
	req.SetDestination(gate.HostPort(host, port))
	req.Laddr = w.listener.Local()
	if w.source != "" && gate.Hidden(host, w.source) {
		req.SetTransport("UDP")
		req.SetDestination(w.source) // through the router that he is behind
	}
	if flow := w.open(); flow != "" {
		req.SetTransport(strings.ToUpper(w.transport))
		req.SetDestination(flow)
	}
}

// open is the far end's connection that requests go over, "" if there is none.
func (w way) open() string {
	if w.flow == "" || w.listener.Connected(w.transport, w.flow) {
		return w.flow
	}
	if w.again != nil {
		if flow := w.again(); flow != "" && w.listener.Connected(w.transport, flow) {
			return flow
		}
	}
	return ""
}

// heard takes the connection that a request of the far end's came over for the one
// that it is reached by: it may have lost the one before.
func (w *way) heard(req *sip.Request) {
	if w.flow != "" && sip.NetworkToLower(req.Transport()) == w.transport {
		w.flow = req.Source()
	}
}

// flowOf finds a registered device's connection by its contact.
func (s *Switch) flowOf(user, contact string) func() string {
	if s.config.Devices == nil {
		return nil
	}
	return func() string {
		for _, c := range s.config.Devices.Contacts(user) {
			if c.Key == contact {
				return c.Destination
			}
		}
		return ""
	}
}

// behind tells that no proxy is on the way, so that the far end is reached at its
// home, if it has one.
func (w way) behind(req *sip.Request) {
	if w.home != "" {
		req.SetTransport(strings.ToUpper(w.transport))
		req.SetDestination(w.home)
	}
}
