package relay

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tollbook/tollbook/media/sdp"
)

func TestRemoteOfDescription(t *testing.T) {
	s, err := sdp.Parse([]byte("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\n" +
		"m=audio 4000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\nm=image 5000 udptl t38\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Remote{{
		Addr: netip.MustParseAddrPort("192.0.2.9:4000"), RTCPAddr: netip.MustParseAddrPort("192.0.2.9:4001"), Latch: true,
		PayloadTypes: []PayloadType{{18, "G729", 8000}, {101, "telephone-event", 8000}},
	}, {
		Addr: netip.MustParseAddrPort("192.0.2.9:5000"), RTCPAddr: netip.MustParseAddrPort("192.0.2.9:5001"), Latch: true, Opaque: true,
	}}
	got := []Remote{Of(s.Media[0], true), Of(s.Media[1], true)}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Error(diff)
	}
}
