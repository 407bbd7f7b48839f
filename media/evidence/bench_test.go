package evidence

import (
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/tollbook/tollbook/media/relay"
)

// BenchmarkThousandCalls records a thousand calls at their pace, each a packet in 20 ms
// from both sides, for a second an iteration: what a call-second costs, files and all,
// and what was lost. Run it with -benchtime 10x.
func BenchmarkThousandCalls(b *testing.B) {
	const calls = 1000
	r := newRig(b, Config{})
	var all []*Call
	for range calls {
		c := r.Begin(callID())
		if err := c.Steer(start); err != nil {
			b.Fatal(err)
		}
		all = append(all, c)
	}
	packet := make([]byte, 172)
	packet[0] = 0x80
	before, next := spent(), time.Now()
	b.ResetTimer()
	for i := range 50 * b.N {
		binary.BigEndian.PutUint16(packet[2:], uint16(i))
		binary.BigEndian.PutUint32(packet[4:], uint32(160*i))
		now := time.Now()
		for _, c := range all {
			c.Packet(relay.A, false, packet, phoneA, ours, now)
			c.Packet(relay.B, false, packet, phoneB, ours, now)
		}
		next = next.Add(20 * time.Millisecond)
		time.Sleep(time.Until(next))
	}
	b.StopTimer()
	b.ReportMetric(float64((spent()-before).Microseconds())/float64(calls*b.N), "cpu-µs/call-s")
	b.ReportMetric(float64(r.Stats().Lost), "lost")
	for _, c := range all {
		c.End()
	}
}

// BenchmarkRelayedCalls is the same through the relay's sockets: all packets of a thousand
// calls are relayed and recorded. relayed-lost are packets that the relay did not get,
// which on a busy machine is the sender's doing.
func BenchmarkRelayedCalls(b *testing.B) {
	const calls = 1000
	loopback := netip.MustParseAddr("127.0.0.1")
	e, err := relay.Open(relay.Config{Addresses: []netip.Addr{loopback}, PortMin: 20000, PortMax: 29999, Engine: relay.EngineEpoll})
	if err != nil {
		b.Skip(err)
	}
	defer e.Close()
	r := newRig(b, Config{})
	var phones [2]*net.UDPConn
	for side := range phones {
		if phones[side], err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			b.Fatal(err)
		}
		defer phones[side].Close()
	}
	var all []*Call
	var to [][2]netip.AddrPort
	for range calls {
		m, err := e.NewCall("x", loopback)
		if err != nil {
			b.Skip(err)
		}
		for side, phone := range phones {
			at := phone.LocalAddr().(*net.UDPAddr).AddrPort()
			if err := m.SetRemote(relay.Side(side), relay.Remote{Addr: at, PayloadTypes: []relay.PayloadType{{Number: 0}}}); err != nil {
				b.Fatal(err)
			}
		}
		c := r.Begin(callID())
		c.Media(m)
		if err := c.Steer(start); err != nil {
			b.Fatal(err)
		}
		all, to = append(all, c), append(to, [2]netip.AddrPort{m.Local(relay.A), m.Local(relay.B)})
	}
	packet := make([]byte, 172)
	packet[0] = 0x80
	before, next := spent(), time.Now()
	b.ResetTimer()
	for i := range 50 * b.N {
		binary.BigEndian.PutUint16(packet[2:], uint16(i))
		binary.BigEndian.PutUint32(packet[4:], uint32(160*i))
		for _, ends := range to {
			for side, phone := range phones {
				if _, err := phone.WriteToUDPAddrPort(packet, ends[side]); err != nil {
					b.Fatal(err)
				}
			}
		}
		next = next.Add(20 * time.Millisecond)
		time.Sleep(time.Until(next))
	}
	b.StopTimer()
	for last := ^uint64(0); last != e.Stats().Packets; time.Sleep(time.Second) {
		last = e.Stats().Packets // until nothing waits in a socket any more
	}
	b.ReportMetric(float64((spent()-before).Microseconds())/float64(calls*b.N), "cpu-µs/call-s")
	b.ReportMetric(float64(100*calls*b.N)-float64(e.Stats().Packets), "relayed-lost")
	b.ReportMetric(float64(r.Stats().Lost), "recorded-lost")
	for _, c := range all {
		c.End()
	}
}

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
