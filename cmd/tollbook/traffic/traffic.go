// Package traffic makes real SIP calls with real RTP over loopback, so that
// the demo and the tests of the switch have customers and vendors to serve. A
// Customer places calls to the switch, a Vendor takes them; each is a user
// agent of its own on its own address.
//
// It owns its INVITE transactions on sipgo's transaction layer: a CANCEL that
// crosses a 200 is answered by ACK and BYE, a 2xx is repeated until its ACK
// comes, and a 2xx whose ACK never comes is ended by BYE.
package traffic

import (
	"context"
	"time"
)

const (
	// t1 and t2 are RFC 3261's estimate of the round trip and the longest
	// interval between retransmissions.
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	// patience is 64*T1: how long a peer that ought to answer is waited for.
	patience = 64 * t1
	// endWithin bounds what is done for a call after its context has ended.
	endWithin = 2 * time.Second
	// packetTime is the length of an RTP packet.
	packetTime = 20 * time.Millisecond
)

// wait sleeps and reports false when one of the events came first.
func wait(ctx context.Context, d time.Duration, event <-chan struct{}) bool {
	if d <= 0 {
		select {
		case <-ctx.Done():
			return false
		case <-event:
			return false
		default:
			return true
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-event:
		return false
	}
}
