package srtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// Another program goes on with the keys of a call: also over the wrap of the sequence
// that came in between, and without using an index again.
func TestGoingOnElsewhere(t *testing.T) {
	k := drawn(t, AES128GCM)
	far, here := pair(t, k)      // the far end sends to here
	sender, theirs := pair(t, k) // and hears this one
	speak := func(s *Sender, r *Receiver, seq uint16) error {
		t.Helper()
		sealed, err := s.RTP(speech(7, seq, "x"))
		if err == nil {
			_, err = r.RTP(sealed)
		}
		return err
	}
	for seq := range 3*65536 - 4 {
		if err := errors.Join(speak(far, here, uint16(seq)), speak(sender, theirs, uint16(seq))); err != nil {
			t.Fatal(seq, err)
		}
	}
	report := unhex(t, reportText)
	first, err := sender.RTCP(report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.RTCP(bytes.Clone(first)); err != nil {
		t.Fatal(err)
	}
	counted, heard := sender.Counters(), here.Counters()

	// Of these, only the far end knows.
	for _, seq := range []uint16{65532, 65533} {
		if err := speak(sender, theirs, seq); err != nil {
			t.Fatal(err)
		}
	}
	next, receiver := pair(t, k)
	if err := next.Resume(counted); err != nil {
		t.Fatal(err)
	}
	receiver.Resume(heard)
	if err := speak(next, theirs, 65531); !errors.Is(err, ErrReplayed) {
		t.Errorf("an index was used again: %v", err)
	}
	for _, seq := range []uint16{1, 2, 0, 3} {
		if err := errors.Join(speak(far, receiver, seq), speak(next, theirs, seq)); err != nil {
			t.Errorf("%d: %v", seq, err)
		}
	}
	again, err := next.RTCP(report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.RTCP(again); err != nil {
		t.Errorf("the report after it: %v", err)
	}
}

func TestCountersAreBounded(t *testing.T) {
	s, r := pair(t, drawn(t, AES128GCM))
	c := Counters{Received: map[uint32]uint32{}, Control: map[uint32]uint32{}}
	for ssrc := range uint32(2 * maxStreams) {
		c.Sent = append(c.Sent, SentStream{Plain: ssrc, SSRC: ssrc, Highest: 1})
		c.Received[ssrc], c.Control[ssrc] = 1, 1
	}
	if err := s.Resume(c); err != nil {
		t.Fatal(err)
	}
	r.Resume(c)
	if len(s.streams) != maxStreams || len(s.control) != maxStreams || len(r.rolls) != maxStreams {
		t.Errorf("%d, %d, %d", len(s.streams), len(s.control), len(r.rolls))
	}
}

func TestWrappedKeys(t *testing.T) {
	turn := func(b []byte) ([]byte, error) {
		out := bytes.Clone(b)
		for i := range out {
			out[i] ^= 0x55
		}
		return out, nil
	}
	for _, suite := range Suites() {
		k := drawn(t, suite).WithMKI([]byte{1, 2})
		wrapped, err := k.Wrap(turn)
		if err != nil || bytes.Contains(wrapped, *k.master) {
			t.Fatalf("%x, %v", wrapped, err)
		}
		back, err := Unwrap(wrapped, turn)
		if err != nil || !back.Equal(k) {
			t.Errorf("%s: %v, %v", suite, back, err)
		}
		for n := range wrapped {
			if _, err := Unwrap(wrapped[:n], turn); err == nil {
				t.Fatalf("%d bytes of %d are a key", n, len(wrapped))
			}
		}
	}
	if _, err := (Key{}).Wrap(turn); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := Unwrap(binary.AppendUvarint(nil, 1<<60), func(b []byte) ([]byte, error) { return b, nil }); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	no := errors.New("no")
	if _, err := Unwrap(nil, func([]byte) ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Error(err)
	}
}
