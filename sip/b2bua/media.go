package b2bua

import (
	"net/netip"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/media/sdp"
)

// keepAsItIs sends a request without any header that is not in it, from the
// gate's own address.
func keepAsItIs(c *sipgo.Client, req *sip.Request) error {
	if req.Body() == nil {
		req.SetBody(nil)
	}
	return nil
}

// openMedia takes the call's ports and tells the relay where the caller is. An
// address in the offer that is not the signalling's may be wrong: then the relay
// learns the right one from the first packet.
func (c *session) openMedia(offer *sdp.Session, source netip.Addr) *refused {
	m, err := c.sw.config.Media.NewCall(c.id.String())
	if err != nil {
		c.log.Error("no ports for a call's media", "err", err)
		return &refused{503, "Service Unavailable", "no_media_port"}
	}
	c.media.Store(m)
	audio, _, _ := offer.Audio()
	if err := m.SetRemote(relay.A, relay.Of(audio, audio.Address.Addr() != source)); err != nil {
		c.log.Info("the caller's media address cannot be used", "err", err)
		return &refused{488, "Not Acceptable Here", "bad_media_address"}
	}
	c.in.offered = offer
	return nil
}

// offerToVendor is the caller's offer with our address in it.
func (c *session) offerToVendor() []byte {
	return rewrite(c.in.offered, c.media.Load().Local(relay.B))
}

// rewrite puts one of our addresses into a description; streams other than the
// first audio are refused.
func rewrite(s *sdp.Session, local netip.AddrPort) []byte {
	_, audio, _ := s.Audio()
	return s.Rewrite(local.Addr(), func(i int) int {
		if i == audio {
			return int(local.Port())
		}
		return 0
	})
}

// media takes a vendor's description out of a response, and tells whether there
// is one that can be used.
func (l *egress) media(res *sip.Response) bool {
	if len(res.Body()) == 0 {
		return false
	}
	answer, err := sdp.Parse(res.Body())
	if err != nil {
		l.call.log.Info("a vendor's session description cannot be read", "terminator", l.plan.Candidate.Terminator, "err", err)
		return false
	}
	audio, _, ok := answer.Audio()
	if !ok {
		return false
	}
	source, _ := netip.ParseAddrPort(res.Source())
	m := l.call.media.Load()
	if err := m.SetRemote(relay.B, relay.Of(audio, audio.Address.Addr() != source.Addr().Unmap())); err != nil {
		l.call.log.Info("a vendor's media address cannot be used", "terminator", l.plan.Candidate.Terminator, "err", err)
		return false
	}
	l.answer = answer
	l.mediaAddr = audio.Address.String()
	if len(audio.Formats) > 0 {
		l.codec = audio.Formats[0].Codec
	}
	l.call.in.body = rewrite(answer, m.Local(relay.A))
	return true
}

// describe completes the record of an answer.
func (c *session) describe(a *wire.LegAnswered) {
	if a.Leg == 0 {
		if audio, _, ok := c.in.offered.Audio(); ok {
			a.MediaAddress = audio.Address.String()
		}
		a.UserAgent = header(c.in.req, "User-Agent")
		for _, l := range c.legs {
			if l.answer != nil {
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
	if st.Packets == 0 && st.Dropped.Total() == 0 {
		return nil
	}
	return &wire.MediaQuality{
		Packets: st.Packets, Bytes: st.Bytes, Lost: st.Lost, Duplicates: st.Duplicates, Reordered: st.Reordered,
		JitterUs: uint32(st.Jitter.Microseconds()), MosCenti: uint32(st.MOS), Rejected: st.Dropped.Total(),
	}
}
