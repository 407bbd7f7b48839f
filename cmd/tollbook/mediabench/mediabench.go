// Package mediabench measures relays of media beside each other: the engines of
// media/relay and, where it is installed, rtpengine. It makes two network namespaces
// that a virtual cable connects: near, where the relay runs on a processor of its
// own, and far, where the ends of all calls are one program that sends and receives
// Ethernet frames as they are. All of it is gone when it ends.
package mediabench

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// RoleVariable names, in the environment, the part that a process of the benchmark's
// own plays: the program starts itself again.
const RoleVariable = "TOLLBOOK_BENCH_ROLE"

// Options say what is measured.
type Options struct {
	// Calls are the numbers of calls to measure with.
	Calls []int
	// Seconds is how long each measurement lasts, Rounds how often all of them are
	// repeated, in turn. Figures are the medians.
	Seconds, Rounds int
	// Recorded has two engines more, which record all calls.
	Recorded bool
	// Log is told what is under way, and what is left out and why.
	Log *slog.Logger
}

// Reading is one engine with one number of calls.
type Reading struct {
	Name  string `json:"name"`
	Calls int    `json:"calls"`
	// PacketsPerCPUSecond counts the packets relayed in a second of the process's
	// time, user and system. A process that used none counts as one tick.
	PacketsPerCPUSecond float64 `json:"packets_per_cpu_second"`
	// SystemUSPerPacket is the whole machine's: time in the kernel and in interrupts,
	// and the programs' own, less what the ends alone need.
	SystemUSPerPacket float64 `json:"system_us_per_packet"`
	// P50US and P99US are what the way through the relay takes, from being sent to
	// being received, in microseconds.
	P50US float64 `json:"p50_us"`
	P99US float64 `json:"p99_us"`
	// Lost are packets that were sent and not received, in all rounds; Sent are all.
	Lost uint64 `json:"lost"`
	Sent uint64 `json:"sent"`
	// Recordings are the recordings that were made in all rounds, Unrecorded the packets
	// that they lack.
	Recordings uint64 `json:"recordings,omitempty"`
	Unrecorded uint64 `json:"unrecorded,omitempty"`
}

// Figures are what the benchmark finds.
type Figures struct {
	Engines []Reading `json:"engines"`
	// Seconds and Rounds are how long and how often each was measured.
	Seconds int `json:"seconds"`
	Rounds  int `json:"rounds"`
	// The ratios are to rtpengine: packets per second of the relay's processor with
	// the default engine and with io_uring, and the inverse of the whole system's time
	// per packet with ebpf. Zero is one that could not be measured.
	RatioDefault     float64 `json:"ratio_default"`
	RatioDefault1000 float64 `json:"ratio_default_1000"`
	RatioIOUring1000 float64 `json:"ratio_io_uring_1000"`
	RatioEBPF        float64 `json:"ratio_ebpf"`
	// Missing says what was left out, and why.
	Missing map[string]string `json:"missing,omitempty"`
}

// Names of what is measured, beside those of relay.Engines.
const (
	defaultEngine = "default"
	rtpengineName = "rtpengine"
	// recording is behind the names of engines that record all calls.
	recording = "+recording"
)

// Print writes the figures for people.
func (f Figures) Print(w io.Writer) {
	fmt.Fprintf(w, "%-18s %6s %14s %12s %9s %9s %9s\n", "engine", "calls", "packets/CPU s", "system µs/p", "p50 µs", "p99 µs", "lost")
	for _, r := range f.Engines {
		fmt.Fprintf(w, "%-18s %6d %14.0f %12.2f %9.0f %9.0f %9d\n", r.Name, r.Calls, r.PacketsPerCPUSecond, r.SystemUSPerPacket, r.P50US, r.P99US, r.Lost)
	}
	for _, r := range f.Engines {
		if r.Recordings > 0 {
			fmt.Fprintf(w, "%s, %d calls: %d recordings lack %d packets\n", r.Name, r.Calls, r.Recordings, r.Unrecorded)
		}
	}
	fmt.Fprintf(w, "to rtpengine: default %.2f, at 1000 calls %.2f; io_uring at 1000 calls %.2f; ebpf, whole system %.1f\n",
		f.RatioDefault, f.RatioDefault1000, f.RatioIOUring1000, f.RatioEBPF)
	for _, name := range sortedKeys(f.Missing) {
		fmt.Fprintf(w, "%s was not measured: %s\n", name, f.Missing[name])
	}
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sum makes one reading of those of all rounds.
func sum(rounds []Reading) Reading {
	out := rounds[0]
	out.PacketsPerCPUSecond = median(rounds, func(r Reading) float64 { return r.PacketsPerCPUSecond })
	out.SystemUSPerPacket = median(rounds, func(r Reading) float64 { return r.SystemUSPerPacket })
	out.P50US = median(rounds, func(r Reading) float64 { return r.P50US })
	out.P99US = median(rounds, func(r Reading) float64 { return r.P99US })
	out.Lost, out.Sent = 0, 0
	for i, r := range rounds {
		out.Lost += r.Lost
		out.Sent += r.Sent
		if i > 0 {
			out.Recordings += r.Recordings
			out.Unrecorded += r.Unrecorded
		}
	}
	return out
}

func median(rounds []Reading, of func(Reading) float64) float64 {
	list := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		list = append(list, of(r))
	}
	slices.Sort(list)
	half := len(list) / 2
	if len(list)%2 == 0 {
		return (list[half-1] + list[half]) / 2
	}
	return list[half]
}

// compare fills in the ratios.
func (f *Figures) compare() {
	slices.SortStableFunc(f.Engines, func(a, b Reading) int { return cmp.Compare(a.Calls, b.Calls) })
	perCPU := func(r Reading) float64 { return r.PacketsPerCPUSecond }
	perPacket := func(r Reading) float64 { return r.SystemUSPerPacket }
	f.RatioDefault = f.ratio(defaultEngine, rtpengineName, 500, perCPU)
	f.RatioDefault1000 = f.ratio(defaultEngine, rtpengineName, 1000, perCPU)
	f.RatioIOUring1000 = f.ratio("io_uring", rtpengineName, 1000, perCPU)
	f.RatioEBPF = f.ratio(rtpengineName, "ebpf", 500, perPacket)
}

// ratio divides a figure of one engine by that of another; 0 where one is missing.
func (f *Figures) ratio(one, other string, calls int, of func(Reading) float64) float64 {
	find := func(name string) float64 {
		for _, r := range f.Engines {
			if r.Name == name && r.Calls == calls {
				return of(r)
			}
		}
		return 0
	}
	if under := find(other); under > 0 {
		return find(one) / under
	}
	return 0
}
