package mediabench

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"testing"

	"github.com/pion/rtp"
)

// A frame is what a far end would send: an IPv4 header with the right checksum, UDP,
// RTP that goes on by one packet of 20 ms.
func TestFrame(t *testing.T) {
	s := stream{netip.MustParseAddrPort("10.99.0.11:20002"), netip.MustParseAddrPort("10.99.0.1:30000")}
	f := s.frame(7, hardware(farMAC), hardware(nearMAC))
	step(f, 1234)
	step(f, 5678)
	if sum := checksum(f[ipAt:udpAt]); sum != 0 {
		t.Errorf("checksum with itself: %x", sum)
	}
	if from, to := binary.BigEndian.Uint16(f[udpAt:]), binary.BigEndian.Uint16(f[udpAt+2:]); from != 20002 || to != 30000 {
		t.Errorf("from %d to %d", from, to)
	}
	var p rtp.Packet
	if err := p.Unmarshal(f[rtpAt:]); err != nil || p.SequenceNumber != 2 || p.Timestamp != 320 || len(p.Payload) != 160 {
		t.Errorf("%v %v", p.Header, err)
	}
	// The sink, given the frame as the kernel does, knows when it was sent.
	header := make([]byte, 64, 64+len(f))
	binary.NativeEndian.PutUint32(header[8:], 9678) // ns
	binary.NativeEndian.PutUint32(header[12:], frameLen)
	binary.NativeEndian.PutUint16(header[24:], 64)
	var k sink
	k.take(append(header, f...))
	if r := k.report(5000, 6000, 3); r.Received != 1 || r.Sent != 3 || r.P50US != 4 || r.P99US != 4 {
		t.Errorf("%+v", r)
	}
	if r := k.report(6000, 7000, 3); r.Received != 0 {
		t.Errorf("%+v", r)
	}
}

func TestDictionary(t *testing.T) {
	got, err := dictionary([]byte("d6:result2:ok3:sdp5:v=0\r\n5:ports" + "li1eee"))
	if err != nil || !maps.Equal(got, map[string]string{"result": "ok", "sdp": "v=0\r\n"}) {
		t.Errorf("%q %v", got, err)
	}
	for _, text := range []string{"", "5:hello", "d9:cut"} {
		if got, err := dictionary([]byte(text)); err == nil && len(got) > 0 {
			t.Errorf("%q: %q", text, got)
		}
	}
}
