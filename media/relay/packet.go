package relay

import "github.com/pion/rtp"

// isRTCP tells RTCP from RTP on a port that both come to.
func isRTCP(packet []byte) bool {
	return len(packet) >= 2 && packet[0]>>6 == 2 && packet[1] >= 192 && packet[1] <= 223
}

// parseRTP reads the header of an RTP packet (RFC 3550, section 5.1). RTCP that
// was sent to the RTP port is told apart by RFC 5761, section 4, and refused: where
// that was negotiated it does not come here.
func parseRTP(h *rtp.Header, packet []byte) bool {
	if len(packet) < 12 || packet[0]>>6 != 2 || isRTCP(packet) {
		return false
	}
	_, err := h.Unmarshal(packet)
	return err == nil
}
