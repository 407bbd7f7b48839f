package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/tollbook/tollbook/media/srtp"
)

// Snapshot is what another engine needs to go on with a call: one that has taken
// over the local addresses. It has the keys of encrypted media in it.
type Snapshot struct {
	ID   string
	Legs [2]LegSnapshot
}

// LegSnapshot is one side of a Snapshot.
type LegSnapshot struct {
	// Local is the RTP port; RTCP is on the one above. Port 0 has Resume take any.
	Local netip.AddrPort
	// Known says that SetRemote was called; else what follows is empty.
	Known  bool
	Remote Remote
	// Media and Control are where the far end is: as Remote says, or as learnt, which
	// is what MediaLatched and ControlLatched say.
	Media, Control               netip.AddrPort
	MediaLatched, ControlLatched bool
	// Voice is the payload type of the last speech.
	Voice uint8
	Stats Stats
	// Counters are how far the keys of encrypted media have been used.
	Counters srtp.Counters
}

// Snapshot describes the call as it is now. Error: ErrClosed.
func (c *Call) Snapshot() (Snapshot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{ID: c.id}
	if c.closed {
		return s, fmt.Errorf("relay: snapshot: %w", ErrClosed)
	}
	c.sync()
	for i := range c.legs {
		l := &c.legs[i]
		s.Legs[i] = LegSnapshot{
			Local: l.local, Known: l.known, Remote: l.remote, Media: l.media, Control: l.control,
			MediaLatched: l.mediaLatched, ControlLatched: l.controlLatched,
			Voice: l.meter.voice, Stats: l.stats(c.engine, &c.legs[1-i]),
		}
		s.Legs[i].Remote.PayloadTypes = slices.Clone(l.remote.PayloadTypes)
		if l.secured {
			s.Legs[i].Counters = l.cipher.counters()
		}
	}
	return s, nil
}

// Resume goes on with a call on the same local ports, which need not be of this engine's
// range: each node of a cluster has its own on an address that they share. Its counts go on; what was
// lost meanwhile is not counted, and each far end's stream counts as a new one.
// Silence begins now. Errors: ErrClosed, ErrAddress when a local address is none of
// this engine's, ErrPortsExhausted when a port is held by another call, those of the
// system when another program has it.
func (e *Engine) Resume(s Snapshot) (*Call, error) {
	c := e.blank(s.ID)
	for i := range c.legs {
		if err := c.resume(Side(i), &s.Legs[i]); err != nil {
			c.release()
			return nil, fmt.Errorf("relay: resume side %v: %w", Side(i), err)
		}
	}
	if err := e.enter(c); err != nil {
		return nil, fmt.Errorf("relay: resume: %w", err)
	}
	return c, nil
}

// resume holds the mutex, since packets come as soon as the pair is held.
func (c *Call) resume(side Side, s *LegSnapshot) error {
	from, err := c.engine.pool(s.Local.Addr())
	if err != nil {
		return err
	}
	var p *pair
	if s.Local.Port() == 0 {
		p, err = from.take(c.shard)
	} else {
		p, err = from.claim(s.Local.Port(), c.shard)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold(side, from, p)
	if !s.Known {
		return nil
	}
	l := &c.legs[side]
	remote := s.Remote
	remote.PayloadTypes = slices.Clone(remote.PayloadTypes)
	if err := l.setRemote(remote, c.engine.now()); err != nil {
		return err
	}
	if l.secured {
		if err := l.cipher.resume(s.Counters); err != nil {
			return err
		}
	}
	l.media, l.control, l.mediaLatched, l.controlLatched = s.Media, s.Control, s.MediaLatched, s.ControlLatched
	l.restore(s, c.engine)
	return nil
}

// restore puts counters back.
func (l *leg) restore(s *LegSnapshot, e *Engine) {
	st := &s.Stats
	l.sentPackets, l.sentBytes, l.dropped = st.SentPackets, st.SentBytes, st.Dropped
	l.reports.rtt, l.reports.worst = st.RTT, st.MaxRTT
	m := &l.meter
	m.packets, m.bytes = st.Packets, st.Bytes
	m.duplicates, m.reordered, m.gaps, m.streams, m.events = st.Duplicates, st.Reordered, st.Gaps, st.Streams, st.Events
	m.jitter, m.worst, m.longest, m.voice = st.Jitter, st.MaxJitter, st.LongestSilence, s.Voice
	m.first, m.last = e.since(st.First), e.since(st.Last)
	if st.Streams > 0 {
		m.received = st.Packets - min(st.Duplicates, st.Packets)
		m.expected = m.received + st.Lost
	}
}

// since is the reverse of at. A time before the engine's start is negative.
func (e *Engine) since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return t.Sub(e.start)
}
