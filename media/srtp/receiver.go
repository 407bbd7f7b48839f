package srtp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// maxTrials bounds how many packets of unknown streams are tried with other
// rollover counters than 0: each costs the derivation of all session keys.
const maxTrials = 32

// Receiver decrypts what one far end sends with one key.
type Receiver struct {
	key     Key
	context *srtp.Context
	streams map[uint32]struct{} // SSRCs that were authentic once
	control map[uint32]struct{} // the same of RTCP
	rolls   map[uint32]uint32   // the counters of streams that may go on from a key before
	trials  int
	header  rtp.Header
	plain   [maxPlain]byte
}

// NewReceiver makes a receiver. Where the key takes the place of another one, before
// is its receiver: a far end may go on counting (RFC 3711, section 3.3.1) or begin
// anew, as most do. It fails with ErrSuite or ErrKey.
func NewReceiver(k Key, before *Receiver) (*Receiver, error) {
	c, err := context(k)
	if err != nil {
		return nil, err
	}
	r := &Receiver{key: k, context: c, streams: map[uint32]struct{}{}, control: map[uint32]struct{}{}, rolls: map[uint32]uint32{}}
	if before != nil {
		for ssrc := range before.streams {
			r.rolls[ssrc], _ = before.context.ROC(ssrc)
		}
	}
	return r, nil
}

// Key is what the receiver was made with.
func (r *Receiver) Key() Key { return r.key }

// RTP decrypts an SRTP packet, which stays as it is. The result is valid until the
// next packet. Errors: ErrMalformed, ErrAuth, ErrReplayed, ErrStreams.
func (r *Receiver) RTP(packet []byte) ([]byte, error) {
	if _, err := r.header.Unmarshal(packet); err != nil || len(packet) > maxPlain {
		return nil, ErrMalformed
	}
	ssrc := r.header.SSRC
	_, known := r.streams[ssrc]
	if !known && len(r.streams) >= maxStreams {
		return nil, ErrStreams
	}
	plain, err := r.context.DecryptRTP(r.plain[:0], packet, &r.header)
	if err != nil && !known && errors.Is(err, srtp.ErrFailedToVerifyAuthTag) && r.rolled(ssrc, packet) {
		plain, err = r.context.DecryptRTP(r.plain[:0], packet, &r.header)
	}
	if err != nil {
		return nil, refusal(err, known)
	}
	r.streams[ssrc] = struct{}{}
	return plain, nil
}

// rolled finds the rollover counter of a stream of which the first packets were not
// heard: one that began shortly before its sequence wrapped has 1 by now, one that
// goes on from the key before has that one's. It is tried on a context of its own,
// since a counter that is wrong must leave nothing behind.
func (r *Receiver) rolled(ssrc uint32, packet []byte) bool {
	if r.trials >= maxTrials {
		return false
	}
	r.trials++
	candidates := []uint32{1}
	if roll, ok := r.rolls[ssrc]; ok {
		candidates = append(candidates, roll, roll+1)
	}
	for _, roll := range candidates {
		c, err := context(r.key)
		if err != nil {
			return false
		}
		c.SetROC(ssrc, roll)
		if _, err := c.DecryptRTP(r.plain[:0], packet, &r.header); err == nil {
			r.context.SetROC(ssrc, roll)
			return true
		}
	}
	return false
}

// RTCP decrypts an SRTCP packet as RTP does.
func (r *Receiver) RTCP(packet []byte) ([]byte, error) {
	if len(packet) < 8 || len(packet) > maxPlain {
		return nil, ErrMalformed
	}
	ssrc := binary.BigEndian.Uint32(packet[4:])
	_, known := r.control[ssrc]
	if !known && len(r.control) >= maxStreams {
		return nil, ErrStreams
	}
	plain, err := r.context.DecryptRTCP(r.plain[:0], packet, nil)
	if err != nil {
		return nil, refusal(err, known)
	}
	r.control[ssrc] = struct{}{}
	return plain, nil
}

// refusal sorts the library's errors: of a stream that is known, what is not refused
// for its tag was there before.
func refusal(err error, known bool) error {
	if known && !errors.Is(err, srtp.ErrFailedToVerifyAuthTag) && !errors.Is(err, srtp.ErrMKINotFound) {
		return fmt.Errorf("%w: %w", ErrReplayed, err)
	}
	return fmt.Errorf("%w: %w", ErrAuth, err)
}
