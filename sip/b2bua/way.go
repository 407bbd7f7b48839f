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
	if w.flow != "" && w.listener.Connected(w.transport, w.flow) {
		req.SetTransport(strings.ToUpper(w.transport))
		req.SetDestination(w.flow)
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
