package b2bua

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/catalog"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/gate"
)

// private tells whether a caller wants to stay unknown (RFC 3323, RFC 3325).
func private(req *sip.Request) bool {
	for h := range gate.Named(req, "Privacy") {
		for value := range strings.FieldsFuncSeq(strings.ToLower(h.Value()), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
			if value == "id" || value == "user" || value == "header" {
				return true
			}
		}
	}
	return false
}

// allows tells whether a peer's policy lets a header pass.
func allows(p *wire.SipPolicy, name string) bool {
	return len(p.GetHeaders()) == 0 || slices.Contains(p.Headers, name)
}

// pass copies the headers about who calls whom that both peers' policies let pass.
// Those that name the caller are left out where he hides; addresses of the caller's
// network become ours, but for Identity, which is signed.
func pass(from *sip.Request, to *sip.Request, in, out *wire.SipPolicy, hidden bool, ours string) {
	for _, name := range catalog.PassedHeaders {
		if !allows(in, name) || !allows(out, name) || hidden && slices.Contains(naming, name) {
			continue
		}
		for h := range gate.Named(from, name) {
			value := h.Value()
			if name != "Identity" {
				value = hideHosts(value, ours)
			}
			to.AppendHeader(sip.NewHeader(name, value))
		}
	}
}

// naming are the headers that name the caller.
var naming = []string{"P-Asserted-Identity", "P-Preferred-Identity", "Identity"}

// hideHosts replaces the IP addresses of a header's URIs, and their ports.
func hideHosts(value, ours string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(value, "@")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		out.WriteByte('@')
		end := strings.IndexAny(rest, ";>?, \t\"")
		if end < 0 {
			end = len(rest)
		}
		host := rest[:end]
		if isAddress(host) {
			host = ours
		}
		out.WriteString(host)
		value = rest[end:]
	}
}

// isAddress tells an IP address, with or without a port, from a name.
func isAddress(host string) bool {
	if _, err := netip.ParseAddrPort(host); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// anonymous is who calls when nobody may know (RFC 3323, section 4.1).
func anonymous() sip.Uri { return sip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"} }
