package sdp

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// Rewrite returns the description with the switch in the place of the far end:
// every o= and c= line names addr, and the port of the m= line with index i is
// ports(i). A rejected stream keeps port 0 and is not asked for; ports may
// return 0 to reject one. A null c= address stays null, since it means hold.
// Lines that would lead media around the switch are dropped: rtcp, rtcp-mux,
// ICE and source filters. All else stays byte for byte and in order.
func (s *Session) Rewrite(addr netip.Addr, ports func(media int) int) []byte {
	addr = addr.Unmap().WithZone("")
	var out bytes.Buffer
	out.Grow(len(s.text) + 64)
	for _, l := range s.lines {
		value := l.value
		switch l.kind {
		case 'o':
			value = rewriteTail(value, family(addr)+" "+addr.String())
		case 'c':
			value = rewriteConnection(value, addr)
		case 'm':
			value = s.rewriteMedia(l, ports)
		case 'a':
			if names(value) {
				continue
			}
		}
		if l.kind != 0 {
			out.WriteByte(l.kind)
			out.WriteByte('=')
		}
		out.WriteString(value)
		out.WriteString(l.eol)
	}
	return out.Bytes()
}

// rewriteTail replaces the last two fields.
func rewriteTail(value, tail string) string {
	for range 2 {
		value = strings.TrimRightFunc(value, unicode.IsSpace)
		value = value[:strings.LastIndexFunc(value, unicode.IsSpace)+1]
	}
	return strings.TrimRightFunc(value, unicode.IsSpace) + " " + tail
}

func rewriteConnection(value string, addr netip.Addr) string {
	host, _, _ := strings.Cut(strings.Fields(value)[2], "/")
	if old, err := netip.ParseAddr(host); err == nil && old.Unmap().IsUnspecified() {
		return value
	}
	return "IN " + family(addr) + " " + addr.String()
}

// rewriteMedia replaces the port field, and a port count with it.
func (s *Session) rewriteMedia(l line, ports func(int) int) string {
	if s.Media[l.media].Port == 0 {
		return l.value
	}
	f := strings.Fields(l.value)
	f[1] = strconv.Itoa(ports(l.media))
	return strings.Join(f, " ")
}

// names reports whether an attribute names an address or a path that is not
// the switch's. rtcp-fb and rtcp-xr are end to end and stay.
func names(attribute string) bool {
	name, _, _ := strings.Cut(attribute, ":")
	name = strings.TrimSpace(name)
	switch name {
	case "rtcp", "rtcp-mux", "rtcp-mux-only", "candidate", "remote-candidates",
		"end-of-candidates", "source-filter":
		return true
	}
	return strings.HasPrefix(name, "ice-")
}
