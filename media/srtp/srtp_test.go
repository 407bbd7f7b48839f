package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyOf(t *testing.T, suite Suite, master string) Key {
	t.Helper()
	k, err := ParseKey(suite, base64.StdEncoding.EncodeToString(unhex(t, master)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func drawn(t *testing.T, suite Suite) Key {
	t.Helper()
	k, err := NewKey(suite, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pair(t *testing.T, k Key) (*Sender, *Receiver) {
	t.Helper()
	s, err := NewSender(k, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReceiver(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// speech is a packet of 20 ms.
func speech(ssrc uint32, seq uint16, text string) []byte {
	p := make([]byte, 12, 12+len(text))
	p[0] = 0x80
	binary.BigEndian.PutUint16(p[2:], seq)
	binary.BigEndian.PutUint32(p[8:], ssrc)
	return append(p, text...)
}

const reportText = "81c8000b cafebabe abababababababababababababababab"

// The reference packets of libsrtp's driver, which other makers test against.
func TestReferencePackets(t *testing.T) {
	const plain = "800f1234 decafbad cafebabe abababababababababababababababab"
	for _, c := range []struct {
		suite             Suite
		master, rtp, rtcp string
	}{
		{
			AES128CM80, "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
			"800f1234 decafbad cafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
			"81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
		},
		{
			AES128GCM, "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
			"800f1234 decafbad cafebabe c5002ede04cfdd2eb91159e0880aa06e d2976826f796b201df3131a127e8a392",
			"81c8000b cafebabe c98b8b5df0392a55852b6c21ac8e7025 c52c6fbea2b3b446ea31123ba88ce61e 80000001",
		},
	} {
		s, r := pair(t, keyOf(t, c.suite, c.master))
		sealed, err := s.RTP(unhex(t, plain))
		if err != nil || !bytes.Equal(sealed, unhex(t, c.rtp)) {
			t.Errorf("%s: RTP %x, %v", c.suite, sealed, err)
		}
		opened, err := r.RTP(sealed)
		if err != nil || !bytes.Equal(opened, unhex(t, plain)) {
			t.Errorf("%s: RTP back %x, %v", c.suite, opened, err)
		}
		sealed, err = s.RTCP(unhex(t, reportText))
		if err != nil || !bytes.Equal(sealed, unhex(t, c.rtcp)) {
			t.Errorf("%s: RTCP %x, %v", c.suite, sealed, err)
		}
		opened, err = r.RTCP(sealed)
		if err != nil || !bytes.Equal(opened, unhex(t, reportText)) {
			t.Errorf("%s: RTCP back %x, %v", c.suite, opened, err)
		}
	}
}

// The session keys of RFC 3711, appendix B.3, are used here by the standard
// library alone: the rollover counter's part in it shows after the wrap.
func TestSessionKeysOfTheRFC(t *testing.T) {
	k := keyOf(t, AES128CM80, "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6")
	key, salt := unhex(t, "C61E7A93744F39EE10734AFE3FF7A087"), unhex(t, "30CBBC08863D8C85D49DB34A9AE1")
	auth := unhex(t, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
	s, _ := pair(t, k)
	for i, seq := range []uint16{65534, 65535, 0, 1} {
		packet := speech(0xcafebabe, seq, "twenty milliseconds of speech")
		roll := uint32(i / 2)
		want := bytes.Clone(packet)
		iv := make([]byte, 16)
		copy(iv, salt)
		for j, b := range binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 0xcafebabe), roll), seq) {
			iv[4+j] ^= b
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		cipher.NewCTR(block, iv).XORKeyStream(want[12:], want[12:])
		mac := hmac.New(sha1.New, auth)
		mac.Write(want)
		mac.Write(binary.BigEndian.AppendUint32(nil, roll))
		want = append(want, mac.Sum(nil)[:10]...)
		if got, err := s.RTP(packet); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d: %x, %v\nwant %x", seq, got, err, want)
		}
	}
}

func TestEverySuiteBothWays(t *testing.T) {
	for _, suite := range Suites() {
		s, r := pair(t, drawn(t, suite).WithMKI([]byte{0, 1}))
		for seq := range uint16(300) {
			plain := speech(7, seq, fmt.Sprint("packet ", seq))
			sealed, err := s.RTP(plain)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(sealed, []byte("packet")) || len(sealed) > len(plain)+overhead {
				t.Fatalf("%s: %x", suite, sealed)
			}
			forged := bytes.Clone(sealed)
			forged[len(forged)-1] ^= 1
			if _, err := r.RTP(forged); !errors.Is(err, ErrAuth) {
				t.Fatalf("%s: forged: %v", suite, err)
			}
			opened, err := r.RTP(sealed)
			if err != nil || !bytes.Equal(opened, plain) {
				t.Fatalf("%s: %x, %v", suite, opened, err)
			}
			if _, err := r.RTP(sealed); !errors.Is(err, ErrReplayed) {
				t.Fatalf("%s: again: %v", suite, err)
			}
		}
	}
}

// A call of an hour wraps its sequence twice and more.
func TestSequenceWraps(t *testing.T) {
	s, r := pair(t, drawn(t, AES128GCM))
	seq := uint16(65000)
	for i := range 200_000 {
		sealed, err := s.RTP(speech(7, seq, "x"))
		if err != nil {
			t.Fatal(i, err)
		}
		if _, err := r.RTP(sealed); err != nil {
			t.Fatal(i, err)
		}
		seq++
	}
}

// Packets that overtake each other at the wrap keep their counters.
func TestReorderedAtTheWrap(t *testing.T) {
	s, r := pair(t, drawn(t, AES128CM80))
	for _, seq := range []uint16{65533, 65535, 1, 0, 65534, 2} {
		sealed, err := s.RTP(speech(7, seq, "x"))
		if err != nil {
			t.Fatal(seq, err)
		}
		if _, err := r.RTP(sealed); err != nil {
			t.Error(seq, err)
		}
	}
}

// Whoever hears a stream only after its first wrap can still follow it.
func TestLateJoining(t *testing.T) {
	s, r := pair(t, drawn(t, AES128CM32))
	for seq := uint16(65530); seq != 10; seq++ {
		sealed, err := s.RTP(speech(7, seq, "x"))
		if err != nil {
			t.Fatal(err)
		}
		if seq >= 5 && seq < 10 {
			if _, err := r.RTP(sealed); err != nil {
				t.Error(seq, err)
			}
		}
	}
}

// A far end may go on counting with its next key, or begin at 0.
func TestCounterGoesOnWithTheNextKey(t *testing.T) {
	for _, goesOn := range []bool{true, false} {
		s, r := pair(t, drawn(t, AES128GCM))
		seq := uint16(0)
		say := func() []byte {
			sealed, err := s.RTP(speech(7, seq, "x"))
			if err != nil {
				t.Fatal(err)
			}
			seq++
			return sealed
		}
		for range 3 * 65536 {
			sealed := say()
			if _, err := r.RTP(sealed); err != nil {
				t.Fatal(err)
			}
		}
		next := drawn(t, AES128GCM)
		before := s.context
		var err error
		if s, err = NewSender(next, rand.Reader); err != nil {
			t.Fatal(err)
		}
		if goesOn {
			if err := s.begin(&stream{}, 7, seq); err != nil {
				t.Fatal(err)
			}
			s.streams[7] = &stream{ssrc: 7, highest: int64(seq) - 1, window: 1, restart: -1}
			roll, _ := before.ROC(7)
			s.context.SetROC(7, roll+1)
		}
		if r, err = NewReceiver(next, r); err != nil {
			t.Fatal(err)
		}
		if _, err := r.RTP(say()); err != nil {
			t.Errorf("goes on %v: %v", goesOn, err)
		}
	}
}

// The plain side may send what it likes: no index is encrypted twice.
func TestNoKeyStreamIsUsedTwice(t *testing.T) {
	s, r := pair(t, drawn(t, AES128CM80))
	type index struct {
		ssrc uint32
		seq  uint16
	}
	sent := map[index]bool{}
	say := func(seq uint16) ([]byte, error) {
		t.Helper()
		sealed, err := s.RTP(speech(7, seq, "x"))
		if err == nil {
			at := index{binary.BigEndian.Uint32(sealed[8:]), seq}
			if sent[at] {
				t.Errorf("%v again", at)
			}
			sent[at] = true
			if _, err := r.RTP(sealed); err != nil {
				t.Errorf("%v: %v", at, err)
			}
		}
		return sealed, err
	}
	for _, c := range []struct {
		seq  uint16
		want error
	}{
		{5000, nil},
		{5001, nil},
		{5001, ErrReplayed},
		{4999, nil},
		{4999, ErrReplayed},
		{4000, ErrReplayed}, // a stray one, or a new beginning: the next one tells
		{5002, nil},
		{4000, ErrReplayed},
		{4001, nil}, // a new beginning
		{4002, nil},
		{5003, nil}, // 1000 lost
	} {
		if _, err := say(c.seq); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%d: %v, want %v", c.seq, err, c.want)
		}
	}
	if len(s.used) != 2 {
		t.Errorf("%d sources", len(s.used))
	}
	report := unhex(t, reportText)
	binary.BigEndian.PutUint32(report[4:], 7)
	sealed, err := s.RTCP(report)
	if err != nil || binary.BigEndian.Uint32(sealed[4:]) == 7 {
		t.Errorf("the report is not of the source: %x, %v", sealed, err)
	}
}

func TestSourcesAreBounded(t *testing.T) {
	k := drawn(t, AES128GCM)
	s, r := pair(t, k)
	report := unhex(t, reportText)
	for ssrc := range uint32(maxStreams + 1) {
		binary.BigEndian.PutUint32(report[4:], ssrc)
		_, control := s.RTCP(report)
		sealed, err := s.RTP(speech(ssrc, 1, "x"))
		if full := ssrc == maxStreams; errors.Is(err, ErrStreams) != full || errors.Is(control, ErrStreams) != full {
			t.Fatalf("source %d: %v, %v", ssrc, err, control)
		}
		if err == nil {
			if _, err := r.RTP(sealed); err != nil {
				t.Fatal(err)
			}
		}
	}
	other, _ := pair(t, k)
	sealed, err := other.RTP(speech(math.MaxUint32, 1, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.RTP(sealed); !errors.Is(err, ErrStreams) {
		t.Errorf("%v", err)
	}
}

// What is not from who has the key leaves nothing behind, and costs little after a
// while.
func TestStrangersLeaveNothing(t *testing.T) {
	_, r := pair(t, drawn(t, AES128CM80))
	stranger, _ := pair(t, drawn(t, AES128CM80))
	for ssrc := range uint32(maxStreams) {
		sealed, err := stranger.RTP(speech(ssrc, 1, "a packet"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.RTP(sealed); !errors.Is(err, ErrAuth) {
			t.Fatal(err)
		}
	}
	if _, err := r.RTCP(unhex(t, reportText)); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
	if len(r.streams)+len(r.control) != 0 || r.trials != maxTrials {
		t.Errorf("%d streams, %d trials", len(r.streams)+len(r.control), r.trials)
	}
	for _, packet := range [][]byte{nil, {0x80}, make([]byte, 8), make([]byte, maxPlain+1)} {
		if _, err := r.RTP(packet); err == nil {
			t.Errorf("%d bytes opened", len(packet))
		}
		if _, err := r.RTCP(packet); err == nil {
			t.Errorf("%d bytes opened as RTCP", len(packet))
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, suite := range []Suite{AES128CM80, AES128GCM} {
		b.Run(string(suite), func(b *testing.B) {
			k, err := NewKey(suite, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			s, err := NewSender(k, rand.Reader)
			if err != nil {
				b.Fatal(err)
			}
			packet, seq := speech(7, 0, strings.Repeat("x", 160)), uint16(0)
			b.ReportAllocs()
			for b.Loop() {
				binary.BigEndian.PutUint16(packet[2:], seq)
				seq++
				if _, err := s.RTP(packet); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
