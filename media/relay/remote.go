package relay

import "github.com/tollbook/tollbook/media/sdp"

// Of makes the Remote of a stream as its far end described it.
func Of(m sdp.Media, latch bool) Remote {
	r := Remote{Addr: m.Address, RTCPAddr: m.RTCP, Latch: latch, Mux: m.RTCPMux}
	for _, f := range m.Formats {
		if f.PayloadType < 0 {
			r.Opaque = true
			return r
		}
		r.PayloadTypes = append(r.PayloadTypes, PayloadType{
			Number: uint8(f.PayloadType), Codec: f.Codec, ClockRate: f.ClockRate,
		})
	}
	return r
}
