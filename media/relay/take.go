package relay

import (
	"net/netip"
	"time"
)

// take handles one datagram that arrived on p; the call's mutex is held and
// the call is open.
func (c *Call) take(p *port, packet []byte, from netip.AddrPort, now time.Duration) {
	in, out := &c.legs[p.side], &c.legs[p.side.other()]
	reason, ok := c.admit(p, packet, from, now)
	if !ok {
		c.drop(in, reason)
		return
	}
	if c.tap != nil {
		c.tapped(p, packet, from, now)
	}
	k, to := 0, out.media
	if p.rtcp {
		k, to = 1, out.control
	}
	if !in.known || !out.known || !reachable(to) {
		c.drop(in, DropNoPeer)
		return
	}
	if out.sockets[k].send(packet, to) != nil {
		c.drop(in, DropSend)
		return
	}
	c.engine.packets.Add(1)
	c.engine.bytes.Add(uint64(len(packet)))
	if !p.rtcp {
		out.sentPackets++
		out.sentBytes += uint64(len(packet))
	}
}

func (c *Call) drop(l *leg, reason Drop) {
	l.dropped[reason]++
	c.engine.dropped[reason].Add(1)
}

// admit says whether a datagram is what its leg expects and takes it into the
// leg's statistics.
func (c *Call) admit(p *port, packet []byte, from netip.AddrPort, now time.Duration) (Drop, bool) {
	in, out := &c.legs[p.side], &c.legs[p.side.other()]
	switch {
	case len(packet) == 0 || len(packet) > maxPacket:
		return DropMalformed, false
	case !in.known:
		return DropNoPeer, false
	case p.rtcp:
		r, ok := parseRTCP(packet)
		if !ok {
			return DropMalformed, false
		}
		if !in.acceptControl(from) {
			return DropSource, false
		}
		in.reports.take(r, &out.reports, now)
		return 0, true
	case in.remote.Opaque:
		if !in.acceptMedia(from, true) {
			return DropSource, false
		}
		in.meter.count(len(packet), now)
		return 0, true
	}
	if !parseRTP(&c.header, packet) {
		return DropMalformed, false
	}
	if !in.acceptMedia(from, c.negotiated(p.side, c.header.PayloadType)) {
		return DropSource, false
	}
	in.meter.count(len(packet), now)
	in.meter.take(&c.header, now)
	return 0, true
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
