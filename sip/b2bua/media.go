package b2bua

import (
	"bytes"
	"math"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
)

// openMedia takes the call's ports and tells the relay where the caller is, if his
// INVITE says so.
func (c *session) openMedia(offer *heard) *refused {
	m, err := c.sw.config.Media.NewCall(c.id.String(), c.mediaAddress(offer))
	if err != nil {
		c.log.Error("no ports for a call's media", "err", err)
		return &refused{code: 503, reason: "Service Unavailable", cause: "no_media_port"}
	}
	c.media.Store(m)
	if c.evidence != nil {
		c.evidence.Media(m)
	}
	if offer == nil {
		return nil
	}
	if err := c.in.heed(offer, false, asOffer); err != nil {
		c.log.Info("the caller's media address cannot be used", "err", err)
		return &refused{code: 488, reason: "Not Acceptable Here", cause: "bad_media_address"}
	}
	return nil
}

// mediaAddress is ours for the caller: of the family that he offers, and the one that
// he called where that can be. The zero Addr stands for any: what he offers is then
// refused when it is heeded.
func (c *session) mediaAddress(offer *heard) netip.Addr {
	near := c.in.dialog.way.listener.Addr()
	far := near
	if offer != nil {
		if m, ok := offer.stream(false); ok && m.Address.IsValid() {
			far = m.Address.Addr()
		}
	}
	at, _ := c.sw.config.Media.Address(far, near)
	return at
}

// listen takes the ports for a vendor's media at the address that he is called from,
// or one of that family.
func (l *egress) listen(w way) *refused {
	at, ok := l.call.sw.config.Media.Address(w.listener.Addr(), w.listener.Addr())
	if !ok {
		l.call.log.Warn("no media address is of the family of a vendor's listener", "leg", l.leg, "listener", w.listener.Name())
		return &refused{code: 488, reason: "No Media Address"}
	}
	if err := l.call.media.Load().Listen(l.side, at); err != nil {
		l.call.log.Error("no ports for an attempt's media", "leg", l.leg, "err", err)
		return &refused{code: 503, reason: "No Media Port"}
	}
	return nil
}

// media takes a vendor's description out of a response, and tells whether there
// is one that can be used: in the response, or in an earlier one of the same fork.
func (l *egress) media(res *sip.Response, provisional bool) bool {
	f := l.fork(res)
	if f == nil {
		f = &early{}
	}
	if len(res.Body()) > 0 && !bytes.Equal(res.Body(), f.body) {
		h, err := l.hear(res.Body(), res.Source())
		if err != nil {
			l.call.sw.badDescription(l.call, l.leg, err)
		} else {
			f.theirs, f.body = h, res.Body()
		}
	} else if provisional && len(res.Body()) == 0 {
		return false // what was passed on before stays
	}
	if f.theirs == nil {
		return false
	}
	as := asAnswer
	if l.call.in.asks {
		as = asOffer
	}
	if err := l.heed(f.theirs, false, as); err != nil {
		l.call.sw.badDescription(l.call, l.leg, err)
		return false
	}
	l.source = f.theirs.source
	m, _ := f.theirs.stream(false)
	l.mediaAddr, l.codec = m.Address.String(), ""
	if len(m.Formats) > 0 {
		l.codec = m.Formats[0].Codec
	}
	body, ok := l.call.in.say(&l.end, f.theirs.session, false, as)
	if ok {
		l.call.in.body = body
	}
	return ok
}

// Counts are a switch's figures.
type Counts struct {
	// Calls are in progress, Begun counts those that were taken since the start.
	Calls int
	Begun uint64
	// Resumed counts the calls of nodes that have died which go on here, Untaken those
	// that did not get so far, Dropped those that other nodes have taken from this one.
	Resumed, Untaken, Dropped uint64
	// BadDescriptions counts the session descriptions that could not be used.
	BadDescriptions uint64
	// Draining says that no new calls are taken.
	Draining bool
}

// Counts tells how the switch stands.
func (s *Switch) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{
		Calls: len(s.calls), Begun: s.begun, BadDescriptions: s.malformed.Load(), Draining: s.draining,
		Resumed: s.resumed.Load(), Untaken: s.untaken.Load(), Dropped: s.dropped.Load(),
	}
}

