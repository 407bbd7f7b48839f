package relay

import "github.com/pion/rtp"

// parseRTP reads the header of an RTP packet (RFC 3550, section 5.1). RTCP that
// was sent to the RTP port is told apart by RFC 5761, section 4, and refused:
// the switch does not negotiate that.
func parseRTP(h *rtp.Header, packet []byte) bool {
	if len(packet) < 12 || packet[0]>>6 != 2 || packet[1] >= 192 && packet[1] <= 223 {
		return false
	}
	_, err := h.Unmarshal(packet)
	return err == nil
}
