package relay

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/tollbook/tollbook/media/srtp"
)

// sink is a socket that keeps the last datagram.
type sink struct{ last []byte }

func (s *sink) send(packet []byte, _ netip.AddrPort) error {
	s.last = bytes.Clone(packet)
	return nil
}

// bench is a call without a network, of one kind of media on side A.
func bench(t testing.TB, e *Engine, kind byte) (*Call, [2]*sink) {
	c := &Call{engine: e}
	var sinks [2]*sink
	for side := range c.legs {
		sinks[side] = &sink{}
		p := &pair{sockets: [2]socket{sinks[side], sinks[side]}}
		c.legs[side].pair = p
		r := Remote{Addr: farEnd(Side(side), false), RTCPAddr: farEnd(Side(side), true), PayloadTypes: []PayloadType{{Number: 8}}}
		if side == int(A) {
			r.Latch, r.Opaque = kind&1 != 0, kind&2 != 0
			if kind&4 != 0 && !r.Opaque {
				k, err := srtp.NewKey(srtp.AES128GCM, bytes.NewReader(make([]byte, 64)))
				if err != nil {
					t.Fatal(err)
				}
				r.Crypto = &Crypto{Send: k, Receive: k}
			}
		}
		if err := c.legs[side].setRemote(r, 1); err != nil {
			t.Fatal(err)
		}
	}
	return c, sinks
}

func farEnd(side Side, rtcp bool) netip.AddrPort {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(side)}), 4000)
	if rtcp {
		at = above(at)
	}
	return at
}

// FuzzDatagrams brings datagrams of any content, from the far ends and from others,
// to a call: of RTP, of RTP encrypted on one side, of UDPTL. Each is relayed or
// dropped for a reason, and what goes out in the clear is what came in.
func FuzzDatagrams(f *testing.F) {
	packet := []byte{0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1}
	for kind := range byte(8) {
		f.Add(kind, packet, senderReportOf(0xabcd), kind*3)
		f.Add(kind, append(receiverReportOf(0xabcd), senderReportOf(1)...), packet, byte(5))
		f.Add(kind, []byte{0, 1, 5, 't', '3', '8', 0, 0, 0}, packet, byte(9)) // UDPTL, ITU-T T.38
	}
	f.Fuzz(func(t *testing.T, kind byte, first, second []byte, how byte) {
		e := &Engine{}
		c, sinks := bench(t, e, kind)
		for i, packet := range [][]byte{first, second, first, second, first} {
			side, rtcp := Side(how>>i&1), how>>(i+3)&1 == 1
			from := farEnd(side, rtcp)
			if i == 3 {
				from = netip.AddrPortFrom(from.Addr(), 9)
			}
			came := bytes.Clone(packet)
			sent := e.packets.Load()
			c.take(side, rtcp, packet, from, time.Duration(i+1)*20*time.Millisecond)
			if !bytes.Equal(packet, came) {
				t.Fatal("the datagram was changed where it lay")
			}
			if e.packets.Load() == sent {
				continue
			}
			out := sinks[side.other()].last
			switch {
			case !c.legs[A].secured:
				if !bytes.Equal(out, came) {
					t.Fatalf("%x became %x", came, out)
				}
			case side == B && (bytes.Equal(out, came) || len(out) <= len(came)):
				t.Fatalf("%x went out in the clear: %x", came, out)
			}
		}
		s := e.Stats()
		if s.Packets+s.Dropped.Total() != 5 {
			t.Fatalf("%+v", s)
		}
		for side := range c.legs {
			if got := c.legs[side].stats(e, &c.legs[Side(side).other()]); got.MOS != 0 && (got.MOS < 100 || got.MOS > 450) || got.Packets > 5 {
				t.Fatalf("%+v", got)
			}
		}
	})
}
