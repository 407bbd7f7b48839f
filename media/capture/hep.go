package capture

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// The chunks of HEP3 that are sent (the HEP/EEP protocol, revision 11, section 3),
// all of vendor 0.
const (
	chunkFamily      = 1
	chunkProtocol    = 2
	chunkSource4     = 3
	chunkTarget4     = 4
	chunkSource6     = 5
	chunkTarget6     = 6
	chunkSourcePort  = 7
	chunkTargetPort  = 8
	chunkSeconds     = 9
	chunkMicros      = 10
	chunkKind        = 11
	chunkAgent       = 12
	chunkKey         = 14
	chunkPayload     = 15
	chunkCorrelation = 17
)

// The families and protocols of a packet.
const (
	familyIP4, familyIP6 = 2, 10
	protocolTCP          = 6
	protocolUDP          = 17
	chunkHeader          = 6
	// maxHEP is what the length field can tell.
	maxHEP = 65535
)

// HEPKind says what a HEP packet tells.
type HEPKind uint8

const (
	// HEPSip is a SIP message in plain text.
	HEPSip HEPKind = 1
	// HEPRtcp is an RTCP report as JSON.
	HEPRtcp HEPKind = 5
)

// HEP is one packet for a HOMER server.
type HEP struct {
	From, To netip.AddrPort
	// Stream says that it came over TCP, or over what is made of it.
	Stream  bool
	At      time.Time
	Kind    HEPKind
	Agent   uint32
	Key     string
	Payload []byte
	// Correlation ties the packets of one call together.
	Correlation string
}

// AppendHEP appends a packet as HEP3 has it. False, and nothing appended, for one that
// is too long.
func AppendHEP(b []byte, p HEP) ([]byte, bool) {
	at := len(b)
	be := binary.BigEndian
	b = append(b, "HEP3\x00\x00"...)
	src, dst := p.From.Addr().Unmap(), p.To.Addr().Unmap()
	family, protocol := byte(familyIP4), byte(protocolUDP)
	if !src.Is4() || !dst.Is4() {
		family = familyIP6
	}
	if p.Stream {
		protocol = protocolTCP
	}
	chunk := func(id uint16, value ...byte) {
		b = be.AppendUint16(b, 0)
		b = be.AppendUint16(b, id)
		b = be.AppendUint16(b, uint16(chunkHeader+len(value)))
		b = append(b, value...)
	}
	if len(p.Payload)+len(p.Key)+len(p.Correlation) > maxHEP-256 {
		return b[:at], false
	}
	chunk(chunkFamily, family)
	chunk(chunkProtocol, protocol)
	if family == familyIP4 {
		chunk(chunkSource4, src.AsSlice()...)
		chunk(chunkTarget4, dst.AsSlice()...)
	} else {
		a, z := src.As16(), dst.As16()
		chunk(chunkSource6, a[:]...)
		chunk(chunkTarget6, z[:]...)
	}
	chunk(chunkSourcePort, be.AppendUint16(nil, p.From.Port())...)
	chunk(chunkTargetPort, be.AppendUint16(nil, p.To.Port())...)
	chunk(chunkSeconds, be.AppendUint32(nil, uint32(p.At.Unix()))...)
	chunk(chunkMicros, be.AppendUint32(nil, uint32(p.At.Nanosecond()/1000))...)
	chunk(chunkKind, byte(p.Kind))
	chunk(chunkAgent, be.AppendUint32(nil, p.Agent)...)
	if p.Key != "" {
		chunk(chunkKey, []byte(p.Key)...)
	}
	if p.Correlation != "" {
		chunk(chunkCorrelation, []byte(p.Correlation)...)
	}
	chunk(chunkPayload, p.Payload...)
	be.PutUint16(b[at+4:], uint16(len(b)-at))
	return b, true
}
