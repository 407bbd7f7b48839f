package record

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollbook/tollbook/media/relay"
)

var began = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestBothSidesHaveTheirChannel(t *testing.T) {
	for name, c := range map[string]struct {
		pts        [2]uint8
		tag, bits  uint16
		codec      string
		mostPerSec int64
	}{
		"both µ-law":     {[2]uint8{0, 0}, tagMuLaw, 8, "PCMU", 16000},
		"both A-law":     {[2]uint8{8, 8}, tagALaw, 8, "PCMA", 16000},
		"one of each":    {[2]uint8{0, 8}, tagPCM, 16, "PCM", 32000},
		"the other way":  {[2]uint8{8, 0}, tagPCM, 16, "PCM", 32000},
		"only one talks": {[2]uint8{0, 0}, tagMuLaw, 8, "PCMU", 16000},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, false)
			hz := [2]float64{440, 1000}
			if name == "only one talks" {
				hz[1] = 0
			}
			l.run(0, 3*time.Second, c.pts, hz)
			if err := l.rec.End(began.Add(3 * time.Second)); err != nil {
				t.Fatal(err)
			}
			s := read(t, l.path)
			if s.tag != c.tag || s.bits != c.bits || s.rate != 8000 || l.rec.Codec() != c.codec || len(s.left) != 24000 {
				t.Errorf("format %d of %d bits, %s, %d frames", s.tag, s.bits, l.rec.Codec(), len(s.left))
			}
			if a := loud(s.left, s.rate, 440); a < 0.95 {
				t.Errorf("left has %.2f of 440 Hz", a)
			}
			if b := loud(s.right, s.rate, 1000); hz[1] > 0 && b < 0.95 || hz[1] == 0 && power(s.right) > 0 {
				t.Errorf("right has %.2f of 1000 Hz, power %.0f", b, power(s.right))
			}
		})
	}
}

