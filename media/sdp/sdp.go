// Package sdp reads and rewrites session descriptions (RFC 4566, RFC 8866) the
// way a back-to-back user agent needs it: it takes what carriers send, learns
// where media goes and with which codecs (RFC 3264), and puts the switch's own
// address in place of the far end's. What it has no reason to touch leaves byte
// for byte as it came, so a codec or an extension the switch never heard of
// passes through it.
//
// Everything is bounded, because the text comes from the network.
package sdp

import (
	"bytes"
	"fmt"
	"net/netip"
)

// Limits on one description. A description beyond them is refused, never cut.
const (
	// MaxBytes is the largest description, in bytes.
	MaxBytes = 64 << 10
	// MaxLines is the largest number of lines, empty ones included.
	MaxLines = 1000
	// MaxMedia is the largest number of m= lines.
	MaxMedia = 8
	// MaxFormats is the largest number of formats on one m= line.
	MaxFormats = 64
)

// Session is one parsed description. It is immutable: Rewrite makes a new text
// and leaves the session as the far end sent it.
type Session struct {
	// Version is the sess-version of the o= line. Equal versions mean that a
	// re-INVITE changes nothing (RFC 3264, section 8).
	Version string
	// Media are the m= lines in order, rejected ones (port 0) included, since
	// offer and answer match by position.
	Media []Media

	text  []byte
	lines []line
}

// line is one line of the text.
type line struct {
	kind  byte   // the letter before "=", 0 for an empty line
	value string // after "=", without the line end
	eol   string // "\r\n", "\n", or "" at the end of the text
	media int    // index of the m= line it belongs to, -1 at session level
}

// Error is a description that was refused, with the place.
type Error struct {
	// Line counts from 1; 0 speaks of the description as a whole.
	Line   int
	Reason string
}

// Error names the line and the reason.
func (e *Error) Error() string {
	if e.Line == 0 {
		return "sdp: " + e.Reason
	}
	return fmt.Sprintf("sdp: line %d: %s", e.Line, e.Reason)
}

// Bytes returns a copy of the text as it was parsed.
func (s *Session) Bytes() []byte { return bytes.Clone(s.text) }

// Audio returns the first audio stream that is not rejected and its index
// among the m= lines, or false when there is none.
func (s *Session) Audio() (Media, int, bool) {
	for i, m := range s.Media {
		if m.Type == "audio" && m.Port != 0 {
			return m, i, true
		}
	}
	return Media{}, -1, false
}

// family is the addrtype of o=, c= and a=rtcp lines.
func family(a netip.Addr) string {
	if a.Is4() {
		return "IP4"
	}
	return "IP6"
}
