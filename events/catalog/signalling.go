package catalog

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// transports are those that we call over.
var transports = []string{"udp", "tcp", "tls"}

const (
	maxUpCodes = 32
	maxNodes   = 32
	// minExpiry and maxExpiry bound what we ask registrars for.
	minExpiry = 60
	maxExpiry = 86_400
)

// checkListener refuses what cannot be a listener's name. Which names there are only
// the nodes know.
func checkListener(name string) error {
	if name == "" {
		return nil
	}
	if err := CheckID(name); err != nil {
		return events.Invalid("listener: %v", err)
	}
	return nil
}

// validateDoor checks by what an originator's calls must come.
func validateDoor(o *wire.Originator) error {
	if o.Certificate != "" && !isHost(o.Certificate) {
		return events.Invalid("certificate %q is not the name that a certificate is for, such as sip.example.net", o.Certificate)
	}
	if err := validateNodes(o.Nodes, o.NodesFailover); err != nil {
		return err
	}
	if err := validateTold(o.SheetTold, o.SheetToldUs); err != nil {
		return err
	}
	return checkListener(o.Listener)
}

// validateNodes checks the nodes that serve a peer. Which there are only the nodes know.
func validateNodes(nodes []string, failover bool) error {
	if len(nodes) > maxNodes {
		return events.Invalid("nodes: at most %d are allowed", maxNodes)
	}
	for i, name := range nodes {
		if err := CheckID(name); err != nil {
			return events.Invalid("nodes.%d: %v", i, err)
		}
		if slices.Contains(nodes[:i], name) {
			return events.Invalid("nodes.%d: %s is named twice", i, name)
		}
	}
	if failover && len(nodes) == 0 {
		return events.Invalid("nodes_failover: names no nodes to fail over from; leave it out, or name the peer's nodes")
	}
	return nil
}

func isHost(host string) bool {
	return host != "" && len(host) <= 253 && !strings.ContainsAny(host, " /@<>\"\r\n;,")
}

func validatePing(p *wire.Ping) error {
	switch {
	case p == nil:
		return nil
	case p.IntervalS < 1 || p.IntervalS > 3600:
		return events.Invalid("ping: an interval is 1 to 3600 s")
	case p.TimeoutMs > 32_000:
		return events.Invalid("ping: a timeout may have 32 s at most")
	case p.DownAfter > 100 || p.UpAfter > 100:
		return events.Invalid("ping: down and up after at most 100 pings")
	case len(p.UpCodes) > maxUpCodes:
		return events.Invalid("ping: at most %d codes are allowed", maxUpCodes)
	}
	for i, c := range p.UpCodes {
		if c < 200 || c > 699 {
			return events.Invalid("ping: up_codes.%d: %d is not a final answer: those are 200 to 699", i, c)
		}
	}
	return nil
}

func validateRegistration(r *wire.Registration) error {
	switch {
	case r.Originator == "":
		return events.Invalid("the originator whose calls come to the registered contact is missing")
	case !isHost(r.Registrar):
		return events.Invalid("the registrar %q is not a domain name or an address", r.Registrar)
	case r.Proxy != "" && !isHostPort(r.Proxy):
		return events.Invalid("the proxy %q is not a host, with or without a port", r.Proxy)
	case r.Transport != "" && !slices.Contains(transports, r.Transport):
		return events.Invalid("transport %q is not udp, tcp or tls", r.Transport)
	case r.User == "" || len(r.User) > maxName || strings.ContainsAny(r.User, " @<>\":;,\r\n"):
		return events.Invalid("the user %q is not what stands before the @ of an address", r.User)
	case len(r.AuthUser) > maxName || strings.ContainsAny(r.AuthUser, "\"\\\r\n") || len(r.Secret) > 512:
		return events.Invalid("the digest credentials are too long, or hold quotes")
	case r.ExpiryS != 0 && (r.ExpiryS < minExpiry || r.ExpiryS > maxExpiry):
		return events.Invalid("an expiry is %d to %d s", minExpiry, maxExpiry)
	}
	if r.Node != "" {
		if err := CheckID(r.Node); err != nil {
			return events.Invalid("node: %v", err)
		}
	}
	return checkListener(r.Listener)
}

// isHostPort tells whether s is a host, or a host and a port.
func isHostPort(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return true
	}
	host, port, has := strings.Cut(s, ":")
	return isHost(host) && (!has || len(port) > 0 && len(port) <= 5 && strings.Trim(port, "0123456789") == "")
}

// Registration finds one of our registrations at others' registrars by its id.
func (s *State) Registration(id string) *wire.Registration {
	return s.items[KindRegistration][id].Entity.GetRegistration()
}
