package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/tollbook/tollbook/media/testnet"
)

// Over a wire that loses one packet in twenty, the figures say so, and the
// opinion falls; a third party's packets are counted and go nowhere.
func TestQualityOverABadWire(t *testing.T) {
	n := testnet.New(t)
	ends := [2]*net.UDPConn{n.Listen(n.A, "10.77.1.1:4000"), n.Listen(n.B, "10.77.2.1:4000")}
	control := [2]*net.UDPConn{n.Listen(n.A, "10.77.1.1:4001"), n.Listen(n.B, "10.77.2.1:4001")}
	thief := n.Listen(n.A, "10.77.1.1:5000")
	local := []netip.Addr{netip.MustParseAddr("10.77.1.2"), netip.MustParseAddr("10.77.2.2")}
	var c *Call
	n.In(n.R, func() { // sockets are of the namespace that they are made in
		e := open(t, Config{Addresses: local, PortMin: 20000, PortMax: 20999, Workers: 1, Engine: EngineEpoll})
		var err error
		if c, err = e.NewCall("bad wire", local[A]); err == nil {
			err = c.Listen(B, local[B])
		}
		if err != nil {
			t.Error(err)
		}
	})
	var to [2]netip.AddrPort
	for side := range ends {
		r := Remote{Addr: testnet.AddrOf(ends[side]), PayloadTypes: []PayloadType{{Number: 8}}}
		if err := c.SetRemote(Side(side), r); err != nil {
			t.Fatal(err)
		}
		to[side] = c.Local(Side(side))
	}
	seq := uint16(0)
	speak := func(packets int) Stats {
		t.Helper()
		before := c.Stats(A)
		for range packets {
			seq++
			p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SequenceNumber: seq, Timestamp: 160 * uint32(seq), SSRC: 7}, Payload: make([]byte, 160)}
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			testnet.Say(t, ends[A], b, to[A])
			time.Sleep(200 * time.Microsecond)
		}
		eventually(t, "the packets", func() bool {
			s := c.Stats(A)
			return s.Packets+s.Lost >= before.Packets+before.Lost+uint64(packets)-1
		})
		return c.Stats(A)
	}
	good := speak(200)
	n.Run("ip netns exec " + n.R + " nft add table ip q")
	n.Run("ip netns exec " + n.R + " nft add chain ip q in { type filter hook prerouting priority 0 ; }")
	n.Run("ip netns exec " + n.R + " nft add rule ip q in iif e1 udp dport 20000-20999 numgen inc mod 20 10 drop")
	bad := speak(600)
	if good.Lost != 0 || good.MOS < 400 || bad.Lost < 28 || bad.Lost > 31 || bad.Gaps != bad.Lost || bad.MOS > good.MOS-20 {
		t.Errorf("before: lost %d, MOS %d; with one of twenty lost: lost %d in %d gaps, MOS %d", good.Lost, good.MOS, bad.Lost, bad.Gaps, bad.MOS)
	}
	n.Run("ip netns exec " + n.R + " nft delete table ip q")
	testnet.Say(t, thief, make([]byte, 172), to[A])
	testnet.Say(t, thief, []byte{0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1}, to[A])
	eventually(t, "the stranger's packets", func() bool {
		d := c.Stats(A).Dropped
		return d[DropMalformed] == 1 && d[DropSource] == 1
	})

	// A answers after 160 ms, and says that 100 of them were its own: 60 are the wire's.
	testnet.Say(t, control[B], senderReportOf(0xabcd), above(to[B]))
	if got, _ := testnet.Hear(t, control[A], 5*time.Second); len(got) == 0 {
		t.Fatal("the sender report did not pass")
	}
	time.Sleep(160 * time.Millisecond)
	answer := receiverReportOf(0xabcd)
	binary.BigEndian.PutUint32(answer[28:], 65536/10)
	testnet.Say(t, control[A], answer, above(to[A]))
	eventually(t, "the round trip", func() bool { return c.Stats(A).RTT > 0 })
	if rtt := c.Stats(A).RTT; rtt < 55*time.Millisecond || rtt > 5*time.Second {
		t.Errorf("%v over a wire of 60 ms", rtt)
	}
	if r := c.Stats(A).Reported; r.Reports != 1 {
		t.Errorf("%+v", r)
	}
}
