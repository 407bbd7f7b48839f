package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// phone is a far end: an RTP and an RTCP socket.
type phone struct {
	t           testing.TB
	media, ctrl *net.UDPConn
	seq         uint16
}

func newPhone(t testing.TB) *phone { return newPhoneAt(t, loopback) }

func newPhoneAt(t testing.TB, at netip.Addr) *phone {
	p := &phone{t: t, seq: 100}
	for _, c := range []**net.UDPConn{&p.media, &p.ctrl} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 0)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		*c = conn
	}
	return p
}

func addrOf(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (p *phone) remote() Remote {
	return Remote{
		Addr: addrOf(p.media), RTCPAddr: addrOf(p.ctrl),
		PayloadTypes: []PayloadType{{Number: 8}, {Number: 101, Codec: "telephone-event", ClockRate: 8000}},
	}
}

// packet is the next G.711 packet of 20 ms.
func (p *phone) packet(payloadType uint8) []byte {
	p.seq++
	packet := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: payloadType, SequenceNumber: p.seq, Timestamp: 160 * uint32(p.seq), SSRC: 7},
		Payload: make([]byte, 160),
	}
	raw, err := packet.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	return raw
}

func (p *phone) say(to netip.AddrPort) { p.send(p.media, p.packet(8), to) }

func (p *phone) send(c *net.UDPConn, packet []byte, to netip.AddrPort) {
	p.t.Helper()
	if _, err := c.WriteToUDPAddrPort(packet, to); err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for a packet and returns its source.
func (p *phone) hear(c *net.UDPConn) ([]byte, netip.AddrPort) {
	p.t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	buffer := make([]byte, 3000)
	n, from, err := c.ReadFromUDPAddrPort(buffer)
	if err != nil {
		p.t.Fatal(err)
	}
	return buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// eventually waits for what a worker does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func senderReportOf(middle uint32) []byte {
	b := make([]byte, 28)
	b[0], b[1], b[3] = 0x80, senderReport, 6
	binary.BigEndian.PutUint32(b[10:], middle)
	return b
}

func receiverReportOf(last uint32) []byte {
	b := make([]byte, 32)
	b[0], b[1], b[3] = 0x81, receiverReport, 7
	binary.BigEndian.PutUint32(b[24:], last)
	return b
}
