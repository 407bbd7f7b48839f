package relay

import (
	"encoding/binary"
	"time"
)

// Reported is what a leg's far end says of what it received from us, by RTCP.
type Reported struct {
	// Reports is the number of reports; the rest is 0 while there are none.
	Reports uint64
	// Lost is the number of packets that never reached it, FractionLost their share
	// since the report before, in 1/256.
	Lost         uint64
	FractionLost uint8
	// Jitter and MaxJitter are its own estimates, in whole microseconds.
	Jitter, MaxJitter time.Duration
	// MOS is the E-model's estimate of what it hears, in hundredths; the far end's own
	// where it sends one (RFC 3611, MOS-LQ).
	MOS int
	// Discarded is the share of packets that came too late for it to play, in 1/256,
	// where it tells (RFC 3611).
	Discarded uint8
}

// report is what the relay takes from an RTCP packet.
type report struct {
	// sent is the middle 32 bits of the NTP time of a sender report.
	sent    uint32
	hasSent bool
	// block is about the stream that was asked for, or about the first one.
	block    reportBlock
	hasBlock bool
	voip     voipMetrics
	hasVoIP  bool
}

// reportBlock is that of RFC 3550, section 6.4.1.
type reportBlock struct {
	fraction uint8
	lost     uint64
	jitter   uint32 // in units of the stream's clock
	// last and delay are LSR and DLSR, delay in units of 1/65536 s; last is 0 where
	// the far end has had no sender report.
	last, delay uint32
}

// voipMetrics are those of RFC 3611, section 4.7, that are kept.
type voipMetrics struct {
	discarded uint8
	mosLQ     uint8 // in tenths, 127 for unknown
}

// RTCP packet types (RFC 3550, section 12.1; RFC 3611, section 2).
const (
	senderReport   = 200
	receiverReport = 201
	extendedReport = 207

	voipBlock     = 7  // RFC 3611, section 4.7
	voipBlockSize = 36 // with its header
)

// parseRTCP checks the first packet of a compound and reads its reports about a
// stream. What follows may be cut, and is passed on without being read.
func parseRTCP(packet []byte, about uint32) (r report, ok bool) {
	for first := true; len(packet) >= 8; first = false {
		size := 4 + 4*int(binary.BigEndian.Uint16(packet[2:]))
		if packet[0]>>6 != 2 || packet[1] < 192 || packet[1] > 223 || size > len(packet) {
			return r, !first
		}
		r.read(packet[:size], about)
		packet = packet[size:]
		ok = true
	}
	return r, ok
}

func (r *report) read(packet []byte, about uint32) {
	at := 8
	switch packet[1] {
	case senderReport:
		if len(packet) < 28 {
			return
		}
		r.sent, r.hasSent = binary.BigEndian.Uint32(packet[10:]), true
		at = 28
	case receiverReport:
	case extendedReport:
		r.extended(packet)
		return
	default:
		return
	}
	for blocks := int(packet[0] & 31); blocks > 0 && at+24 <= len(packet); blocks-- {
		b := packet[at : at+24]
		at += 24
		if mine := binary.BigEndian.Uint32(b) == about; r.hasBlock && !mine {
			continue
		}
		lost := int32(binary.BigEndian.Uint32(b[4:])<<8) >> 8 // 24 bits with a sign: duplicates count against it
		r.hasBlock = true
		r.block = reportBlock{
			fraction: b[4], lost: uint64(max(lost, 0)), jitter: binary.BigEndian.Uint32(b[12:]),
			last: binary.BigEndian.Uint32(b[16:]), delay: binary.BigEndian.Uint32(b[20:]),
		}
	}
}

// extended reads the blocks of an extended report.
func (r *report) extended(packet []byte) {
	for at := 8; at+4 <= len(packet); {
		size := 4 + 4*int(binary.BigEndian.Uint16(packet[at+2:]))
		if at+size > len(packet) {
			return
		}
		if packet[at] == voipBlock && size == voipBlockSize {
			r.voip, r.hasVoIP = voipMetrics{discarded: packet[at+9], mosLQ: packet[at+26]}, true
		}
		at += size
	}
}

// reports keeps what a leg's far end reports, and what is needed to measure the round
// trip: the last sender report that it sent, and when that passed here.
type reports struct {
	sent       uint32
	passed     time.Duration
	hasSent    bool
	rtt, worst time.Duration
	count      uint64
	block      reportBlock
	voip       voipMetrics
	maxJitter  uint32
}

// take notes a report that came from this leg's far end. When it answers a
// sender report that passed towards it, the time since then less the far end's
// own delay is the round trip from here to there and back.
func (s *reports) take(r report, other *reports, now time.Duration) {
	if r.hasBlock && r.block.last != 0 && other.hasSent && r.block.last == other.sent {
		delay := time.Duration(r.block.delay) * time.Second >> 16
		if rtt := now - other.passed - delay; rtt > 0 {
			s.rtt, s.worst = rtt, max(s.worst, rtt)
		}
	}
	if r.hasSent {
		s.sent, s.passed, s.hasSent = r.sent, now, true
	}
	if r.hasBlock {
		s.count++
		s.block, s.maxJitter = r.block, max(s.maxJitter, r.block.jitter)
	}
	if r.hasVoIP {
		s.voip = r.voip
	}
}

// reported says what the far end received of the other leg's stream.
func (s *reports) reported(from *meter) Reported {
	if s.count == 0 {
		return Reported{}
	}
	clock := uint64(max(from.clock, 1))
	if from.clock == 0 {
		clock = 8000
	}
	inTime := func(jitter uint32) time.Duration {
		return time.Duration(min(uint64(jitter)*1_000_000/clock, maxJitterUS)) * time.Microsecond
	}
	expected, _ := from.totals()
	r := Reported{
		Reports: s.count, Lost: s.block.lost, FractionLost: s.block.fraction,
		Jitter: inTime(s.block.jitter), MaxJitter: inTime(s.maxJitter), Discarded: s.voip.discarded,
	}
	if expected > 0 {
		r.MOS = mos(from.lookup(from.voice), min(r.Lost, expected), expected, r.Jitter, s.rtt)
	}
	if lq := int(s.voip.mosLQ); lq >= 10 && lq <= 50 {
		r.MOS = 10 * lq
	}
	return r
}

// maxJitterUS bounds what a far end may claim.
const maxJitterUS = 60_000_000
