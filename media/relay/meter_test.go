package relay

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"pgregory.net/rapid"
)

// heard is a packet of a script: its sequence number and how late it is
// against a 20 ms clock.
type heard struct {
	seq  uint16
	late time.Duration
	ssrc uint32
}

func play(packets []heard) Stats {
	var l leg
	for i, p := range packets {
		now := time.Second + time.Duration(i)*20*time.Millisecond + p.late
		l.meter.count(172, now)
		l.meter.take(&rtp.Header{Version: 2, SequenceNumber: p.seq, Timestamp: uint32(i) * 160, SSRC: p.ssrc}, now)
	}
	return l.stats(&Engine{}, &leg{})
}

func TestSequenceStatistics(t *testing.T) {
	tests := []struct {
		name                                        string
		seqs                                        []uint16
		lost, duplicates, reordered, gaps, restarts uint64
	}{
		{name: "clean", seqs: []uint16{1, 2, 3, 4}},
		{name: "wrap", seqs: []uint16{65534, 65535, 0, 1}},
		{name: "loss", seqs: []uint16{1, 2, 5, 6, 8}, lost: 3, gaps: 2},
		{name: "loss over the wrap", seqs: []uint16{65534, 1}, lost: 2, gaps: 1},
		{name: "duplicate", seqs: []uint16{1, 2, 2, 3, 1}, duplicates: 2},
		{name: "reordered", seqs: []uint16{1, 3, 2, 4}, reordered: 1, gaps: 1},
		{name: "reordered over the wrap", seqs: []uint16{65535, 1, 0, 2}, reordered: 1, gaps: 1},
		{name: "late before the first", seqs: []uint16{5, 4, 6}, reordered: 1},
		{name: "far burst of loss", seqs: []uint16{1, 1001}, lost: 999, gaps: 1},
		{name: "a stray number", seqs: []uint16{1, 2, 40000, 3}},
		{name: "restart", seqs: []uint16{1, 2, 40000, 40001, 40002}, restarts: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var script []heard
			for _, seq := range test.seqs {
				script = append(script, heard{seq: seq})
			}
			s := play(script)
			if s.Packets != uint64(len(test.seqs)) || s.Lost != test.lost || s.Duplicates != test.duplicates ||
				s.Reordered != test.reordered || s.Gaps != test.gaps || s.Streams != 1+test.restarts {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestSSRCChangeKeepsTheLossBefore(t *testing.T) {
	s := play([]heard{{seq: 1, ssrc: 1}, {seq: 3, ssrc: 1}, {seq: 900, ssrc: 2}, {seq: 902, ssrc: 2}})
	if s.Lost != 2 || s.Streams != 2 {
		t.Errorf("%+v", s)
	}
}

func TestJitterFollowsRFC3550(t *testing.T) {
	if s := play([]heard{{seq: 1}, {seq: 2}, {seq: 3}}); s.Jitter != 0 {
		t.Errorf("steady stream: %v", s.Jitter)
	}
	// Transit changes by 16 ms = 128 units once: J = 128/16 = 8 units = 1 ms.
	s := play([]heard{{seq: 1}, {seq: 2, late: 16 * time.Millisecond}})
	if s.Jitter != time.Millisecond || s.MaxJitter != time.Millisecond {
		t.Errorf("one late packet: %v, %v", s.Jitter, s.MaxJitter)
	}
	if s := play([]heard{{seq: 1}, {seq: 2, late: 5 * time.Second}}); s.Jitter != 0 || s.LongestSilence != 5020*time.Millisecond {
		t.Errorf("a jump of the clock: %v, silence %v", s.Jitter, s.LongestSilence)
	}
}

func TestMOS(t *testing.T) {
	g711, g729 := PayloadType{Number: 0}, PayloadType{Number: 18}
	tests := []struct {
		name           string
		codec          PayloadType
		lost, expected uint64
		jitter, rtt    time.Duration
		want           int
	}{
		{"G.711 clean", g711, 0, 1000, 0, 0, 439},
		{"G.711 over 20 ms", g711, 0, 1000, 0, 20 * time.Millisecond, 438},
		{"G.711 1% lost", g711, 10, 1000, 0, 0, 432},
		{"G.729 clean", g729, 0, 1000, 0, 0, 409},
		{"G.711 satellite", g711, 0, 1000, 0, 600 * time.Millisecond, 346},
		{"half lost", g711, 500, 1000, 0, 0, 157},
		{"all lost", g729, 1000, 1000, time.Second, time.Second, 100},
	}
	for _, test := range tests {
		if got := mos(test.codec, test.lost, test.expected, test.jitter, test.rtt); got < test.want-2 || got > test.want+2 {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// Whatever the order within the window, what came is not counted as lost.
func TestReorderingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint16().Draw(t, "start")
		n := rapid.IntRange(1, 200).Draw(t, "packets")
		late := rapid.SliceOfN(rapid.IntRange(0, 30), n, n).Draw(t, "late")
		slots := make([][]heard, n+31)
		for i := range n {
			slots[i+late[i]] = append(slots[i+late[i]], heard{seq: start + uint16(i)})
		}
		var script []heard
		for _, s := range slots {
			script = append(script, s...)
		}
		s := play(script)
		if s.Lost != 0 || s.Duplicates != 0 || s.Streams != 1 || s.Packets != uint64(n) {
			t.Fatalf("%+v", s)
		}
	})
}

func FuzzPackets(f *testing.F) {
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1})
	f.Add(senderReportOf(0xabcd))
	f.Add(append(receiverReportOf(0xabcd), senderReportOf(1)...))
	f.Fuzz(func(t *testing.T, packet []byte) {
		var l, other leg
		var h rtp.Header
		for i := range 3 {
			now := time.Duration(i+1) * time.Second
			if parseRTP(&h, packet) {
				l.meter.count(len(packet), now)
				l.meter.take(&h, now)
			}
			if r, ok := parseRTCP(packet, 7); ok {
				l.reports.take(r, &other.reports, now)
				other.reports.take(r, &l.reports, now)
			}
		}
		if s := l.stats(&Engine{}, &other); s.MOS != 0 && (s.MOS < 100 || s.MOS > 450) || s.Lost > 0 {
			t.Fatalf("%+v", s)
		}
	})
}
