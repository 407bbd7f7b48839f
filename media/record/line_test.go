package record

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/tollbook/tollbook/media/relay"
)

// line is a recording on disk and the packets that are given to it.
type line struct {
	t    testing.TB
	path string
	file *os.File
	rec  *Recorder
	seq  [2]uint16
}

func newLine(t testing.TB, mixed bool) *line {
	l := &line{t: t, path: filepath.Join(t.TempDir(), "x.wav")}
	var err error
	if l.file, err = os.Create(l.path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.file.Close() })
	l.rec = New(l.file, began, mixed)
	return l
}

// packet is 20 ms of a side that its timestamp puts at an instant.
func (l *line) packet(side relay.Side, pt uint8, ssrc uint32, at time.Duration, payload []byte) []byte {
	l.seq[side]++
	p := rtp.Packet{Header: rtp.Header{
		Version: 2, PayloadType: pt, SequenceNumber: l.seq[side], Timestamp: 4294960000 + uint32(at*8000/time.Second), SSRC: ssrc,
	}, Payload: payload}
	raw, err := p.Marshal()
	if err != nil {
		l.t.Fatal(err)
	}
	return raw
}

// say has a side send 20 ms of a sine at an instant.
func (l *line) say(side relay.Side, pt uint8, hz float64, at, jitter time.Duration) {
	l.t.Helper()
	if err := l.rec.Packet(side, l.packet(side, pt, 7, at, sine(pt, hz, at)), began.Add(at+jitter)); err != nil {
		l.t.Fatal(err)
	}
}

// sine is 20 ms of a tone in the code of a payload type, at half of full scale.
func sine(pt uint8, hz float64, at time.Duration) []byte {
	table := &muLaw
	if pt == 8 {
		table = &aLaw
	}
	out := make([]byte, 160)
	for i := range out {
		want := 16000 * math.Sin(2*math.Pi*hz*(at.Seconds()+float64(i)/8000))
		out[i] = nearest(table, want)
	}
	return out
}

func nearest(table *[256]int16, want float64) (code byte) {
	best := math.Inf(1)
	for c, v := range table {
		if d := math.Abs(float64(v) - want); d < best {
			best, code = d, byte(c)
		}
	}
	return code
}

// sound is what a WAV file holds: both channels as 16-bit samples.
type sound struct {
	tag, bits uint16
	rate      uint32
	left      []float64
	right     []float64
}

// read reads a file as any player does: by its header's sizes.
func read(t testing.TB, path string) sound {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	if string(raw[:4]) != "RIFF" || string(raw[8:16]) != "WAVEfmt " || le.Uint16(raw[22:]) != 2 || string(raw[50:54]) != "data" {
		t.Fatalf("not a WAV file: %q", raw[:headerSize])
	}
	s := sound{tag: le.Uint16(raw[20:]), rate: le.Uint32(raw[24:]), bits: le.Uint16(raw[34:])}
	size := int(le.Uint32(raw[54:]))
	if riff := int(le.Uint32(raw[4:])); riff != size+headerSize-8 || size > len(raw)-headerSize {
		t.Fatalf("RIFF of %d bytes, data of %d, file of %d", riff, size, len(raw))
	}
	data := raw[headerSize : headerSize+size]
	for i := 0; i < len(data); {
		for _, to := range []*[]float64{&s.left, &s.right} {
			switch s.tag {
			case tagMuLaw:
				*to = append(*to, float64(muLaw[data[i]]))
			case tagALaw:
				*to = append(*to, float64(aLaw[data[i]]))
			default:
				*to = append(*to, float64(int16(le.Uint16(data[i:]))))
			}
			i += int(s.bits / 8)
		}
	}
	if frames := int(le.Uint32(raw[46:])); frames != len(s.left) {
		t.Fatalf("fact says %d frames of %d", frames, len(s.left))
	}
	return s
}

// power is the mean square of a part, loud how much of it a tone has (Goertzel).
func power(samples []float64) (p float64) {
	for _, v := range samples {
		p += v * v
	}
	return p / float64(max(1, len(samples)))
}

func loud(samples []float64, rate uint32, hz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2 float64
	for _, v := range samples {
		s1, s2 = v+c*s1-s2, s1
	}
	n := float64(len(samples))
	return 2 * (s1*s1 + s2*s2 - c*s1*s2) / (n * n) / max(power(samples), 1)
}

func (s sound) part(samples []float64, from, to time.Duration) []float64 {
	at := func(d time.Duration) int { return min(len(samples), int(d*time.Duration(s.rate)/time.Second)) }
	return samples[at(from):at(to)]
}

// run says both tones for a while, ticking as the pool does.
func (l *line) run(from, to time.Duration, pts [2]uint8, hz [2]float64) {
	l.t.Helper()
	for at := from; at < to; at += 20 * time.Millisecond {
		for side := range 2 {
			if hz[side] > 0 {
				l.say(relay.Side(side), pts[side], hz[side], at, 0)
			}
		}
		if at%(100*time.Millisecond) == 0 {
			if err := l.rec.Flush(began.Add(at)); err != nil {
				l.t.Fatal(err)
			}
		}
	}
}
