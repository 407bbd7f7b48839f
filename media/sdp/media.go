package sdp

import (
	"net/netip"
	"strings"
	"time"
)

// Media is one m= line with the attributes below it and those it inherits from
// the session level.
type Media struct {
	// Type is audio, image (T.38) or whatever the far end wrote, lower case.
	Type string
	// Port is 0 for a stream that is rejected or ended.
	Port uint16
	// Proto is RTP/AVP, udptl and so on, as written.
	Proto string
	// Address is where the far end wants its media. It is the zero AddrPort for
	// a rejected stream and for a host name in c=, which is never resolved.
	Address netip.AddrPort
	// RTCP is where it wants RTCP: a=rtcp (RFC 3605), else the port after
	// Address. The zero AddrPort where Address is zero.
	RTCP netip.AddrPort
	// RTCPMux is true when RTCP on the RTP port was offered (RFC 5761). Rewrite
	// removes it, but where Outgoing.Mux says so.
	RTCPMux bool
	// Direction is the far end's own view (RFC 3264, section 5.1).
	Direction Direction
	// PTime is a=ptime, 0 when absent.
	PTime time.Duration
	// Formats are the formats of the m= line in order of preference.
	Formats []Format
	// Crypto are the writer's keys in order of preference, Unusable why others of its
	// a=crypto lines are none. Rewrite removes them all.
	Crypto   []Crypto
	Unusable []string

	hold bool
}

// Format is one format of an m= line.
type Format struct {
	// Token is the format as written: a payload type number, or t38.
	Token string
	// PayloadType is the RTP payload type, 0 to 127; -1 when the stream is not RTP.
	PayloadType int
	// Codec is the encoding name of a=rtpmap or of the static table of RFC 3551,
	// as written there; empty when neither knows it.
	Codec string
	// ClockRate is the RTP clock in Hz, 0 when unknown.
	ClockRate uint32
	// Channels is 1 unless rtpmap says otherwise.
	Channels int
	// Parameters is a=fmtp, as written.
	Parameters string
}

// Direction is which way media flows, seen by the side that wrote it.
type Direction uint8

// Directions of RFC 4566, section 6. The default is SendRecv.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

// String is the attribute's name.
func (d Direction) String() string {
	switch d {
	case SendOnly:
		return "sendonly"
	case RecvOnly:
		return "recvonly"
	case Inactive:
		return "inactive"
	default:
		return "sendrecv"
	}
}

func parseDirection(name string) (Direction, bool) {
	for _, d := range []Direction{SendRecv, SendOnly, RecvOnly, Inactive} {
		if d.String() == name {
			return d, true
		}
	}
	return SendRecv, false
}

// OnHold is true when the writer does not want to hear the other side: sendonly
// or inactive, or the null address of RFC 2543 that old equipment still sends.
func (m Media) OnHold() bool {
	return m.hold || m.Direction == SendOnly || m.Direction == Inactive
}

// TelephoneEvent returns the payload type of RFC 4733 events (DTMF).
func (m Media) TelephoneEvent() (payloadType uint8, ok bool) {
	for _, f := range m.Formats {
		if f.PayloadType >= 0 && strings.EqualFold(f.Codec, "telephone-event") {
			return uint8(f.PayloadType), true
		}
	}
	return 0, false
}

// isRTP tells payload type numbers from other format tokens.
func (m Media) isRTP() bool { return strings.Contains(strings.ToUpper(m.Proto), "RTP/") }

// static is the part of RFC 3551's table that telephony meets. The clock of
// G722 is 8000 by a historic mistake which the RFC keeps.
func static(payloadType int) (codec string, clock uint32, ok bool) {
	switch payloadType {
	case 0:
		return "PCMU", 8000, true
	case 3:
		return "GSM", 8000, true
	case 4:
		return "G723", 8000, true
	case 5:
		return "DVI4", 8000, true
	case 7:
		return "LPC", 8000, true
	case 8:
		return "PCMA", 8000, true
	case 9:
		return "G722", 8000, true
	case 13:
		return "CN", 8000, true
	case 15:
		return "G728", 8000, true
	case 18:
		return "G729", 8000, true
	}
	return "", 0, false
}
