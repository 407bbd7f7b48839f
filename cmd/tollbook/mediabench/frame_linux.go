package mediabench

import (
	"encoding/binary"
	"net/netip"
)

// A frame is Ethernet, IPv4, UDP, RTP with 20 ms of G.711. The payload begins with
// what the sink wants to know: a mark, the number of the stream, and when it was sent.
const (
	ipAt, udpAt, rtpAt, payloadAt = 14, 34, 42, 54
	frameLen                      = payloadAt + 160
	mark                          = 0x746f6c6c
	streamAt, sentAt              = payloadAt + 4, payloadAt + 8
)

// stream is one direction of a call: from an end to the relay.
type stream struct {
	From, To netip.AddrPort
}

// frame makes the first one of a stream.
func (s stream) frame(number int, source, destination [6]byte) []byte {
	f := make([]byte, frameLen)
	copy(f, destination[:])
	copy(f[6:], source[:])
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	h := f[ipAt:]
	h[0], h[8], h[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(h[2:], frameLen-ipAt)
	from, to := s.From.Addr().As4(), s.To.Addr().As4()
	copy(h[12:], from[:])
	copy(h[16:], to[:])
	binary.BigEndian.PutUint16(h[10:], checksum(h[:20]))
	u := f[udpAt:]
	binary.BigEndian.PutUint16(u, s.From.Port())
	binary.BigEndian.PutUint16(u[2:], s.To.Port())
	binary.BigEndian.PutUint16(u[4:], frameLen-udpAt) // no checksum: IPv4 allows that
	r := f[rtpAt:]
	r[0], r[1] = 0x80, 8
	binary.BigEndian.PutUint32(r[8:], uint32(number)+1)
	binary.BigEndian.PutUint32(f[payloadAt:], mark)
	binary.BigEndian.PutUint32(f[streamAt:], uint32(number))
	return f
}

// step makes the next frame out of the last one.
func step(f []byte, now int64) {
	r := f[rtpAt:]
	binary.BigEndian.PutUint16(r[2:], binary.BigEndian.Uint16(r[2:])+1)
	binary.BigEndian.PutUint32(r[4:], binary.BigEndian.Uint32(r[4:])+160)
	binary.BigEndian.PutUint64(f[sentAt:], uint64(now))
}

// checksum is the one of IPv4's header (RFC 1071).
func checksum(h []byte) uint16 {
	var sum uint32
	for i := 0; i < len(h); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(h[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
