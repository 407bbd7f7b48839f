package relay

import (
	"encoding/binary"
	"time"

	"github.com/pion/rtp"
)

// parseRTP reads the header of an RTP packet (RFC 3550, section 5.1). RTCP that
// was sent to the RTP port is told apart by RFC 5761, section 4, and refused:
// the switch does not negotiate that.
func parseRTP(h *rtp.Header, packet []byte) bool {
	if len(packet) < 12 || packet[0]>>6 != 2 || packet[1] >= 192 && packet[1] <= 223 {
		return false
	}
	_, err := h.Unmarshal(packet)
	return err == nil
}

// report is what the relay takes from an RTCP packet.
type report struct {
	// sent is the middle 32 bits of the NTP time of a sender report.
	sent    uint32
	hasSent bool
	// last and delay are LSR and DLSR of the first report block that has them;
	// delay is in units of 1/65536 s.
	last, delay uint32
	hasLast     bool
}

// RTCP packet types (RFC 3550, section 12.1).
const (
	senderReport   = 200
	receiverReport = 201
)

// parseRTCP checks the first packet of a compound and reads its reports. What
// follows may be encrypted (SRTCP) or cut, and is passed on without being read.
func parseRTCP(packet []byte) (r report, ok bool) {
	for first := true; len(packet) >= 8; first = false {
		size := 4 + 4*int(binary.BigEndian.Uint16(packet[2:]))
		if packet[0]>>6 != 2 || packet[1] < 192 || packet[1] > 223 || size > len(packet) {
			return r, !first
		}
		r.read(packet[:size])
		packet = packet[size:]
		ok = true
	}
	return r, ok
}

func (r *report) read(packet []byte) {
	blocks := int(packet[0] & 31)
	at := 8
	switch packet[1] {
	case senderReport:
		if len(packet) < 28 {
			return
		}
		r.sent, r.hasSent = binary.BigEndian.Uint32(packet[10:]), true
		at = 28
	case receiverReport:
	default:
		return
	}
	for ; blocks > 0 && at+24 <= len(packet) && !r.hasLast; blocks-- {
		r.last = binary.BigEndian.Uint32(packet[at+16:])
		r.delay = binary.BigEndian.Uint32(packet[at+20:])
		r.hasLast = r.last != 0
		at += 24
	}
}

// reports keeps what is needed to measure a leg's round trip: the last sender
// report that its far end sent, and when it passed here.
type reports struct {
	sent    uint32
	passed  time.Duration
	hasSent bool
	rtt     time.Duration
}

// take notes a report that came from this leg's far end. When it answers a
// sender report that passed towards it, the time since then less the far end's
// own delay is the round trip from here to there and back.
func (s *reports) take(r report, other *reports, now time.Duration) {
	if r.hasLast && other.hasSent && r.last == other.sent {
		delay := time.Duration(r.delay) * time.Second >> 16
		if rtt := now - other.passed - delay; rtt > 0 {
			s.rtt = rtt
		}
	}
	if r.hasSent {
		s.sent, s.passed, s.hasSent = r.sent, now, true
	}
}
