package relay

import (
	"net/netip"
	"time"
)

// Tap hears what a call's far ends send: every packet that the relay accepts, in
// the order of its arrival, whether or not the other end can be reached. It is
// called under the call's mutex on the thread that relays, so it must copy what it
// keeps, and neither wait nor call the Call.
type Tap interface {
	// Packet is one RTP or RTCP packet of a side's far end, decrypted where it came
	// encrypted. from is the far end, to the local port that it came to.
	Packet(side Side, rtcp bool, packet []byte, from, to netip.AddrPort, at time.Time)
	// Formats are the payload types that a side's far end negotiated: told when the
	// tap is set, and again with every SetRemote. The list must not be changed.
	Formats(side Side, formats []PayloadType)
}

// SetTap has a call's packets heard by a tap from now on; nil ends that. A tap
// that was set before hears nothing more once SetTap has returned.
func (c *Call) SetTap(t Tap) {
	c.land()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.groundBoth()
	c.legs[A].aloft.again, c.legs[B].aloft.again = 0, 0 // with copies from now on, or without
	c.tap = t
	if t == nil {
		return
	}
	for side := range c.legs {
		if l := &c.legs[side]; l.known {
			t.Formats(Side(side), l.remote.PayloadTypes)
		}
	}
}

// tapped gives an accepted packet to the call's tap.
func (c *Call) tapped(side Side, rtcp bool, packet []byte, from netip.AddrPort, now time.Duration) {
	to := c.legs[side].local
	if rtcp {
		to = above(to)
	}
	c.tap.Packet(side, rtcp, packet, from, to, c.engine.at(now))
}
