package evidence

import (
	"encoding/binary"
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

// spent is the processor time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
