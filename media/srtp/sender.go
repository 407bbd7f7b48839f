package srtp

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Sender encrypts what goes to one far end with one key.
//
// The key stream of a packet depends on the key, the SSRC and the packet's index,
// and must never be used twice (RFC 3711, section 9.1). The plain side promises
// nothing of the kind: its packets come twice, and it may begin its sequence anew
// without changing its SSRC. So what was sent is not sent again, and a sequence
// that begins anew goes on under an SSRC of our own.
type Sender struct {
	key     Key
	context *srtp.Context
	random  io.Reader
	streams map[uint32]*stream  // by the SSRC of the plain side
	used    map[uint32]struct{} // SSRCs that the key has served
	control map[uint32]struct{} // the same of RTCP
	header  rtp.Header
	plain   [maxPlain]byte
	sealed  [maxPlain + overhead]byte
}

// stream is one source of the plain side.
type stream struct {
	ssrc    uint32 // what it goes by
	highest int64  // index of the newest packet: sequence number and wraps
	window  uint64 // bit i: highest-i was sent
	restart int32  // the sequence number that would confirm a new beginning, or -1
}

// NewSender makes a sender. random is what SSRCs are drawn from. It fails with
// ErrSuite or ErrKey.
func NewSender(k Key, random io.Reader) (*Sender, error) {
	c, err := context(k)
	if err != nil {
		return nil, err
	}
	return &Sender{
		key: k, context: c, random: random,
		streams: map[uint32]*stream{}, used: map[uint32]struct{}{}, control: map[uint32]struct{}{},
	}, nil
}

// Key is what the sender was made with.
func (s *Sender) Key() Key { return s.key }

// RTP encrypts a packet, which stays as it is. The result is valid until the next
// one. Errors: ErrMalformed, ErrReplayed, ErrStreams.
func (s *Sender) RTP(packet []byte) ([]byte, error) {
	if len(packet) > maxPlain {
		return nil, ErrMalformed
	}
	if _, err := s.header.Unmarshal(packet); err != nil {
		return nil, ErrMalformed
	}
	as, err := s.place(s.header.SSRC, s.header.SequenceNumber)
	if err != nil {
		return nil, err
	}
	if as != s.header.SSRC {
		packet = s.plain[:copy(s.plain[:], packet)]
		binary.BigEndian.PutUint32(packet[8:], as)
	}
	sealed, err := s.context.EncryptRTP(s.sealed[:0], packet, &s.header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return sealed, nil
}

// place finds the SSRC that a packet may go by, once.
func (s *Sender) place(ssrc uint32, seq uint16) (uint32, error) {
	t := s.streams[ssrc]
	if t == nil {
		if _, taken := s.used[ssrc]; taken {
			return 0, ErrStreams // one that we drew ourselves: as good as impossible
		}
		t = &stream{}
		if err := s.begin(t, ssrc, seq); err != nil {
			return 0, err
		}
		s.streams[ssrc] = t
		return ssrc, nil
	}
	switch ahead := int64(int16(seq - uint16(t.highest))); {
	case ahead > 0:
		t.window = t.window<<min(ahead, 64) | 1
		t.highest += ahead
	case ahead > -64:
		bit := uint64(1) << -ahead
		if t.window&bit != 0 || t.highest+ahead < 0 {
			return 0, ErrReplayed
		}
		t.window |= bit
	case int32(seq) != t.restart:
		t.restart = int32(seq + 1)
		return 0, ErrReplayed
	default:
		var drawn [4]byte
		if _, err := io.ReadFull(s.random, drawn[:]); err != nil {
			return 0, fmt.Errorf("srtp: no randomness: %w", err)
		}
		if err := s.begin(t, binary.BigEndian.Uint32(drawn[:]), seq); err != nil {
			return 0, err
		}
	}
	t.restart = -1
	return t.ssrc, nil
}

// begin has a stream go by an SSRC from here on.
func (s *Sender) begin(t *stream, as uint32, seq uint16) error {
	if _, taken := s.used[as]; taken || len(s.used) >= maxStreams {
		return ErrStreams
	}
	s.used[as] = struct{}{}
	*t = stream{ssrc: as, highest: int64(seq), window: 1, restart: -1}
	return nil
}

// RTCP encrypts an RTCP packet as RTP does.
func (s *Sender) RTCP(packet []byte) ([]byte, error) {
	if len(packet) < 8 || len(packet) > maxPlain {
		return nil, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(packet[4:])
	if t := s.streams[ssrc]; t != nil && t.ssrc != ssrc {
		packet = s.plain[:copy(s.plain[:], packet)]
		ssrc = t.ssrc
		binary.BigEndian.PutUint32(packet[4:], ssrc)
	}
	if _, known := s.control[ssrc]; !known {
		if len(s.control) >= maxStreams {
			return nil, ErrStreams
		}
		s.control[ssrc] = struct{}{}
	}
	sealed, err := s.context.EncryptRTCP(s.sealed[:0], packet, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return sealed, nil
}
