package evidence

import (
	"errors"
	"time"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/record"
	"github.com/tollbook/tollbook/media/relay"
)

const (
	codecOfCaptures = "pcap"
	// maxEarly bounds the signalling that waits for a decision, in bytes.
	maxEarly = 128 << 10
	// maxParts bounds the files of a call, of one kind.
	maxParts = 100
)

// desk is where a call's files are written. It belongs to the call's writer, but for
// call, which is set before the writer knows of it.
type desk struct {
	call    *Call
	formats [2][]relay.PayloadType
	level   wire.CapturePolicy
	paused  bool
	lost    uint64

	tape    *tape // the recording, nil while there is none
	tapes   int   // parts so far
	pcap    *pcap // the capture
	packets *pcap // a recording of a codec that is not decoded
	pcaps   int
	early   []early
	kept    int // bytes of early
}

// early is a message that came before it was decided whether it is kept.
type early struct {
	pair
	data []byte
	at   time.Time
}

// tape is one part of a recording.
type tape struct {
	file *archive.File
	*record.Recorder
}

// look takes in what was heard of a call since the last time, and tells whether its
// files are finished.
func (c *Call) look(now time.Time, stopping bool) (done bool) {
	d := &c.desk
	b := c.queue.take()
	d.lost += b.lost
	c.keeper.counts.lost.Add(b.lost)
	for i := range b.entries {
		e := &b.entries[i]
		switch e.what {
		case isDeed:
			b.deeds[e.offset]()
		case isSignal:
			d.signal(b.pairs[e.pair], b.data(e), e.at)
		default:
			d.media(b.pairs[e.pair], b.data(e), e.at)
		}
	}
	c.queue.give(b)
	c.mu.Lock()
	over := c.over
	c.mu.Unlock()
	done = stopping || !over.IsZero() && now.Sub(over) > linger
	d.flush(now)
	if done {
		if over.IsZero() {
			over = now
		}
		d.end(over)
	}
	return done
}

// create makes a file, or counts that there could be none.
func (d *desk) create(kind archive.Kind, part int) *archive.File {
	k := d.call.keeper
	if part > maxParts {
		return nil
	}
	f, err := k.config.Files.Create(kind, d.call.id.String(), part)
	if err != nil {
		k.counts.refused.Add(1)
		k.config.Log.Warn("a call's evidence is not kept", "call_id", d.call.id.String(), "kind", kind.String(), "err", err)
		return nil
	}
	return f
}

func (d *desk) formatsOf(side relay.Side, formats []relay.PayloadType) {
	d.formats[side&1] = formats
	if d.tape != nil {
		d.tape.Formats(side, formats)
	}
}

// start begins a recording.
func (d *desk) start(at time.Time) {
	d.call.keeper.counts.recordings.Add(1)
	d.insert(at, false)
}

// insert begins a part.
func (d *desk) insert(at time.Time, mixed bool) {
	d.tapes++
	if f := d.create(archive.Recording, d.tapes); f != nil {
		d.tape = &tape{f, record.New(f, at, mixed)}
		for side, formats := range d.formats {
			d.tape.Formats(relay.Side(side), formats)
		}
		if d.paused {
			d.tape.Pause(at)
		}
	}
}

// stop ends a recording by hand.
func (d *desk) stop(at time.Time) {
	d.paused = false
	d.eject(at, "")
	d.endPcap(&d.packets)
}

func (d *desk) pause(at time.Time) {
	d.paused = true
	if d.tape != nil {
		d.tape.Pause(at)
	}
}

func (d *desk) resume(at time.Time) {
	d.paused = false
	if d.tape != nil {
		d.tape.Resume(at)
	}
}

// eject ends the part in progress. What ended it before the call did is its reason.
func (d *desk) eject(at time.Time, reason string) {
	t := d.tape
	if t == nil {
		return
	}
	d.tape = nil
	lost, log := d.lost, d.call.keeper.config.Log
	d.call.keeper.ending(func() {
		err := t.End(at)
		if errors.Is(err, record.ErrNoSound) {
			t.file.Abandon()
			return
		}
		from, to := t.Span()
		_, err = t.file.Finish(archive.Details{
			Codec: t.Codec(), Reason: reason, From: from, To: to, Paused: t.Paused(at), Lost: lost + t.Late(),
		})
		if err != nil {
			log.Error("a recording could not be finished", "file", t.file.Name().String(), "err", err)
		}
	})
}

// media takes a packet.
func (d *desk) media(p pair, packet []byte, at time.Time) {
	if d.paused {
		return
	}
	if d.pcap != nil && d.level >= levelFull {
		d.pcap.add(p, packet, at)
	}
	if p.rtcp {
		d.report(p, packet, at)
		return
	}
	if d.packets != nil {
		d.packets.add(p, packet, at)
	}
	if d.tape == nil {
		return
	}
	err := d.tape.Packet(p.side, packet, at)
	if errors.Is(err, record.ErrNextPart) {
		d.eject(at, "codec changed")
		if d.insert(at, true); d.tape != nil {
			err = d.tape.Packet(p.side, packet, at)
		}
	}
	if errors.Is(err, record.ErrForeignCodec) {
		d.foreign(p, packet, at)
	}
}

// foreign goes on with packets where the codec cannot be decoded here.
func (d *desk) foreign(p pair, packet []byte, at time.Time) {
	const reason = "codec kept as packets"
	d.eject(at, reason)
	if d.pcap != nil && d.level >= levelFull {
		return // they are kept already
	}
	if d.packets = d.newPcap(); d.packets != nil {
		d.packets.reason = reason
		d.packets.add(p, packet, at)
	}
}

// flush brings what was taken into the files.
func (d *desk) flush(now time.Time) {
	if d.tape != nil && errors.Is(d.tape.Flush(now), record.ErrNextPart) {
		d.eject(now, "size")
		d.insert(now, false)
	}
	for _, p := range []*pcap{d.pcap, d.packets} {
		if p != nil {
			p.flush(now.Add(-orderFor))
		}
	}
}

// end ends all files: the call was over at an instant.
func (d *desk) end(at time.Time) {
	d.eject(at, "")
	d.endPcap(&d.pcap)
	d.endPcap(&d.packets)
	d.early, d.formats = nil, [2][]relay.PayloadType{}
}
