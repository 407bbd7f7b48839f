package relay

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// A side whose RTCP comes to the port of RTP talks to one whose RTCP has its own.
func TestRTCPOnThePortOfRTP(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, nil, b)
		r := a.remote()
		r.Mux, r.Latch, r.Addr = true, true, netip.MustParseAddrPort("192.168.7.7:4000")
		if err := c.SetRemote(A, r); err != nil {
			t.Fatal(err)
		}
		a.say(c.Local(A))
		b.hear(b.media)
		a.send(a.media, senderReportOf(0xabcd), c.Local(A))
		if _, from := b.hear(b.ctrl); from != above(c.Local(B)) {
			t.Errorf("from %v", from)
		}
		b.send(b.ctrl, receiverReportOf(0xabcd), above(c.Local(B)))
		if got, from := a.hear(a.media); !isRTCP(got) || from != c.Local(A) {
			t.Errorf("%x from %v", got, from)
		}
		a.send(a.ctrl, senderReportOf(1), c.Local(A))  // from another port than its RTP
		b.send(b.media, senderReportOf(1), c.Local(B)) // B has not agreed to it
		eventually(t, "drops", func() bool {
			return c.Stats(A).Dropped[DropSource] == 1 && c.Stats(B).Dropped[DropMalformed] == 1
		})
		if s := c.Stats(A); s.Packets != 1 || s.SentPackets != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// Tones by RFC 4733 pass and are counted, each once however many packets it has.
func TestTonesAreCounted(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, a, b)
		a.say(c.Local(A))
		b.hear(b.media)
		for tone := range 2 {
			for range 4 {
				packet := a.packet(101)
				binary.BigEndian.PutUint32(packet[4:], uint32(16000*(tone+1)))
				a.send(a.media, packet, c.Local(A))
				if got, _ := b.hear(b.media); string(got) != string(packet) {
					t.Fatal("another packet")
				}
			}
			a.say(c.Local(A))
			b.hear(b.media)
		}
		if s := c.Stats(A); s.Events != 2 || s.Packets != 11 || s.Lost != 0 {
			t.Errorf("%+v", s)
		}
	})
}
