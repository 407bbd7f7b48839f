package relay

import (
	"net/netip"
	"time"
)

// take handles one datagram that arrived at a side's RTP or RTCP port; the call's
// mutex is held and the call is open.
func (c *Call) take(side Side, rtcp bool, packet []byte, from netip.AddrPort, now time.Duration) {
	in, out := &c.legs[side], &c.legs[side.other()]
	rtcp = rtcp || in.remote.Mux && isRTCP(packet)
	packet, reason, ok := c.admit(side, rtcp, packet, from, now)
	if !ok {
		c.drop(in, reason)
		return
	}
	if c.tap != nil {
		c.tapped(side, rtcp, packet, from, now)
	}
	k, to := 0, out.media
	if rtcp {
		to = out.control
		if !out.remote.Mux {
			k = 1
		}
	}
	if !in.known || !out.known || !reachable(to) {
		c.drop(in, DropNoPeer)
		return
	}
	if out.secured {
		if packet, reason, ok = out.cipher.seal(rtcp, packet); !ok {
			c.drop(in, reason)
			return
		}
	}
	if out.pair.sockets[k].send(packet, to) != nil {
		c.drop(in, DropSend)
		return
	}
	c.engine.packets.Add(1)
	c.engine.bytes.Add(uint64(len(packet)))
	if !rtcp {
		out.sentPackets++
		out.sentBytes += uint64(len(packet))
		if c.engine.fast != nil {
			c.engine.fast.offer(c, side, now)
		}
	}
}

// unsent takes back that a packet of so many bytes left by a port: the transport
// learnt afterwards that the system did not take it.
func (e *Engine) unsent(p *port, size uint64) {
	c := p.pair.owner.Load()
	if c == nil {
		e.dropped[DropSend].Add(1)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for side := range c.legs {
		if out := &c.legs[side]; out.pair == p.pair {
			c.drop(&c.legs[Side(side).other()], DropSend)
			e.packets.Add(^uint64(0))
			e.bytes.Add(-size)
			if !p.rtcp && out.sentPackets > 0 {
				out.sentPackets--
				out.sentBytes -= size
			}
		}
	}
}

func (c *Call) drop(l *leg, reason Drop) {
	l.dropped[reason]++
	c.engine.dropped[reason].Add(1)
}

// admit says whether a datagram is what its leg expects, decrypts it where it is
// encrypted, and takes it into the leg's statistics.
func (c *Call) admit(side Side, rtcp bool, packet []byte, from netip.AddrPort, now time.Duration) ([]byte, Drop, bool) {
	in, out := &c.legs[side], &c.legs[side.other()]
	switch {
	case len(packet) == 0 || len(packet) > maxPacket:
		return nil, DropMalformed, false
	case !in.known:
		return nil, DropNoPeer, false
	case !rtcp && !in.remote.Opaque && !parseRTP(&c.header, packet):
		return nil, DropMalformed, false
	}
	if in.secured {
		// A stranger's datagrams shall not cost the work of deciphering them.
		if !in.expects(from, rtcp) {
			return nil, DropSource, false
		}
		plain, reason, ok := in.cipher.open(rtcp, packet)
		if !ok {
			if reason == DropReplay && !rtcp {
				in.meter.duplicates++
			}
			return nil, reason, false
		}
		packet = plain
	}
	switch {
	case rtcp:
		r, ok := parseRTCP(packet, out.meter.ssrc)
		if !ok {
			return nil, DropMalformed, false
		}
		if !in.acceptControl(from) {
			return nil, DropSource, false
		}
		in.reports.take(r, &out.reports, now)
	case in.remote.Opaque:
		if !in.acceptMedia(from, true) {
			return nil, DropSource, false
		}
		c.ground(side, now)
		in.meter.count(len(packet), now)
	default:
		if !in.acceptMedia(from, c.negotiated(side, c.header.PayloadType)) {
			return nil, DropSource, false
		}
		c.ground(side, now)
		in.meter.count(len(packet), now)
		in.meter.take(&c.header, now)
	}
	return packet, 0, true
}

// negotiated looks at both sides' lists: a sender uses the numbers of the other
// side's SDP (RFC 3264, section 5.1), which most ends make equal to their own.
func (c *Call) negotiated(side Side, payloadType uint8) bool {
	own, other := c.legs[side].remote.PayloadTypes, c.legs[side.other()].remote.PayloadTypes
	if len(own) == 0 && len(other) == 0 {
		return true
	}
	for _, list := range [][]PayloadType{own, other} {
		for _, p := range list {
			if p.Number == payloadType {
				return true
			}
		}
	}
	return false
}
