package relay

import (
	"crypto/rand"
	"errors"

	"github.com/tollbook/tollbook/media/srtp"
)

// Crypto are the keys of a leg's media: what we send is encrypted with Send, what the
// far end sends with Receive. Zero keys say that the media is encrypted and the keys
// are not agreed on yet: nothing passes then.
type Crypto struct{ Send, Receive srtp.Key }

// cipher is what encrypts and decrypts a leg's media.
type cipher struct {
	send    *srtp.Sender
	receive *srtp.Receiver
}

// with is the cipher that follows. A key that stays keeps its counters: they must not
// start again.
func (c *cipher) with(keys Crypto) (*cipher, error) {
	var next cipher
	if c != nil {
		next = *c
	}
	var err error
	if s := next.send; !keys.Send.IsZero() && (s == nil || !s.Key().Equal(keys.Send)) {
		if next.send, err = srtp.NewSender(keys.Send, rand.Reader); err != nil {
			return nil, err
		}
	}
	if r := next.receive; !keys.Receive.IsZero() && (r == nil || !r.Key().Equal(keys.Receive)) {
		if next.receive, err = srtp.NewReceiver(keys.Receive, r); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// open decrypts a datagram of the far end's. What it gives is valid until the next one.
func (c *cipher) open(control bool, packet []byte) ([]byte, Drop, bool) {
	if c.receive == nil {
		return nil, DropAuth, false
	}
	do := c.receive.RTP
	if control {
		do = c.receive.RTCP
	}
	plain, err := do(packet)
	return plain, dropOf(err), err == nil
}

// seal encrypts a datagram for the far end, in the same way.
func (c *cipher) seal(control bool, packet []byte) ([]byte, Drop, bool) {
	if c.send == nil {
		return nil, DropAuth, false
	}
	do := c.send.RTP
	if control {
		do = c.send.RTCP
	}
	sealed, err := do(packet)
	return sealed, dropOf(err), err == nil
}

func dropOf(err error) Drop {
	switch {
	case errors.Is(err, srtp.ErrReplayed):
		return DropReplay
	case errors.Is(err, srtp.ErrMalformed):
		return DropMalformed
	}
	return DropAuth
}

// counters tell how far the keys have been used.
func (c *cipher) counters() (all srtp.Counters) {
	if c.send != nil {
		all = c.send.Counters()
	}
	if c.receive != nil {
		all.Received = c.receive.Counters().Received
	}
	return all
}

// resume goes on from them.
func (c *cipher) resume(from srtp.Counters) error {
	if c.receive != nil {
		c.receive.Resume(from)
	}
	if c.send == nil {
		return nil
	}
	return c.send.Resume(from)
}
