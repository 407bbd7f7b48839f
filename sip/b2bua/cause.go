package b2bua

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/sip/gate"
)

// reasonHeader tells why a request or a final answer ends a call (RFC 3326, RFC 6432).
func reasonHeader(q850 uint32, text string) sip.Header {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r > '~' {
			return -1
		}
		return r
	}, text)
	return sip.NewHeader("Reason", fmt.Sprintf("Q.850;cause=%d;text=\"%s\"", q850, text))
}

// reasonOf reads the Q.850 cause out of a message's Reason headers; 0 if there is
// none. A header may hold several, and names differ in case.
func reasonOf(msg gate.Headed) uint32 {
	for h := range gate.Named(msg, "Reason") {
		for one := range strings.SplitSeq(strings.ToLower(h.Value()), ",") {
			protocol, rest, _ := strings.Cut(strings.TrimSpace(one), ";")
			if strings.TrimSpace(protocol) != "q.850" {
				continue
			}
			for parameter := range strings.SplitSeq(rest, ";") {
				name, value, _ := strings.Cut(parameter, "=")
				if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 8); err == nil && strings.TrimSpace(name) == "cause" && n <= 127 {
					return uint32(n)
				}
			}
		}
	}
	return 0
}

// q850Of reads the Q.850 cause of a final answer, or derives it from its code.
func q850Of(msg gate.Headed, code int) uint32 {
	if cause := reasonOf(msg); cause != 0 {
		return cause
	}
	if cause := q850By[code]; cause != 0 {
		return cause
	}
	return 41 // temporary failure
}

// q850By is the table of RFC 3398, section 8.2.6.1, with the codes that came later.
var q850By = map[int]uint32{
	200: 16, 400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22,
	413: 127, 414: 127, 415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25,
	484: 28, 485: 1, 486: 17, 487: 16, 488: 65, 491: 41, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102,
	505: 127, 513: 127, 580: 47, 600: 17, 603: 21, 604: 1, 606: 65, 607: 21, 608: 21,
}
