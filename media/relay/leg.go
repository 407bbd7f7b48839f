package relay

import (
	"net/netip"
	"time"
)

// Remote is the far end of a leg, as negotiated.
type Remote struct {
	// Addr is where its RTP comes from and goes to. With a zero or unspecified
	// address, or port 0, nothing is sent to it.
	Addr netip.AddrPort
	// RTCPAddr is the same for RTCP; zero means the port above Addr.
	RTCPAddr netip.AddrPort
	// PayloadTypes are those negotiated. Only they may teach an address; empty
	// means any. Others are relayed, too, since ends do not agree about comfort
	// noise.
	PayloadTypes []PayloadType
	// Latch allows Addr to be replaced, once, by the source of the first valid
	// packet: for a far end behind NAT, or whose SDP disagrees with where its
	// signalling comes from.
	Latch bool
	// Ours allows Addr to be a port of this relay: that of another call, to which this
	// one was forwarded. Who says so has made sure that there is no circle.
	Ours bool
	// Crypto has the keys of media that is encrypted (SRTP); nil is plain media.
	Crypto *Crypto
	// Mux says that RTCP goes both ways on the port of RTP (RFC 5761). What comes to
	// the port above from there is taken, too.
	Mux bool
	// Opaque says that the media is not RTP (T.38 over UDPTL): it is passed
	// unread, and counted in packets and bytes only.
	Opaque bool
}

// PayloadType is what the statistics need to know about a codec.
type PayloadType struct {
	Number uint8
	// Codec is the encoding name of RFC 3551 or the rtpmap; empty is allowed
	// for static numbers.
	Codec string
	// ClockRate is the RTP clock in Hz; 0 means 8000.
	ClockRate uint32
}

// leg is the state of one side, guarded by the mutex of its call.
type leg struct {
	pool   *pool
	pair   *pair          // nil when the call is over
	local  netip.AddrPort // of RTP
	remote Remote
	known  bool          // SetRemote was called
	since  time.Duration // when it was called first
	// media and control are where the far end is: as negotiated, then as learnt.
	media, control               netip.AddrPort
	mediaLatched, controlLatched bool

	secured                bool    // the media is encrypted
	cipher                 *cipher // kept while it is not: counters must not start again
	meter                  meter
	reports                reports
	sentPackets, sentBytes uint64
	fastPackets            uint64 // of meter.packets, those that the kernel relayed
	aloft                  aloft
	dropped                Drops
}

func (l *leg) setRemote(r Remote, now time.Duration) error {
	if r.Crypto != nil {
		cipher, err := l.cipher.with(*r.Crypto)
		if err != nil {
			return err
		}
		l.cipher = cipher
	}
	l.secured = r.Crypto != nil
	same := l.known && l.remote.Addr == r.Addr && l.remote.RTCPAddr == r.RTCPAddr && l.remote.Latch == r.Latch && l.remote.Mux == r.Mux
	if !l.known {
		l.known, l.since = true, now
	}
	l.remote = r
	l.meter.negotiate(r.PayloadTypes)
	if same {
		return nil
	}
	l.mediaLatched, l.controlLatched = false, false
	l.media, l.control = r.Addr, r.RTCPAddr
	if r.Mux || !l.control.IsValid() {
		l.control = l.beside(l.media)
	}
	return nil
}

// beside is where a far end's RTCP is that has its RTP at an address.
func (l *leg) beside(addr netip.AddrPort) netip.AddrPort {
	if l.remote.Mux {
		return addr
	}
	return above(addr)
}

// above is the port after an address, or the zero AddrPort.
func above(addr netip.AddrPort) netip.AddrPort {
	if !addr.IsValid() || addr.Port() == 0 || addr.Port() == 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Addr(), addr.Port()+1)
}

// reachable says whether datagrams can be sent to an address.
func reachable(addr netip.AddrPort) bool {
	return addr.IsValid() && addr.Port() != 0 && !addr.Addr().IsUnspecified()
}

// expects tells whether a source may be the far end's, by what is known so far.
func (l *leg) expects(from netip.AddrPort, control bool) bool {
	switch {
	case !control:
		return from == l.media || l.remote.Latch && !l.mediaLatched
	case l.teachesControl():
		return from.Addr() == l.media.Addr()
	}
	return from == l.control
}

// acceptMedia checks the source of a valid packet and learns it where that is
// allowed. The far end's RTCP is then expected beside its RTP.
func (l *leg) acceptMedia(from netip.AddrPort, negotiated bool) bool {
	if l.remote.Latch && !l.mediaLatched && negotiated {
		l.mediaLatched = true
		if from != l.media {
			l.media, l.control = from, l.beside(from)
			l.controlLatched = false
		}
	}
	return from == l.media
}

// teachesControl tells whether the next RTCP may teach its port.
func (l *leg) teachesControl() bool {
	return l.remote.Latch && l.mediaLatched && !l.controlLatched && !l.remote.Mux
}

// acceptControl is the same for RTCP. It may teach a port only, of the address
// that RTP has taught: behind NAT that port is not the one above.
func (l *leg) acceptControl(from netip.AddrPort) bool {
	if l.teachesControl() && from.Addr() == l.media.Addr() {
		l.control, l.controlLatched = from, true
	}
	return from == l.control
}
