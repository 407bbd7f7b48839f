package srtp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
)

// FuzzReceiver opens packets of strangers: none is authentic, none stays behind.
func FuzzReceiver(f *testing.F) {
	f.Add(speech(7, 1, "a packet of whom we do not know, long enough"), byte(0))
	f.Add([]byte{0x81, 0xc8, 0, 6, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, byte(2))
	f.Add([]byte{0xb0, 8, 0, 1, 0, 0, 0, 160, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 0, 0, 0}, byte(1))
	f.Fuzz(func(t *testing.T, packet []byte, suite byte) {
		k, err := NewKey(Suites()[int(suite)%len(Suites())], rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if suite&128 != 0 {
			k = k.WithMKI([]byte{0, 1})
		}
		r, err := NewReceiver(k, nil)
		if err != nil {
			t.Fatal(err)
		}
		came := bytes.Clone(packet)
		if plain, err := r.RTP(packet); err == nil {
			t.Fatalf("opened: %x", plain)
		}
		if plain, err := r.RTCP(packet); err == nil {
			t.Fatalf("opened: %x", plain)
		}
		if !bytes.Equal(came, packet) || len(r.streams)+len(r.control) != 0 {
			t.Fatal("something stayed behind")
		}
	})
}

// FuzzSender encrypts whatever a plain side sends, its sequence in any order: what is
// let through can be opened, is what came in, and never has an index again.
func FuzzSender(f *testing.F) {
	f.Add(speech(7, 1, "speech"), []byte{0, 1, 0, 2, 0, 2, 255, 255, 0, 0})
	f.Add(speech(0, 40000, ""), []byte{128, 0, 0, 1, 0, 2, 127, 0, 127, 1})
	f.Fuzz(func(t *testing.T, packet, sequence []byte) {
		k, err := NewKey(AES128GCM, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s, r := pair(t, k)
		type index struct {
			ssrc, roll uint32
			seq        uint16
		}
		sent := map[index]bool{}
		packet = bytes.Clone(packet)
		for ; len(sequence) >= 2 && len(packet) >= 12; sequence = sequence[2:] {
			packet[2], packet[3] = sequence[0], sequence[1]
			came := bytes.Clone(packet)
			sealed, err := s.RTP(packet)
			if !bytes.Equal(came, packet) {
				t.Fatal("the packet was changed where it lay")
			}
			if err != nil {
				continue
			}
			plain, err := r.RTP(sealed)
			if err != nil && !errors.Is(err, ErrReplayed) { // one far behind is too late for the other side
				t.Fatalf("%x: %v", sealed, err)
			}
			if err == nil && (!bytes.Equal(plain[12:], came[12:]) || !bytes.Equal(plain[:8], came[:8])) {
				t.Fatalf("%x became %x", came, plain)
			}
			at := index{ssrc: binary.BigEndian.Uint32(sealed[8:]), seq: binary.BigEndian.Uint16(sealed[2:])}
			at.roll, _ = s.context.ROC(at.ssrc)
			if highest := s.streams[binary.BigEndian.Uint32(came[8:])].highest; uint16(highest) < at.seq && at.seq-uint16(highest) > 32768 {
				at.roll-- // it overtook the wrap
			}
			if sent[at] {
				t.Fatalf("%v again", at)
			}
			sent[at] = true
		}
		if _, err := s.RTCP(packet); err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}
