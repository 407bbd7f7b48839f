package evidence

import (
	"slices"
	"time"

	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/capture"
)

const (
	// maxCapture bounds a capture, in bytes.
	maxCapture = 1 << 30
	// orderFor is how long packets wait to be put into order: signalling comes by way
	// of the sorter, and media whose description comes after it cannot be taken apart.
	orderFor = 200 * time.Millisecond
)

// pcap is one file of packets.
type pcap struct {
	file     *archive.File
	waiting  []slip
	bytes    []byte // of the packets that wait
	size     int64
	id       uint16
	from, to time.Time
	cut      bool // it has its greatest size, or the disk refused it
	reason   string
}

// slip is where a packet that waits lies.
type slip struct {
	at       time.Time
	from, to int
}

func (p *pcap) add(pair pair, payload []byte, at time.Time) {
	if p.cut || p.size+int64(len(p.bytes)) > maxCapture {
		if !p.cut {
			p.cut, p.reason = true, "size"
		}
		return
	}
	if p.from.IsZero() || at.Before(p.from) {
		p.from = at
	}
	if at.After(p.to) {
		p.to = at
	}
	p.id++
	begins := len(p.bytes)
	p.bytes = capture.AppendDatagram(p.bytes, at, pair.from, pair.to, payload, p.id)
	p.waiting = append(p.waiting, slip{at, begins, len(p.bytes)})
}

// flush writes what came before an instant, in the order of time. An error stays with
// the file, which is then truncated.
func (p *pcap) flush(before time.Time) {
	if len(p.waiting) == 0 {
		return
	}
	slices.SortStableFunc(p.waiting, func(a, b slip) int { return a.at.Compare(b.at) })
	ready := 0
	var out, rest []byte
	if p.size == 0 {
		out = capture.FileHeader()
	}
	for ; ready < len(p.waiting) && p.waiting[ready].at.Before(before); ready++ {
		out = append(out, p.bytes[p.waiting[ready].from:p.waiting[ready].to]...)
	}
	if ready == 0 {
		return
	}
	n, err := p.file.Write(out)
	p.size += int64(n)
	p.cut = p.cut || err != nil
	for i, s := range p.waiting[ready:] {
		begins := len(rest)
		rest = append(rest, p.bytes[s.from:s.to]...)
		p.waiting[i] = slip{s.at, begins, len(rest)}
	}
	p.waiting, p.bytes = p.waiting[:len(p.waiting)-ready], rest
}
