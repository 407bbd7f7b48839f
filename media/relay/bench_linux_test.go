package relay

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkForward measures both transports with 100 calls on loopback. The
// figure that matters is packets per CPU-second of the relay: the generator
// keeps to one thread, whose share is taken off the process's.
func BenchmarkForward(b *testing.B) {
	for _, name := range engines() {
		b.Run(name, func(b *testing.B) { forward(b, name) })
	}
}

func forward(b *testing.B, engine string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	e := open(b, Config{PortMin: 30000, PortMax: 31999, Workers: 1, Engine: engine})
	from, to := newPhone(b), newPhone(b)
	var calls []*Call
	for range 100 {
		calls = append(calls, newCall(b, e, from, to))
	}
	packet := from.packet(8)
	relayed := func(n int) { // in the relay or out of it: the phone's buffer may overflow
		for e.Stats().Packets+e.Stats().Dropped.Total() < uint64(n) {
			time.Sleep(50 * time.Microsecond)
		}
	}
	start := relayCPU()
	b.ResetTimer()
	for sent := 0; sent < b.N; {
		burst := min(400, b.N-sent)
		for i := range burst {
			from.send(from.media, packet, calls[(sent+i)%len(calls)].Local(A))
		}
		sent += burst
		relayed(sent)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/(relayCPU()-start).Seconds(), "packets/cpu-s")
}

// relayCPU is the time of the process without that of this thread.
func relayCPU() time.Duration {
	var process, thread unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &process)
	unix.Getrusage(unix.RUSAGE_THREAD, &thread)
	return time.Duration(process.Utime.Nano() + process.Stime.Nano() - thread.Utime.Nano() - thread.Stime.Nano())
}

// BenchmarkCall is the cost of a call's four sockets.
func BenchmarkCall(b *testing.B) {
	e := open(b, Config{PortMin: 30000, PortMax: 39999, Workers: 1})
	for b.Loop() {
		c, err := e.NewCall("x", netip.Addr{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
