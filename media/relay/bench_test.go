//go:build unix

package relay

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkForward measures both transports with 100 calls on loopback. The
// figure that matters is packets per CPU-second of the whole process, which
// includes the benchmark's own send and receive: about half of it is the relay.
func BenchmarkForward(b *testing.B) {
	for _, portable := range []bool{false, true} {
		name := "native"
		if portable {
			name = "portable"
		}
		b.Run(name, func(b *testing.B) { forward(b, portable) })
	}
}

func forward(b *testing.B, portable bool) {
	e := open(b, Config{PortMin: 30000, PortMax: 31999, Workers: 1, Portable: portable})
	from, to := newPhone(b), newPhone(b)
	var calls []*Call
	for range 100 {
		calls = append(calls, newCall(b, e, from, to))
	}
	packet := from.packet(8)
	buffer := make([]byte, 2048)
	to.media.SetReadDeadline(time.Now().Add(time.Minute))
	start := cpu()
	b.ResetTimer()
	for sent := 0; sent < b.N; {
		burst := min(64, b.N-sent) // within the receive buffer
		for i := range burst {
			from.send(from.media, packet, calls[(sent+i)%len(calls)].Local(A))
		}
		for range burst {
			if _, err := to.media.Read(buffer); err != nil {
				b.Fatal(err)
			}
		}
		sent += burst
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/(cpu()-start).Seconds(), "packets/cpu-s")
}

// BenchmarkCall is the cost of a call's four sockets.
func BenchmarkCall(b *testing.B) {
	e := open(b, Config{PortMin: 30000, PortMax: 39999, Workers: 1})
	for b.Loop() {
		c, err := e.NewCall("x")
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
