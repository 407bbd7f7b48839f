package mediabench

import (
	"strings"
	"testing"
)

// Figures are medians of the rounds, what is lost is their sum, and ratios are to
// rtpengine.
func TestFigures(t *testing.T) {
	reading := func(name string, calls int, perCPU, perPacket float64, lost uint64) Reading {
		return Reading{Name: name, Calls: calls, PacketsPerCPUSecond: perCPU, SystemUSPerPacket: perPacket, Lost: lost, Sent: 100}
	}
	one := sum([]Reading{reading("default", 500, 90, 9, 1), reading("default", 500, 130, 5, 0), reading("default", 500, 115, 7, 2)})
	if one.PacketsPerCPUSecond != 115 || one.SystemUSPerPacket != 7 || one.Lost != 3 || one.Sent != 300 {
		t.Errorf("%+v", one)
	}
	if two := sum([]Reading{reading("default", 500, 90, 9, 0), reading("default", 500, 100, 10, 0)}); two.PacketsPerCPUSecond != 95 {
		t.Errorf("%+v", two)
	}
	f := Figures{Missing: map[string]string{"io_uring": "it is forbidden here"}, Engines: []Reading{
		one, reading("default", 1000, 120, 6, 0), reading("ebpf", 500, 9999, 2, 0),
		reading("rtpengine", 500, 100, 14, 0), reading("rtpengine", 1000, 100, 14, 0),
	}}
	f.compare()
	if f.RatioDefault != 1.15 || f.RatioDefault1000 != 1.2 || f.RatioIOUring1000 != 0 || f.RatioEBPF != 7 {
		t.Errorf("%+v", f)
	}
	var text strings.Builder
	f.Print(&text)
	if !strings.Contains(text.String(), "io_uring was not measured: it is forbidden here") {
		t.Error(text.String())
	}
}