// badDescription counts a session description that cannot be used, and logs the
// first one of each call.
func (s *Switch) badDescription(c *session, leg uint32, err error) {
	s.malformed.Add(1)
	if !c.complained {
		c.complained = true
		c.log.Info("a session description cannot be used", "leg", leg, "err", err)
	}
}

// held notes whether media may rest: then its silence means nothing.
func (c *session) held() {
	rests := false
	for _, e := range []*end{&c.in.end, c.other(&c.in.end)} {
		if e == nil || e.theirs == nil {
			continue
		}
		m, _, ok := e.theirs.Stream(true)
		rests = rests || !ok || m.OnHold() || m.Direction != sdp.SendRecv || m.Type == "image"
	}
	if c.resting.Swap(rests) && !rests {
		c.resumed.Store(int64(c.sw.now().Mono))
	}
}

// describe completes the record of an answer.
func (c *session) describe(a *wire.LegAnswered) {
	if a.Leg == 0 {
		if c.in.theirs != nil {
			if m, _, ok := c.in.theirs.Stream(false); ok {
				a.MediaAddress = m.Address.String()
			}
		}
		a.UserAgent = header(c.in.req, "User-Agent")
		for _, l := range c.legs {
			if l.theirs != nil {
				a.Codec = l.codec
			}
		}
		return
	}
	l := c.legs[a.Leg]
	a.Codec, a.MediaAddress, a.UserAgent = l.codec, l.mediaAddr, l.agent
}

// quality is what was received on a leg.
func (c *session) quality(leg uint32) *wire.MediaQuality {
	m := c.media.Load()
	if m == nil {
		return nil
	}
	var st relay.Stats
	switch l := c.legs[leg]; {
	case leg == 0:
		st = m.Stats(relay.A)
	case l == nil:
		return nil
	case l.closed:
		st = l.stats
	default:
		st = m.Stats(relay.B)
	}
	return recorded(st)
}

// recorded is what the record has of a leg's media; nil while nothing came.
func recorded(st relay.Stats) *wire.MediaQuality {
	if st.Packets == 0 && st.Dropped.Total() == 0 {
		return nil
	}
	us := func(d time.Duration) uint32 { return uint32(min(d.Microseconds(), math.MaxUint32)) }
	q := &wire.MediaQuality{
		Packets: st.Packets, Bytes: st.Bytes, Lost: st.Lost, Duplicates: st.Duplicates, Reordered: st.Reordered,
		JitterUs: us(st.Jitter), MosCenti: uint32(st.MOS), Rejected: st.Dropped.Total(), Srtp: string(st.Suite), Codec: st.Codec,
		MeanJitterUs: us(st.MeanJitter), MaxJitterUs: us(st.MaxJitter), Gaps: st.Gaps, DtmfEvents: st.Events,
		LongestSilenceMs: us(st.LongestSilence / 1000), RttUs: us(st.RTT), MaxRttUs: us(st.MaxRTT),
	}
	if r := st.Reported; r.Reports > 0 {
		q.Reported = &wire.ReportedQuality{
			Reports: r.Reports, Lost: r.Lost, JitterUs: us(r.Jitter), MaxJitterUs: us(r.MaxJitter),
			MosCenti: uint32(r.MOS), Discarded_256: uint32(r.Discarded),
		}
	}
	if d := st.Dropped; d.Total() > 0 {
		q.Dropped = &wire.DroppedPackets{
			Source: d[relay.DropSource], Malformed: d[relay.DropMalformed], NoPeer: d[relay.DropNoPeer],
			Send: d[relay.DropSend], Auth: d[relay.DropAuth], Replay: d[relay.DropReplay],
		}
	}
	return q
}

// Media is what is received on the two legs of a call that goes on; it is CodeNotFound
// if the call is not in progress on this node, or has no media yet.
func (s *Switch) Media(id events.CallID) (*wire.CallMedia, error) {
	s.mu.Lock()
	c := s.calls[id]
	s.mu.Unlock()
	if c != nil {
		if m := c.media.Load(); m != nil {
			return &wire.CallMedia{A: recorded(m.Stats(relay.A)), B: recorded(m.Stats(relay.B))}, nil
		}
	}
	return nil, events.NotFound("call %s has no media on this node", id)
}
