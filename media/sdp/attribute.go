package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// takeAttribute reads an a= line. A malformed attribute is ignored and passed
// on: it belongs to the two ends, and calls do not fail for it.
func (p *parser) takeAttribute(value string) {
	name, value, _ := strings.Cut(value, ":")
	name = strings.TrimSpace(name)
	if d, ok := parseDirection(name); ok {
		l := p.level()
		l.direction, l.directed = d, true
		return
	}
	if p.at < 0 {
		return
	}
	m := &p.session.Media[p.at]
	switch name {
	case "rtcp":
		p.takeRTCP(value)
	case "rtcp-mux", "rtcp-mux-only":
		m.RTCPMux = true
	case "crypto":
		m.takeCrypto(value)
	case "ptime":
		m.PTime = milliseconds(value)
	case "rtpmap":
		m.takeMap(value)
	case "fmtp":
		pt, parameters, _ := strings.Cut(value, " ")
		if f := m.format(pt); f != nil {
			f.Parameters = strings.TrimSpace(parameters)
		}
	}
}

// takeRTCP reads "port [IN IP4 address]" (RFC 3605).
func (p *parser) takeRTCP(value string) {
	f := strings.Fields(value)
	if len(f) != 1 && len(f) != 4 {
		return
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil {
		return
	}
	own := p.level()
	own.rtcpPort = uint16(port)
	if len(f) == 4 {
		addr, err := netip.ParseAddr(f[3])
		if err == nil && addr.Zone() == "" {
			own.rtcpAddr = addr.Unmap()
		}
	}
}

// takeMap reads "payload-type name/clock[/channels]".
func (m *Media) takeMap(value string) {
	pt, encoding, ok := strings.Cut(strings.TrimSpace(value), " ")
	f := m.format(pt)
	if !ok || f == nil || f.PayloadType < 0 {
		return
	}
	parts := strings.Split(strings.TrimSpace(encoding), "/")
	if len(parts) < 2 || parts[0] == "" {
		return
	}
	clock, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil || clock == 0 {
		return
	}
	f.Codec, f.ClockRate = parts[0], uint32(clock)
	if len(parts) > 2 {
		if n, err := strconv.ParseUint(parts[2], 10, 8); err == nil && n > 0 {
			f.Channels = int(n)
		}
	}
}

// format finds a format by its token.
func (m *Media) format(token string) *Format {
	for i := range m.Formats {
		if m.Formats[i].Token == token {
			return &m.Formats[i]
		}
	}
	return nil
}