// A pause is silent on both sides, digits are never heard, and what comes after a
// hold lies where it was said.
func TestPausesDigitsAndHolds(t *testing.T) {
	l := newLine(t, false)
	tones := [2]float64{440, 1000}
	l.rec.Formats(relay.A, []relay.PayloadType{{Number: 0, Codec: "PCMU"}, {Number: 101, Codec: "telephone-event"}})
	l.run(0, time.Second, [2]uint8{}, tones)
	l.rec.Pause(began.Add(time.Second))
	l.run(time.Second, 2*time.Second, [2]uint8{}, tones)
	l.rec.Resume(began.Add(2 * time.Second))
	l.run(2*time.Second, 3*time.Second, [2]uint8{}, tones)
	digit := l.packet(relay.A, 101, 7, 3*time.Second, []byte{5, 10, 0, 160})
	if err := l.rec.Packet(relay.A, digit, began.Add(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	l.run(5*time.Second, 6*time.Second, [2]uint8{}, tones) // after a hold
	if err := l.rec.End(began.Add(6 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s := read(t, l.path)
	for _, part := range []struct {
		from, to time.Duration
		silent   bool
	}{{0, 1, false}, {1, 2, true}, {2, 3, false}, {3, 5, true}, {5, 6, false}} {
		from, to := part.from*time.Second, part.to*time.Second
		for side, samples := range [][]float64{s.part(s.left, from, to), s.part(s.right, from, to)} {
			if p := power(samples); part.silent != (p == 0) || !part.silent && loud(samples, 8000, tones[side]) < 0.95 {
				t.Errorf("%v to %v of side %d: power %.0f", from, to, side, p)
			}
		}
	}
	if d := l.rec.Paused(began.Add(6 * time.Second)); d != time.Second {
		t.Errorf("paused for %v", d)
	}
}

// Jitter and reordering within the lag change nothing; what is lost is silent, and
// only that.
func TestJitterChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steady, shaken := newLine(t, false), newLine(t, false)
		lost := rapid.IntRange(10, 40).Draw(rt, "lost")
		type arrival struct {
			at     time.Duration
			packet []byte
		}
		var late []arrival
		for i := range 60 {
			at := time.Duration(i) * 20 * time.Millisecond
			p := steady.packet(relay.A, 0, 7, at, sine(0, 440, at))
			if i == lost {
				continue
			}
			if err := steady.rec.Packet(relay.A, p, began.Add(at)); err != nil {
				rt.Fatal(err)
			}
			delay := time.Duration(0)
			if i > 0 {
				delay = time.Duration(rapid.IntRange(0, 150).Draw(rt, "ms")) * time.Millisecond
			}
			late = append(late, arrival{at + delay, p})
		}
		for now := time.Duration(0); now <= 1500*time.Millisecond; now += time.Millisecond {
			for _, a := range late {
				if a.at == now {
					if err := shaken.rec.Packet(relay.A, a.packet, began.Add(now)); err != nil {
						rt.Fatal(err)
					}
				}
			}
			if now%(100*time.Millisecond) == 0 {
				if err := shaken.rec.Flush(began.Add(now)); err != nil {
					rt.Fatal(err)
				}
			}
		}
		for _, l := range []*line{steady, shaken} {
			if err := l.rec.End(began.Add(1200 * time.Millisecond)); err != nil {
				rt.Fatal(err)
			}
		}
		want, got := read(t, steady.path), read(t, shaken.path)
		got.left = got.left[:len(want.left)]
		for i := range want.left {
			if want.left[i] != got.left[i] {
				rt.Fatalf("sample %d is %v, want %v", i, got.left[i], want.left[i])
			}
		}
		hole := time.Duration(lost) * 20 * time.Millisecond
		if p := power(want.part(want.left, hole, hole+20*time.Millisecond)); p != 0 {
			rt.Fatalf("what was lost sounds: %.0f", p)
		}
		if p := power(want.part(want.left, hole-20*time.Millisecond, hole)); p == 0 {
			rt.Fatal("more is silent than what was lost")
		}
	})
}

// Another SSRC, and a timestamp that jumps, begin where their packet arrived; a clock
// that runs away is brought back.
func TestStreamsAreAnchored(t *testing.T) {
	l := newLine(t, false)
	l.run(0, time.Second, [2]uint8{}, [2]float64{440})
	for i := range 50 { // another source, whose timestamps are far away
		at := time.Second + time.Duration(i)*20*time.Millisecond
		p := l.packet(relay.A, 0, 8, at+time.Hour, sine(0, 440, at))
		if err := errors.Join(l.rec.Packet(relay.A, p, began.Add(at)), l.rec.Flush(began.Add(at))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 { // the same one, after a jump
		at := 2*time.Second + time.Duration(i)*20*time.Millisecond
		p := l.packet(relay.A, 0, 8, at+3*time.Hour, sine(0, 440, at))
		if err := errors.Join(l.rec.Packet(relay.A, p, began.Add(at)), l.rec.Flush(began.Add(at))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.rec.End(began.Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s := read(t, l.path)
	if a := loud(s.left, 8000, 440); a < 0.95 || len(s.left) != 24000 {
		t.Errorf("%.2f of 440 Hz in %d frames", a, len(s.left))
	}

	fast := newLine(t, false)
	for i := range 6000 { // two minutes, 0.5 % too fast
		at := time.Duration(i) * 20 * time.Millisecond
		p := fast.packet(relay.A, 0, 7, at*1005/1000, sine(0, 440, at))
		if err := errors.Join(fast.rec.Packet(relay.A, p, began.Add(at)), fast.rec.Flush(began.Add(at))); err != nil {
			t.Fatal(err)
		}
	}
	off := fast.rec.frameAt(began.Add(119980*time.Millisecond)) - fast.rec.sides[0].base
	if off > 1000 || off < -1000 { // 125 ms
		t.Errorf("after two minutes the stream lies %d frames off", off)
	}
}

// What is on the disk a second after it was said can be heard, whatever became of the
// program; a repair finds the rest.
func TestTheFileIsAlwaysReadable(t *testing.T) {
	l := newLine(t, false)
	for at := time.Duration(0); at < 4*time.Second; at += 100 * time.Millisecond {
		l.run(at, at+100*time.Millisecond, [2]uint8{8, 8}, [2]float64{440, 1000})
		if at < 2*time.Second {
			continue
		}
		if heard, said := time.Duration(len(read(t, l.path).left))*time.Second/8000, at+100*time.Millisecond; said-heard > time.Second {
			t.Fatalf("of %v only %v can be heard", said, heard)
		}
	}
	if _, err := l.file.Write([]byte{1}); err != nil { // half a frame
		t.Fatal(err)
	}
	codec, err := Repair(disk{l.file})
	s := read(t, l.path)
	if err != nil || codec != "PCMA" || len(s.left) < 8000*34/10 || loud(s.left, 8000, 440) < 0.95 || loud(s.right, 8000, 1000) < 0.95 {
		t.Errorf("%s, %v: %d frames", codec, err, len(s.left))
	}
	if info, err := os.Stat(l.path); err != nil || info.Size() != int64(headerSize+2*len(s.left)) {
		t.Errorf("%v, %v", info, err)
	}
}

// disk is a file as the archive gives it.
type disk struct{ *os.File }

func (d disk) Size() (int64, error) {
	info, err := d.Stat()
	return info.Size(), err
}

func TestRepairRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		want    error
	}{
		"nothing":    {nil, ErrNoSound},
		"a header":   {formatPCM.header(0), ErrNoSound},
		"one byte":   {append(formatPCM.header(0), 1), ErrNoSound},
		"a stranger": {make([]byte, 500), errForeign},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Repair(disk{f}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		f.Close()
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	l := newLine(t, false)
	if err := l.rec.End(began); !errors.Is(err, ErrNoSound) {
		t.Error(err)
	}
	l.rec.Formats(relay.B, []relay.PayloadType{{Number: 96, Codec: "opus", ClockRate: 48000}})
	foreign := l.packet(relay.A, 96, 1, 0, []byte{1})
	if err := l.rec.Packet(relay.A, foreign, began); !errors.Is(err, ErrForeignCodec) {
		t.Error(err)
	}
	l.run(0, time.Second, [2]uint8{0, 0}, [2]float64{440})
	other := l.packet(relay.B, 8, 1, time.Second, sine(8, 1000, 0))
	if err := l.rec.Packet(relay.B, other, began.Add(time.Second)); !errors.Is(err, ErrNextPart) {
		t.Errorf("A-law in a file of µ-law: %v", err)
	}
	next := newLine(t, true)
	if err := next.rec.Packet(relay.B, other, began.Add(time.Second)); err != nil {
		t.Error(err)
	}
	if err := next.rec.End(began.Add(2 * time.Second)); err != nil || next.rec.Codec() != "PCM" {
		t.Error(err, next.rec.Codec())
	}
	for _, noise := range [][]byte{nil, {1}, l.packet(relay.A, 77, 1, 0, nil), l.packet(relay.A, 13, 1, 0, []byte{3})} {
		if err := l.rec.Packet(relay.A, noise, began); err != nil {
			t.Error(err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1}, []byte{0xa0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 9, 4, 250}, int64(1))
	f.Add([]byte{0x80, 9, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 1}, []byte{0x80, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 9}, int64(1<<40))
	f.Fuzz(func(t *testing.T, one, two []byte, step int64) {
		r := New(nowhere{}, began, false)
		at := began
		for range 3 {
			for side, p := range [][]byte{one, two} {
				if err := r.Packet(relay.Side(side), p, at); err != nil && !errors.Is(err, ErrNextPart) && !errors.Is(err, ErrForeignCodec) {
					t.Fatal(err)
				}
			}
			at = at.Add(time.Duration(uint64(step) % uint64(10*time.Second)))
			if err := r.Flush(at); err != nil {
				return
			}
		}
		if err := r.End(at); err != nil && !errors.Is(err, ErrNoSound) {
			t.Fatal(err)
		}
	})
}

// nowhere is a file that keeps nothing.
type nowhere struct{}

func (nowhere) Write(b []byte) (int, error)            { return len(b), nil }
func (nowhere) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

// BenchmarkCallSecond is the cost of recording both sides for a second.
func BenchmarkCallSecond(b *testing.B) {
	r := New(nowhere{}, began, false)
	l := &line{t: b, rec: r}
	tone := sine(0, 440, 0)
	at := time.Duration(0)
	packets := [2][]byte{l.packet(relay.A, 0, 7, 0, tone), l.packet(relay.B, 0, 7, 0, tone)}
	b.ReportAllocs()
	for b.Loop() {
		for range 50 {
			for side := range packets {
				binary.BigEndian.PutUint32(packets[side][4:], uint32(at*8000/time.Second))
				if err := r.Packet(relay.Side(side), packets[side], began.Add(at)); err != nil {
					b.Fatal(err)
				}
			}
			at += 20 * time.Millisecond
			if at%(100*time.Millisecond) == 0 {
				if err := r.Flush(began.Add(at)); err != nil && !errors.Is(err, ErrNextPart) {
					b.Fatal(err)
				}
			}
		}
	}
}
