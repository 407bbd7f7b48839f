package relay

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// compound is an RTCP packet of RR and XR about two streams.
func compound(about uint32, fraction uint8, lost int32, jitter uint32, last, delay uint32) []byte {
	b := make([]byte, 8+2*24, 8+2*24+44)
	b[0], b[1], b[3] = 0x82, receiverReport, 13
	for i, ssrc := range []uint32{about + 1, about} {
		block := b[8+24*i:]
		binary.BigEndian.PutUint32(block, ssrc)
		if ssrc != about {
			continue
		}
		binary.BigEndian.PutUint32(block[4:], uint32(lost)&0xffffff)
		block[4] = fraction
		binary.BigEndian.PutUint32(block[12:], jitter)
		binary.BigEndian.PutUint32(block[16:], last)
		binary.BigEndian.PutUint32(block[20:], delay)
	}
	xr := make([]byte, 8+voipBlockSize)
	xr[0], xr[1], xr[3] = 0x80, extendedReport, 10
	xr[8], xr[11] = voipBlock, 8
	xr[8+9], xr[8+26] = 25, 36
	return append(b, xr...)
}

// What the far end says of our stream is found among what it says of others.
func TestFarEndsReports(t *testing.T) {
	var l, other leg
	other.meter.negotiate([]PayloadType{{Number: 8}})
	other.meter.voice = 8
	play := func(packet []byte, at time.Duration) {
		t.Helper()
		r, ok := parseRTCP(packet, 7)
		if !ok {
			t.Fatal("refused")
		}
		l.reports.take(r, &other.reports, at)
	}
	if got := l.reports.reported(&other.meter); got != (Reported{}) {
		t.Errorf("%+v", got)
	}
	other.meter.begin(7, 1)
	other.meter.highest, other.meter.unique, other.meter.clock = 1000, 1000, 8000
	sr, ok := parseRTCP(senderReportOf(0xabcd), 0)
	if !ok {
		t.Fatal("refused")
	}
	other.reports.take(sr, &l.reports, time.Second)
	play(compound(7, 64, 50, 240, 0xabcd, 1<<15), 1700*time.Millisecond)
	play(compound(7, 12, 60, 80, 0xabcd, 1<<15), 1600*time.Millisecond)
	want := Reported{Reports: 2, Lost: 60, FractionLost: 12, Jitter: 10 * time.Millisecond, MaxJitter: 30 * time.Millisecond, MOS: 360, Discarded: 25}
	if diff := cmp.Diff(want, l.reports.reported(&other.meter)); diff != "" {
		t.Error(diff)
	}
	if l.reports.rtt != 100*time.Millisecond || l.reports.worst != 200*time.Millisecond {
		t.Errorf("%v, %v", l.reports.rtt, l.reports.worst)
	}
	l.reports.voip = voipMetrics{mosLQ: 127} // unknown: the E-model's
	if got := l.reports.reported(&other.meter).MOS; got < 280 || got > 400 {
		t.Errorf("%d with 6 %% lost", got)
	}
	play(compound(7, 0, -5, 1<<31, 0, 0), 2*time.Second) // more came than was sent, and a jitter of months
	if got := l.reports.reported(&other.meter); got.Lost != 0 || got.Jitter != maxJitterUS*time.Microsecond {
		t.Errorf("%+v", got)
	}
}

func TestMeanJitter(t *testing.T) {
	var m meter
	for _, us := range []time.Duration{1000, 2000, 6001} {
		m.jitter = us * time.Microsecond
		m.estimated()
	}
	if got := m.meanJitter(); got != 3000*time.Microsecond {
		t.Errorf("%v", got)
	}
}
