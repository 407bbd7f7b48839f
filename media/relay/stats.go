package relay

import (
	"time"

	"github.com/tollbook/tollbook/media/fastpath"
	"github.com/tollbook/tollbook/media/srtp"
)

// Stats describes one leg: what was received from its far end, and what was
// sent to it.
type Stats struct {
	// Packets and Bytes count the RTP datagrams accepted from the far end, UDP
	// payload only.
	Packets, Bytes uint64
	// SentPackets and SentBytes are those relayed to it.
	SentPackets, SentBytes uint64
	// FastPackets are those of Packets that the kernel's fast path relayed.
	FastPackets uint64
	// Lost is the number of sequence numbers that never came.
	Lost uint64
	// Duplicates came twice; Reordered came after a later one.
	Duplicates, Reordered uint64
	// Events is the number of tones by RFC 4733. Which digits they were is not kept.
	Events uint64
	// Gaps is how often the sequence went on with numbers missing, whether or
	// not they came later.
	Gaps uint64
	// Streams is the number of SSRCs and restarts of the sequence.
	Streams uint64
	// Jitter is RFC 3550's estimate at the last packet, MaxJitter its maximum,
	// both in whole microseconds.
	Jitter, MaxJitter time.Duration
	// MeanJitter is the mean of the estimates over all packets.
	MeanJitter time.Duration
	// LongestSilence is the longest time between two packets.
	LongestSilence time.Duration
	// First and Last are when the first and the last packet came; zero when
	// none did.
	First, Last time.Time
	// RTT is the last round trip from here to the far end by RTCP, 0 if unknown;
	// MaxRTT is the longest.
	RTT, MaxRTT time.Duration
	// MOS is the listening quality by the E-model in hundredths (438 is 4.38),
	// 0 when no RTP came.
	MOS int
	// Reported is what the far end says of what it received from us.
	Reported Reported
	// Codec is the encoding name of the speech that came last, empty if none did.
	Codec string
	// Suite is the crypto suite of the media, empty while it is plain.
	Suite srtp.Suite
	// Dropped are the datagrams that came to the leg and were not relayed.
	Dropped Drops
}

// Drop is why a datagram was dropped.
type Drop uint8

// The reasons for dropping.
const (
	// DropSource: it came from an address that is not the far end's.
	DropSource Drop = iota
	// DropMalformed: not RTP, not RTCP, or too long.
	DropMalformed
	// DropNoPeer: one of the ends is not known yet or not to be sent to.
	DropNoPeer
	// DropSend: the system did not take it.
	DropSend
	// DropAuth: encrypted media that was not made with the far end's key, or came
	// before the keys were agreed on, or that no key can serve any more.
	DropAuth
	// DropReplay: encrypted media that was there before, or would have to be
	// encrypted twice.
	DropReplay
	dropReasons
)

// String is a short name that suits a metric's label.
func (d Drop) String() string {
	switch d {
	case DropSource:
		return "source"
	case DropMalformed:
		return "malformed"
	case DropNoPeer:
		return "no_peer"
	case DropSend:
		return "send"
	case DropAuth:
		return "auth"
	case DropReplay:
		return "replay"
	default:
		return "unknown"
	}
}

// Drops counts by reason; index it with a Drop.
type Drops [dropReasons]uint64

// Total is the sum of all reasons.
func (d Drops) Total() uint64 {
	var sum uint64
	for _, n := range d {
		sum += n
	}
	return sum
}

// stats are those of a leg; other is the leg that it hears.
func (l *leg) stats(e *Engine, other *leg) Stats {
	m := &l.meter
	expected, received := m.totals()
	s := Stats{
		Packets: m.packets, Bytes: m.bytes,
		SentPackets: l.sentPackets, SentBytes: l.sentBytes, FastPackets: l.fastPackets,
		Lost:       expected - min(received, expected),
		Duplicates: m.duplicates, Reordered: m.reordered, Gaps: m.gaps, Events: m.events, Streams: m.streams,
		Jitter: m.jitter, MaxJitter: m.worst, LongestSilence: m.longest,
		First: e.at(m.first), Last: e.at(m.last),
		MeanJitter: m.meanJitter(), RTT: l.reports.rtt, MaxRTT: l.reports.worst,
		Reported: l.reports.reported(&other.meter), Dropped: l.dropped,
	}
	if l.secured && l.cipher.send != nil {
		s.Suite = l.cipher.send.Key().Suite
	}
	if m.streams > 0 {
		s.Codec = m.lookup(m.voice).name()
		s.MOS = mos(m.lookup(m.voice), s.Lost, expected, s.Jitter, s.RTT)
	}
	return s
}

// EngineStats describes all calls since Open.
type EngineStats struct {
	// Calls is the number open now, Opened the number ever opened.
	Calls  int
	Opened uint64
	// Packets and Bytes count what was relayed, RTP and RTCP.
	Packets, Bytes uint64
	Dropped        Drops
	// Fast has the part of the kernel's fast path; zero where there is none.
	Fast fastpath.Totals
}

// Stats returns the engine's counters.
func (e *Engine) Stats() EngineStats {
	s := EngineStats{Opened: e.opened.Load(), Packets: e.packets.Load(), Bytes: e.bytes.Load()}
	for i := range e.dropped {
		s.Dropped[i] = e.dropped[i].Load()
	}
	if e.fast != nil {
		s.Fast = e.fast.path.Totals()
		s.Packets += s.Fast.Packets
		s.Bytes += s.Fast.Bytes
	}
	e.mu.Lock()
	s.Calls = len(e.calls)
	e.mu.Unlock()
	return s
}
