package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Parse reads a description. It takes bare LF line ends, a missing last line
// end, empty lines, and attributes it does not know; it refuses with an *Error
// what it could not relay: no v=0 first, no o= line, a line that is not
// letter=value, a malformed m=, o= or c= line, a live stream without c=, or
// anything beyond the limits.
func Parse(text []byte) (*Session, error) {
	if len(text) > MaxBytes {
		return nil, &Error{Reason: fmt.Sprintf("%d bytes, at most %d", len(text), MaxBytes)}
	}
	s := &Session{text: bytes.Clone(text)}
	p := parser{session: s, at: -1}
	rest := string(text)
	for number := 1; rest != ""; number++ {
		if number > MaxLines {
			return nil, &Error{Line: number, Reason: fmt.Sprintf("more than %d lines", MaxLines)}
		}
		var l line
		l, rest = cut(rest)
		if reason := p.take(&l); reason != "" {
			return nil, &Error{Line: number, Reason: reason}
		}
		s.lines = append(s.lines, l)
		if l.kind == 'm' {
			p.mediaLine[p.at] = number
		}
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return s, nil
}

// cut takes the first line off the text. The kind is '?' when it is not
// letter=value.
func cut(text string) (l line, rest string) {
	end := strings.IndexByte(text, '\n')
	if end < 0 {
		l.value = text
	} else {
		l.value, l.eol, rest = text[:end], "\n", text[end+1:]
	}
	if v, ok := strings.CutSuffix(l.value, "\r"); ok {
		l.value, l.eol = v, "\r"+l.eol
	}
	switch {
	case l.value == "":
	case len(l.value) >= 2 && l.value[0] >= 'a' && l.value[0] <= 'z' && l.value[1] == '=':
		l.kind, l.value = l.value[0], l.value[2:]
	default:
		l.kind = '?'
	}
	return l, rest
}

// parser is the state between lines.
type parser struct {
	session   *Session
	at        int // index of the current m= line
	origin    bool
	version   bool
	top       level
	own       [MaxMedia]level
	mediaLine [MaxMedia]int
}

// level is what may stand at session or at media level.
type level struct {
	connection netip.Addr // of the first c=, invalid for a host name
	connected  bool       // a c= was seen
	direction  Direction
	directed   bool // a direction was seen
	rtcpPort   uint16
	rtcpAddr   netip.Addr
}

func (p *parser) level() *level {
	if p.at < 0 {
		return &p.top
	}
	return &p.own[p.at]
}

// take reads one line and returns why it is refused, or "".
func (p *parser) take(l *line) string {
	if l.kind != 0 && !p.version {
		if l.kind != 'v' || strings.TrimSpace(l.value) != "0" {
			return "the first line is not v=0"
		}
		p.version = true
	}
	reason := ""
	switch l.kind {
	case '?':
		reason = "not of the form letter=value"
	case 'o':
		reason = p.takeOrigin(l.value)
	case 'c':
		reason = p.takeConnection(l.value)
	case 'm':
		reason = p.takeMedia(l.value)
	case 'a':
		p.takeAttribute(l.value)
	}
	l.media = p.at
	return reason
}

func (p *parser) takeOrigin(value string) string {
	// The name may hold spaces, against the grammar, so count from the end.
	f := strings.Fields(value)
	if len(f) < 6 || p.origin || p.at >= 0 {
		return "o= is not one line of six fields before the media"
	}
	p.origin, p.session.Version = true, f[len(f)-4]
	return ""
}

func (p *parser) takeConnection(value string) string {
	f := strings.Fields(value)
	if len(f) != 3 || !strings.EqualFold(f[0], "IN") {
		return "c= is not IN, an address type and an address"
	}
	l := p.level()
	if l.connected {
		return "" // further ones are layered multicast: rewritten, not used
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(host)
	if err == nil && addr.Zone() != "" {
		return "c= has an address with a zone"
	}
	l.connection, l.connected = addr.Unmap(), true
	return ""
}

func (p *parser) takeMedia(value string) string {
	if p.at+1 == MaxMedia {
		return fmt.Sprintf("more than %d m= lines", MaxMedia)
	}
	f := strings.Fields(value)
	if len(f) < 4 {
		return "m= has fewer than four fields"
	}
	if len(f)-3 > MaxFormats {
		return fmt.Sprintf("m= has more than %d formats", MaxFormats)
	}
	number, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "m= has a port that is not a number up to 65535"
	}
	m := Media{Type: strings.ToLower(f[0]), Port: uint16(port), Proto: f[2]}
	for _, token := range f[3:] {
		format := Format{Token: token, PayloadType: -1, Channels: 1}
		if m.isRTP() {
			pt, err := strconv.ParseUint(token, 10, 7)
			if err != nil {
				return "m= has a payload type that is not a number up to 127"
			}
			format.PayloadType = int(pt)
			format.Codec, format.ClockRate, _ = static(int(pt))
		}
		m.Formats = append(m.Formats, format)
	}
	p.session.Media = append(p.session.Media, m)
	p.at++
	return ""
}

// finish settles what media lines inherit and checks what must be there.
func (p *parser) finish() error {
	if !p.version || !p.origin {
		return &Error{Reason: "no v= or no o= line"}
	}
	for i := range p.session.Media {
		m, own := &p.session.Media[i], &p.own[i]
		if !own.connected {
			own.connection, own.connected = p.top.connection, p.top.connected
		}
		if !own.directed {
			own.direction = p.top.direction
		}
		m.Direction = own.direction
		if m.Port == 0 {
			continue
		}
		if !own.connected {
			return &Error{Line: p.mediaLine[i], Reason: "media without a c= line"}
		}
		m.place(own)
	}
	return nil
}

// place sets the addresses of a live stream.
func (m *Media) place(own *level) {
	if !own.connection.IsValid() {
		return
	}
	m.hold = own.connection.IsUnspecified()
	m.Address = netip.AddrPortFrom(own.connection, m.Port)
	rtcp, port := own.connection, m.Port+1 // 65535 has no port after it: 0
	if own.rtcpPort != 0 {
		port = own.rtcpPort
		if own.rtcpAddr.IsValid() {
			rtcp = own.rtcpAddr
		}
	}
	m.RTCP = netip.AddrPortFrom(rtcp, port)
}

// milliseconds bounds ptime: RFC 8866 allows fractions, which are dropped.
func milliseconds(value string) time.Duration {
	whole, _, _ := strings.Cut(strings.TrimSpace(value), ".")
	n, err := strconv.ParseUint(whole, 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
