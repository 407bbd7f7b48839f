package relay

import (
	"time"

	"github.com/pion/rtp"
)

// Bounds on sequence numbers, after RFC 3550, appendix A.1. A packet that is
// farther ahead or behind starts a new count, once the next one confirms it.
const (
	maxDropout  = 3000
	maxMisorder = 64 // the width of the duplicate window
)

// meter measures the packets of one far end. Loss and the like are kept per
// stream (an SSRC, or the time between two jumps of the sequence) and added up
// when the stream ends.
type meter struct {
	types [128]uint8 // index into table, plus 1
	table []PayloadType

	packets, bytes        uint64
	first, last           time.Duration
	longest               time.Duration // between two packets
	duplicates, reordered uint64
	gaps                  uint64
	expected, received    uint64 // of ended streams
	streams               uint64
	running               bool   // the last of them may go on
	events                uint64 // RFC 4733: tones, which digit is not kept
	event                 uint32 // the timestamp of the last

	ssrc     uint32
	base     int64  // first sequence number, extended
	highest  int64  // highest sequence number, extended by the wraps
	window   uint64 // bit i: highest-i was received
	unique   uint64 // packets of this stream without duplicates
	expectAt int64  // the sequence number that would confirm a jump, or -1

	voice     uint8 // payload type of the last packet that carried speech
	clock     uint32
	transit   uint32
	timestamp uint32
	timed     bool
	jitter16  uint64 // in units of the clock, times 16
	jitter    time.Duration
	worst     time.Duration
	summed    time.Duration // of the estimates after each packet
	estimates uint64
}

func (m *meter) negotiate(types []PayloadType) {
	m.table = types[:min(len(types), 128)]
	m.types = [128]uint8{}
	for i, t := range m.table {
		m.types[t.Number&127] = uint8(i + 1)
	}
}

// lookup falls back to an 8 kHz clock, which all static telephony types have.
func (m *meter) lookup(payloadType uint8) PayloadType {
	if i := m.types[payloadType&127]; i != 0 {
		t := m.table[i-1]
		if t.ClockRate == 0 {
			t.ClockRate = 8000
		}
		return t
	}
	return PayloadType{Number: payloadType, ClockRate: 8000}
}

// count takes any datagram of the leg.
func (m *meter) count(size int, now time.Duration) {
	if m.packets == 0 {
		m.first = now
	} else {
		m.longest = max(m.longest, now-m.last)
	}
	m.packets++
	m.bytes += uint64(size)
	m.last = now
}

// take takes an RTP header.
func (m *meter) take(h *rtp.Header, now time.Duration) {
	seq := h.SequenceNumber
	if !m.running || h.SSRC != m.ssrc {
		m.begin(h.SSRC, seq)
	} else if !m.sequence(seq) {
		return
	}
	kind := m.lookup(h.PayloadType)
	if speech(kind) {
		m.voice = h.PayloadType
	}
	// All packets of an event have its beginning for a timestamp (RFC 4733, section 2.2).
	if kind.event() && (m.events == 0 || h.Timestamp != m.event) {
		m.events++
		m.event = h.Timestamp
	}
	m.time(h.Timestamp, kind.ClockRate, now)
}

// begin ends the stream before and starts one with its first packet.
func (m *meter) begin(ssrc uint32, seq uint16) {
	expected, received := m.totals()
	m.expected, m.received = expected, received
	m.streams++
	m.running = true
	m.ssrc, m.base, m.highest, m.window, m.unique = ssrc, int64(seq), int64(seq), 1, 1
	m.expectAt, m.timed = -1, false
}

// totals adds the stream that goes on to the ended ones.
func (m *meter) totals() (expected, received uint64) {
	if !m.running {
		return m.expected, m.received
	}
	return m.expected + uint64(m.highest-m.base+1), m.received + m.unique
}

// sequence reports whether the packet counts towards jitter.
func (m *meter) sequence(seq uint16) bool {
	ahead := int64(int16(seq - uint16(m.highest)))
	switch {
	case ahead > 0 && ahead < maxDropout:
		m.window = m.window<<min(ahead, 64) | 1
		m.highest += ahead
		m.unique++
		if ahead > 1 {
			m.gaps++
		}
	case ahead <= 0 && ahead > -maxMisorder:
		bit := uint64(1) << -ahead
		if m.window&bit != 0 {
			m.duplicates++
			return false
		}
		m.window |= bit
		m.reordered++
		m.unique++
		m.base = min(m.base, m.highest+ahead)
	case int64(seq) == m.expectAt:
		m.begin(m.ssrc, seq)
	default:
		m.expectAt = int64(seq + 1)
		return false
	}
	return true
}

// time keeps the jitter of RFC 3550, section 6.4.1, in integers (appendix A.8).
// Packets that share a timestamp (RFC 4733 events) say nothing about it, and a
// jump of the far end's clock beyond a second starts afresh.
func (m *meter) time(timestamp, clock uint32, now time.Duration) {
	if m.timed && timestamp == m.timestamp {
		return
	}
	rate := uint64(clock)
	arrival := uint64(now/time.Second)*rate + uint64(now%time.Second)*rate/uint64(time.Second)
	transit := uint32(arrival) - timestamp
	if m.clock != clock {
		m.jitter16, m.timed = 0, false
	}
	if m.timed {
		d := int64(int32(transit - m.transit))
		if d < 0 {
			d = -d
		}
		if uint64(d) <= rate {
			m.jitter16 += uint64(d) - (m.jitter16+8)>>4
			m.jitter = time.Duration(m.jitter16>>4*1_000_000/rate) * time.Microsecond
			m.worst = max(m.worst, m.jitter)
			m.estimated()
		}
	}
	m.clock, m.transit, m.timestamp, m.timed = clock, transit, timestamp, true
}

// estimated takes the present jitter into the mean.
func (m *meter) estimated() {
	m.summed += m.jitter
	m.estimates++
}

func (m *meter) meanJitter() time.Duration {
	if m.estimates == 0 {
		return 0
	}
	return (m.summed / time.Duration(m.estimates)).Truncate(time.Microsecond)
}
