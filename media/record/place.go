package record

import (
	"encoding/binary"
	"time"

	"github.com/tollbook/tollbook/media/relay"
)

// stream is where a side's RTP timestamps lie on the recording's time line.
type stream struct {
	known bool
	ssrc  uint32
	clock uint32 // the timestamp that lies at base
	base  int64  // in frames
	// least is how late the promptest of the last packets came, by its timestamp and in
	// frames; heard counts them.
	least int64
	heard int
	wide  g722
}

const (
	// jump is how far a timestamp may lead from where its packet arrived before the
	// stream is taken for a new one.
	jump = time.Second
	// drifted is how far even the promptest of so many packets may be from where its
	// timestamp puts it: then the stream's clock has run away, or stood still. A
	// stall of the network ends with packets that are prompt.
	drifted = 80 * time.Millisecond
	prompt  = 25
)

// frameAt is where an instant lies on the time line.
func (r *Recorder) frameAt(at time.Time) int64 {
	return int64(at.Sub(r.start)) * int64(r.format.rate) / int64(time.Second)
}

func (r *Recorder) frameCount(d time.Duration) int64 {
	return int64(d) * int64(r.format.rate) / int64(time.Second)
}

// position says where a packet's first sample lies: by its timestamp, as long as
// that is near to where the packet arrived.
func (r *Recorder) position(side relay.Side, at time.Time) int64 {
	s, arrived := &r.sides[side&1], r.frameAt(at)
	if !s.known || s.ssrc != r.header.SSRC {
		*s = stream{known: true, ssrc: r.header.SSRC, clock: r.header.Timestamp, base: arrived}
		return arrived
	}
	// G.722's clock runs at 8000 Hz, too (RFC 3551, section 4.5.2): all clocks do.
	ticks := int64(int32(r.header.Timestamp - s.clock))
	at2 := s.base + ticks*int64(r.format.rate)/8000
	late := arrived - at2
	if late > r.frameCount(jump) || late < -r.frameCount(jump) {
		s.clock, s.base, s.heard = r.header.Timestamp, arrived, 0
		return arrived
	}
	s.clock, s.base = r.header.Timestamp, at2 // the next difference stays small
	if s.heard == 0 || late < s.least {
		s.least = late
	}
	if s.heard++; s.heard == prompt {
		s.heard = 0
		if s.least > r.frameCount(drifted) || s.least < -r.frameCount(drifted) {
			s.base += s.least
		}
	}
	return s.base
}

// place decodes a packet into its place in the ring.
func (r *Recorder) place(side relay.Side, codec string, payload []byte, at time.Time) {
	pos := r.position(side, at)
	samples := r.decode(side, codec, payload)
	width, frame := r.format.width, r.format.frame()
	count := int64(len(samples) / width)
	skip := max(0, r.written-pos)
	if skip >= count && count > 0 {
		r.late++
		return
	}
	count = min(count, r.written+r.frames-pos)
	to := int((pos+skip)%r.frames)*frame + int(side&1)*width
	for i := int(skip) * width; i < int(count)*width; i += width {
		if to >= len(r.ring) {
			to -= len(r.ring)
		}
		r.ring[to] = samples[i]
		if width == 2 {
			r.ring[to+1] = samples[i+1]
		}
		to += frame
	}
}

// decode makes a payload into samples of the file's format.
func (r *Recorder) decode(side relay.Side, codec string, payload []byte) []byte {
	if r.format.tag != tagPCM {
		return payload
	}
	out := r.scratch[:0]
	le := binary.LittleEndian
	table := &muLaw
	switch codec {
	case "G722":
		out = r.sides[side&1].wide.decode(out, payload)
		r.scratch = out
		return out
	case "PCMA":
		table = &aLaw
	}
	for i, code := range payload {
		v := table[code]
		out = le.AppendUint16(out, uint16(v))
		if r.format.rate == 16000 { // halfway to the next sample
			next := v
			if i+1 < len(payload) {
				next = table[payload[i+1]]
			}
			out = le.AppendUint16(out, uint16(int16((int32(v)+int32(next))/2)))
		}
	}
	r.scratch = out
	return out
}

// Flush writes what is old enough: all packets that came before now have been given.
// ErrNextPart says that the file has its greatest size.
func (r *Recorder) Flush(now time.Time) error {
	if r.format.codec == "" {
		if r.first.IsZero() || now.Sub(r.first) < decideAfter {
			return nil
		}
		if err := r.decide(); err != nil {
			return err
		}
	}
	if r.frameAt(now.Add(-lag))-r.written < r.frameCount(writeEvery) {
		return nil
	}
	r.advance(now)
	r.patchHeader()
	if r.written*int64(r.format.frame()) > rotateAt {
		return ErrNextPart
	}
	return nil
}

// advance writes all that lies longer before an instant than packets are waited for.
func (r *Recorder) advance(now time.Time) { r.writeTo(r.frameAt(now.Add(-lag))) }

// writeTo writes the time line up to a frame. Where that is longer than the ring
// nothing can have been placed, so it is silence.
func (r *Recorder) writeTo(end int64) {
	frame := int64(r.format.frame())
	for r.written < end {
		from := r.written % r.frames
		n := min(end-r.written, r.frames-from)
		part := r.ring[from*frame : (from+n)*frame]
		r.write(part)
		r.silence(part)
		r.written += n
	}
}

func (r *Recorder) write(b []byte) {
	if r.failed == nil {
		_, r.failed = r.file.Write(b)
	}
}

func (r *Recorder) patchHeader() {
	if r.failed == nil {
		_, r.failed = r.file.WriteAt(r.format.header(uint32(r.written*int64(r.format.frame()))), 0)
	}
}

// End writes the rest, up to an instant, and the header. ErrNoSound says that nothing
// was heard and nothing written; other errors are the file's.
func (r *Recorder) End(at time.Time) error {
	if r.format.codec == "" {
		if r.first.IsZero() {
			return ErrNoSound
		}
		if err := r.decide(); err != nil {
			return err
		}
	}
	r.advance(at)
	r.writeTo(r.frameAt(at))
	r.patchHeader()
	return r.failed
}
