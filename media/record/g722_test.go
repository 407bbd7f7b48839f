package record

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/tollbook/tollbook/media/relay"
)

// TestG722 decodes half a second of 1000 and 5500 Hz that another program coded
// (libspandsp's encoder, 64 kbit/s), to the very samples that its own decoder gives.
func TestG722(t *testing.T) {
	codes, err := os.ReadFile("testdata/tones.g722")
	if err != nil {
		t.Fatal(err)
	}
	const want = "c678c83b5f928c905289a3926feed1c4918020ec4e2eb2b75edf1d22c3ae7d26"
	var g g722
	sum := sha256.Sum256(g.decode(nil, codes))
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the samples are others: %s", got)
	}
	l := newLine(t, false)
	for i := 0; i+160 <= len(codes); i += 160 {
		at := time.Duration(i) * time.Second / 8000
		if err := l.rec.Packet(relay.B, l.packet(relay.B, 9, 1, at, codes[i:i+160]), began.Add(at)); err != nil {
			t.Fatal(err)
		}
		if i == 0 { // the other side has a narrow voice
			l.say(relay.A, 0, 440, at, 0)
		}
	}
	if err := l.rec.End(began.Add(500 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	s := read(t, l.path)
	if s.rate != 16000 || l.rec.Codec() != "PCM16K" || len(s.left) != 8000 {
		t.Errorf("%d Hz, %s, %d frames", s.rate, l.rec.Codec(), len(s.left))
	}
	part := s.part(s.right, 100*time.Millisecond, 450*time.Millisecond)
	if low, high := loud(part, 16000, 1000), loud(part, 16000, 5500); low < 0.7 || high < 0.15 {
		t.Errorf("%.2f of 1000 Hz, %.2f of 5500 Hz", low, high)
	}
	if p := loud(s.part(s.left, 0, 20*time.Millisecond), 16000, 440); p < 0.9 {
		t.Errorf("the other side has %.2f of 440 Hz", p)
	}
}
