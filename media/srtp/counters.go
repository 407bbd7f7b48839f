package srtp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/pion/rtp"
)

// Counters are how far a key has been used: what another program needs to go on with
// it and never use a part of its key stream again.
type Counters struct {
	// Sent are the streams that were sent, Received the rollover counters of those
	// that came, by SSRC.
	Sent     []SentStream
	Received map[uint32]uint32
	// Control are the indices of the RTCP that was sent, by SSRC.
	Control map[uint32]uint32
}

// SentStream is one stream of a Sender's.
type SentStream struct {
	// Plain is its SSRC as it came, SSRC the one that it goes by.
	Plain, SSRC uint32
	// Highest is the index of its newest packet.
	Highest int64
}

// controlLeap is added to the indices of RTCP when a key goes on elsewhere: reports
// that went out after the counters were taken must not be met again. It is 90 hours of
// reports every five seconds.
const controlLeap = 1 << 16

// Counters tells how far the sender is.
func (s *Sender) Counters() Counters {
	c := Counters{Control: map[uint32]uint32{}}
	for _, plain := range slices.Sorted(maps.Keys(s.streams)) {
		t := s.streams[plain]
		c.Sent = append(c.Sent, SentStream{Plain: plain, SSRC: t.ssrc, Highest: t.highest})
	}
	for ssrc := range s.control {
		c.Control[ssrc], _ = s.context.Index(ssrc)
	}
	return c
}

// Resume has a new sender go on where another one with its key was. Streams beyond
// the limit are left out: nothing is encrypted for them. Errors: ErrMalformed.
func (s *Sender) Resume(c Counters) error {
	for _, t := range c.Sent {
		if len(s.used) >= maxStreams || t.Highest < 0 {
			break
		}
		s.streams[t.Plain] = &stream{ssrc: t.SSRC, highest: t.Highest, window: ^uint64(0), restart: -1}
		s.used[t.SSRC] = struct{}{}
		// The library takes the sequence number from a packet alone. This one has been
		// sent already, and goes nowhere.
		s.context.SetROC(t.SSRC, uint32(t.Highest>>16))
		header := rtp.Header{Version: 2, SSRC: t.SSRC, SequenceNumber: uint16(t.Highest)}
		packet, err := header.Marshal()
		if err == nil {
			_, err = s.context.EncryptRTP(s.sealed[:0], packet, &s.header)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
	}
	for ssrc, index := range c.Control {
		if len(s.control) < maxStreams {
			s.control[ssrc] = struct{}{}
			s.context.SetIndex(ssrc, index+controlLeap)
		}
	}
	return nil
}

// Counters tells how far the receiver is.
func (r *Receiver) Counters() Counters {
	c := Counters{Received: map[uint32]uint32{}}
	for ssrc := range r.streams {
		c.Received[ssrc], _ = r.context.ROC(ssrc)
	}
	return c
}

// Resume has a new receiver go on where another one with its key was.
func (r *Receiver) Resume(c Counters) {
	for ssrc, roll := range c.Received {
		if len(r.rolls) < maxStreams {
			r.rolls[ssrc] = roll
		}
	}
}

// Wrap encrypts a key for keeping, by whoever keeps secrets.
func (k Key) Wrap(wrap func(secret []byte) ([]byte, error)) ([]byte, error) {
	if k.IsZero() {
		return nil, ErrKey
	}
	text := binary.AppendUvarint(nil, uint64(len(k.Suite)))
	text = append(text, k.Suite...)
	text = binary.AppendUvarint(text, uint64(len(k.mki)))
	text = append(text, k.mki...)
	return wrap(append(text, *k.master...))
}

// Unwrap is the reverse. Errors: those of unwrap, ErrSuite, ErrKey.
func Unwrap(wrapped []byte, unwrap func([]byte) ([]byte, error)) (Key, error) {
	text, err := unwrap(wrapped)
	if err != nil {
		return Key{}, err
	}
	var parts [2][]byte
	for i := range parts {
		n, size := binary.Uvarint(text)
		if size <= 0 || n > uint64(len(text)-size) || n > MaxMKI {
			return Key{}, ErrKey
		}
		text = text[size:]
		parts[i], text = text[:n], text[n:]
	}
	k := Key{Suite: Suite(parts[0]), mki: string(parts[1])}
	key, salt, err := k.Suite.lengths()
	if err != nil {
		return Key{}, err
	}
	if len(text) != key+salt {
		return Key{}, ErrKey
	}
	master := bytes.Clone(text)
	k.master = &master
	return k, nil
}
