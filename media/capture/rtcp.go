package capture

import (
	"encoding/binary"
	"encoding/json"
)

// report is an RTCP report as HOMER reads it.
type report struct {
	Sender *sender `json:"sender_information,omitempty"`
	SSRC   uint32  `json:"ssrc"`
	Type   uint8   `json:"type"`
	Count  int     `json:"report_count"`
	Blocks []block `json:"report_blocks"`
}

type sender struct {
	Seconds  uint32 `json:"ntp_timestamp_sec"`
	Fraction uint32 `json:"ntp_timestamp_usec"`
	RTP      uint32 `json:"rtp_timestamp"`
	Packets  uint32 `json:"packets"`
	Octets   uint32 `json:"octets"`
}

type block struct {
	SSRC     uint32 `json:"source_ssrc"`
	Fraction uint8  `json:"fraction_lost"`
	Lost     int32  `json:"packets_lost"`
	Highest  uint32 `json:"highest_seq_no"`
	Jitter   uint32 `json:"ia_jitter"`
	LSR      uint32 `json:"lsr"`
	DLSR     uint32 `json:"dlsr"`
}

const (
	senderReport   = 200
	receiverReport = 201
	blockSize      = 24
)

// ReportJSON gives the first sender or receiver report of an RTCP compound (RFC 3550,
// section 6.4) as HOMER's JSON; false if there is none.
func ReportJSON(packet []byte) ([]byte, bool) {
	for len(packet) >= 8 {
		size := 4 + 4*int(binary.BigEndian.Uint16(packet[2:]))
		if packet[0]>>6 != 2 || size > len(packet) {
			return nil, false
		}
		if r, ok := reportOf(packet[:size]); ok {
			text, err := json.Marshal(r)
			return text, err == nil
		}
		packet = packet[size:]
	}
	return nil, false
}

func reportOf(p []byte) (report, bool) {
	be := binary.BigEndian
	r := report{Type: p[1], Blocks: []block{}}
	if len(p) < 8 || r.Type != senderReport && r.Type != receiverReport {
		return r, false
	}
	r.SSRC = be.Uint32(p[4:])
	count, rest := int(p[0]&31), p[8:]
	if r.Type == senderReport {
		if len(rest) < 20 {
			return r, false
		}
		r.Sender = &sender{be.Uint32(rest), be.Uint32(rest[4:]), be.Uint32(rest[8:]), be.Uint32(rest[12:]), be.Uint32(rest[16:])}
		rest = rest[20:]
	}
	for ; count > 0 && len(rest) >= blockSize; count, rest = count-1, rest[blockSize:] {
		r.Blocks = append(r.Blocks, block{
			SSRC: be.Uint32(rest), Fraction: rest[4], Lost: int32(be.Uint32(rest[4:])<<8) >> 8,
			Highest: be.Uint32(rest[8:]), Jitter: be.Uint32(rest[12:]), LSR: be.Uint32(rest[16:]), DLSR: be.Uint32(rest[20:]),
		})
	}
	r.Count = len(r.Blocks)
	return r, true
}
