package sdp

import (
	"bytes"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Outgoing says how a description leaves the switch.
type Outgoing struct {
	// Addr takes the place of every address of the far end's.
	Addr netip.Addr
	// ID and Version are those of the o= line (RFC 8866, section 5.2). The version
	// rises by one with every change (RFC 3264, section 8).
	ID, Version uint64
	// Port is the port of the m= line with an index, 0 to reject the stream. Streams
	// that the far end rejected stay so and are not asked for.
	Port func(media int) int
	// Formats are the tokens of the m= line with an index, in order, out of those
	// that it has; nil keeps them as they are.
	Formats func(media int) []string
	// Profile is the transport protocol of the m= line with an index, "" to keep it;
	// nil keeps all.
	Profile func(media int) string
	// Crypto are our keys for the stream with an index; nil is none at all.
	Crypto func(media int) []Crypto
	// Mux says of the stream with an index that RTCP may come to the port of RTP (RFC
	// 5761); nil is never.
	Mux func(media int) bool
	// Fresh leaves out what the description says of hold: its direction, and a null
	// address.
	Fresh bool
}

// Rewrite returns the description with the switch in the place of the far end:
// the o=, s= and c= lines and the ports are the switch's own. A null c= address
// stays null, since it means hold, of the family of ours. Lines that would lead media around the switch
// are dropped (rtcp, rtcp-mux, ICE and source filters), and so are its keys and those
// that tell of the far end: i=, u=, e=, p= and attributes with one of its addresses.
// All else stays byte for byte and in order.
func (s *Session) Rewrite(out Outgoing) []byte {
	out.Addr = out.Addr.Unmap().WithZone("")
	var text bytes.Buffer
	text.Grow(len(s.text) + 64)
	inner := s.addresses()
	keys := keyLines{of: out.Crypto, mux: out.Mux, media: -1, to: &text}
	for _, l := range s.lines {
		value := l.value
		keys.before(l)
		switch l.kind {
		case 'o':
			value = "- " + strconv.FormatUint(out.ID, 10) + " " + strconv.FormatUint(out.Version, 10) + " IN " + family(out.Addr) + " " + out.Addr.String()
		case 's':
			value = "-"
		case 'i', 'u', 'e', 'p', 'k':
			continue
		case 'c':
			value = rewriteConnection(value, out)
		case 'm':
			value = s.rewriteMedia(l, out)
		case 'a':
			if names(value) || tells(value, inner) || s.unused(l, out) {
				continue
			}
			if _, directed := parseDirection(strings.TrimSpace(value)); directed && out.Fresh {
				continue
			}
		}
		if l.kind != 0 {
			text.WriteByte(l.kind)
			text.WriteByte('=')
		}
		text.WriteString(value)
		text.WriteString(l.eol)
	}
	keys.flush()
	return text.Bytes()
}

// keyLines writes the a=crypto lines and a=rtcp-mux of each stream in front of its
// attributes.
type keyLines struct {
	of    func(int) []Crypto
	mux   func(int) bool
	media int // the stream whose lines are still to be written, or -1
	eol   string
	to    *bytes.Buffer
}

func (k *keyLines) before(l line) {
	if l.kind == 'a' || l.kind == 'm' {
		k.flush()
	}
	if l.kind == 'm' {
		k.media, k.eol = l.media, l.eol
	}
}

func (k *keyLines) flush() {
	if k.media < 0 {
		return
	}
	var lines []string
	if k.of != nil {
		for _, c := range k.of(k.media) {
			lines = append(lines, c.Line())
		}
	}
	if k.mux != nil && k.mux(k.media) {
		lines = append(lines, "rtcp-mux")
	}
	if k.media = -1; len(lines) == 0 {
		return
	}
	if !strings.HasSuffix(k.eol, "\n") {
		k.eol = "\r\n"
	}
	if text := k.to.Bytes(); text[len(text)-1] != '\n' { // the last line, which need not end
		k.to.Truncate(len(bytes.TrimRight(text, "\r")))
		k.to.WriteString(k.eol)
	}
	for _, line := range lines {
		k.to.WriteString("a=" + line + k.eol)
	}
}

// addresses are those that the far end's o= and c= lines name.
func (s *Session) addresses() []string {
	var all []string
	for _, l := range s.lines {
		if l.kind != 'o' && l.kind != 'c' {
			continue
		}
		f := strings.Fields(l.value)
		if len(f) == 0 {
			continue
		}
		host, _, _ := strings.Cut(f[len(f)-1], "/")
		addr, err := netip.ParseAddr(host)
		if err == nil && !addr.IsUnspecified() && !slices.Contains(all, host) {
			all = append(all, host)
		}
	}
	return all
}

// tells reports whether an attribute has one of the far end's addresses in it.
func tells(attribute string, inner []string) bool {
	return slices.ContainsFunc(inner, func(addr string) bool { return strings.Contains(attribute, addr) })
}

// unused reports whether an attribute describes a format that does not go out.
func (s *Session) unused(l line, out Outgoing) bool {
	if out.Formats == nil || l.media < 0 {
		return false
	}
	name, value, _ := strings.Cut(l.value, ":")
	switch strings.TrimSpace(name) {
	case "rtpmap", "fmtp", "rtcp-fb":
	default:
		return false
	}
	kept := out.Formats(l.media)
	token, _, _ := strings.Cut(strings.TrimSpace(value), " ")
	return kept != nil && token != "*" && !slices.Contains(kept, token)
}

func rewriteConnection(value string, out Outgoing) string {
	host, _, _ := strings.Cut(strings.Fields(value)[2], "/")
	addr := out.Addr
	if old, err := netip.ParseAddr(host); err == nil && old.Unmap().IsUnspecified() && !out.Fresh {
		addr = null(addr)
	}
	return "IN " + family(addr) + " " + addr.String()
}

// null is the address that means hold, of the family of another one.
func null(of netip.Addr) netip.Addr {
	if of.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// rewriteMedia replaces the port field, a port count with it, and the formats.
func (s *Session) rewriteMedia(l line, out Outgoing) string {
	if s.Media[l.media].Port == 0 {
		return l.value
	}
	f := strings.Fields(l.value)
	f[1] = strconv.Itoa(out.Port(l.media))
	if out.Profile != nil {
		if p := out.Profile(l.media); p != "" {
			f[2] = p
		}
	}
	if out.Formats != nil {
		if kept := out.Formats(l.media); kept != nil {
			f = append(f[:3], kept...)
		}
	}
	return strings.Join(f, " ")
}

// names reports whether an attribute names an address, a path or a key that is not
// the switch's. rtcp-fb and rtcp-xr are end to end and stay.
func names(attribute string) bool {
	name, _, _ := strings.Cut(attribute, ":")
	name = strings.TrimSpace(name)
	switch name {
	case "rtcp", "rtcp-mux", "rtcp-mux-only", "candidate", "remote-candidates",
		"end-of-candidates", "source-filter", "crypto", "fingerprint", "setup", "tls-id", "key-mgmt":
		return true
	}
	return strings.HasPrefix(name, "ice-")
}
