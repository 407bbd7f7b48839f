// Package record writes the sound of calls into WAV files: the caller's voice on
// the left channel, the callee's on the right.
//
// Both sides are put on one time line by when their packets came and by their RTP
// timestamps: the first packet of a stream lies where it arrived, those after it
// where their timestamps say, so that jitter does not move them and what was lost
// stays silent. A stream whose clock runs away from ours is brought back.
//
// Where both sides send the same kind of G.711 its bytes are kept as they came;
// otherwise samples have 16 bits. What cannot be decoded here is told by
// ErrForeignCodec, and kept as packets by who asked.
package record

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/pion/rtp"

	"github.com/tollbook/tollbook/media/relay"
)

const (
	// lag is how long a packet is waited for before its place is written: the
	// longest jitter that loses nothing.
	lag = 400 * time.Millisecond
	// window is what is kept until then. A batch of packets is never longer than
	// the rest of it, or what is before it is written first.
	window = 4 * time.Second
	// decideAfter is how long the first packets are looked at to choose a format.
	decideAfter = 300 * time.Millisecond
	// writeEvery is how much is written at once, with the header's sizes: with lag and
	// the time between two flushes less than a second of a call is not in its file.
	writeEvery = 450 * time.Millisecond
	// rotateAt bounds a file, which must stay below 4 GB.
	rotateAt = 1 << 31
	// maxEarly bounds the packets that are kept while the format is open.
	maxEarly = 400
)

var (
	// ErrForeignCodec says that a packet is of a codec that is not decoded here.
	ErrForeignCodec = errors.New("record: a codec that is not decoded")
	// ErrNextPart says that a packet does not fit the file's format, or that the file
	// is full: it is to be given to the next part's recorder.
	ErrNextPart = errors.New("record: a new part is needed")
)

// File is what a recording is written into.
type File interface {
	io.Writer
	io.WriterAt
}

// Recorder makes one file. It belongs to one goroutine.
type Recorder struct {
	file   File
	start  time.Time
	format format // of no codec until the first packets came
	wanted format // what those need that came
	early  []earlyPacket
	first  time.Time // when the first packet of speech came

	sides   [2]stream
	ring    []byte
	frames  int64 // of the ring
	written int64 // frames in the file
	failed  error

	paused  bool
	since   time.Time // of the pause
	pauses  time.Duration
	last    time.Time
	late    uint64
	scratch []byte
	header  rtp.Header
	formats [2][]relay.PayloadType
}

type earlyPacket struct {
	side relay.Side
	data []byte
	at   time.Time
}

// New begins a recording at an instant. mixed asks for 16-bit samples, since the
// sides were heard to use several codecs.
func New(file File, start time.Time, mixed bool) *Recorder {
	r := &Recorder{file: file, start: start}
	if mixed {
		r.wanted = formatPCM
	}
	return r
}

// Formats tells what a side's far end negotiated.
func (r *Recorder) Formats(side relay.Side, formats []relay.PayloadType) { r.formats[side&1] = formats }

// Codec is what the file holds, as an event tells it; empty before there was any
// sound.
func (r *Recorder) Codec() string { return r.format.codec }

// Span is when the recording began and when the last packet came.
func (r *Recorder) Span() (from, to time.Time) { return r.start, r.last }

// Late counts the packets that came after their place was written.
func (r *Recorder) Late() uint64 { return r.late }

// Pause has silence written until Resume.
func (r *Recorder) Pause(at time.Time) {
	if !r.paused {
		r.paused, r.since = true, at
	}
}

// Resume ends a pause.
func (r *Recorder) Resume(at time.Time) {
	if r.paused {
		r.paused = false
		r.pauses += at.Sub(r.since)
	}
}

// Paused is how long the recording was paused, until now.
func (r *Recorder) Paused(now time.Time) time.Duration {
	if r.paused {
		return r.pauses + now.Sub(r.since)
	}
	return r.pauses
}

// codecOf finds what a payload type of a side stands for: it is of the other side's
// list, which most ends make equal to their own (RFC 3264, section 5.1).
func (r *Recorder) codecOf(side relay.Side, number uint8) string {
	for _, list := range [][]relay.PayloadType{r.formats[1-side&1], r.formats[side&1]} {
		for _, t := range list {
			if t.Number == number && t.Codec != "" {
				return strings.ToUpper(t.Codec)
			}
		}
	}
	switch number {
	case 0:
		return "PCMU"
	case 8:
		return "PCMA"
	case 9:
		return "G722"
	case 13:
		return "CN"
	case 18:
		return "G729"
	}
	return ""
}

// Packet takes one RTP packet of a side, in the order of arrival. Errors:
// ErrForeignCodec, ErrNextPart; the packet was then not taken.
func (r *Recorder) Packet(side relay.Side, packet []byte, at time.Time) error {
	n, ok := r.parse(packet)
	if !ok || r.paused {
		return nil
	}
	codec := r.codecOf(side, r.header.PayloadType)
	switch codec {
	case "PCMU", "PCMA", "G722":
	case "", "CN", "TELEPHONE-EVENT":
		return nil // not sound: its place stays silent
	default:
		return ErrForeignCodec
	}
	sends := natural(codec)
	if r.format.codec == "" {
		return r.wait(side, packet, at, sends)
	}
	if !r.format.holds(sends) {
		return ErrNextPart
	}
	r.last = at
	payload := packet[n:]
	if r.header.Padding && len(payload) > 0 {
		payload = payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
	}
	r.place(side, codec, payload, at)
	return nil
}

// parse reads a packet's header; what is no RTP (a fax, say) has no sound.
func (r *Recorder) parse(packet []byte) (n int, ok bool) {
	n, err := r.header.Unmarshal(packet)
	return n, err == nil
}

// natural is the format that a codec alone would be kept in.
func natural(codec string) format {
	switch codec {
	case "PCMU":
		return formatMuLaw
	case "PCMA":
		return formatALaw
	default:
		return formatWide
	}
}

// holds tells whether what has a natural format can be put into a file of this one.
func (f format) holds(of format) bool {
	return f == of || f.tag == tagPCM && of.rate <= f.rate
}

// with is the format that holds what two others hold.
func (f format) with(other format) format {
	switch {
	case f.codec == "" || f == other:
		return other
	case f.rate > 8000 || other.rate > 8000:
		return formatWide
	default:
		return formatPCM
	}
}

// wait keeps the first packets until it is known what both sides send.
func (r *Recorder) wait(side relay.Side, packet []byte, at time.Time, sends format) error {
	if r.first.IsZero() {
		r.first = at
	}
	r.wanted, r.last = r.wanted.with(sends), at
	r.early = append(r.early, earlyPacket{side, append([]byte(nil), packet...), at})
	if len(r.early) >= maxEarly {
		return r.decide()
	}
	return nil
}

// decide chooses the format and takes the packets that waited for it.
func (r *Recorder) decide() error {
	r.format = r.wanted
	r.frames = int64(window.Seconds()) * int64(r.format.rate)
	r.ring = make([]byte, r.frames*int64(r.format.frame()))
	r.silence(r.ring)
	r.write(r.format.header(0))
	early := r.early
	r.early = nil
	for _, p := range early {
		if err := r.Packet(p.side, p.data, p.at); err != nil {
			return err
		}
		r.advance(p.at) // what was kept may be longer than the window
	}
	return nil
}

func (r *Recorder) silence(b []byte) {
	if len(b) == 0 {
		return
	}
	b[0] = r.format.rest
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}
