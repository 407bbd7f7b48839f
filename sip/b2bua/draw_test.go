package b2bua

import (
	"math/rand/v2"
	"time"

	"github.com/tollbook/tollbook/events/wire"
)

// drawPlan makes up a call.
func drawPlan(rng *rand.Rand) *plan {
	maybe := func(percent int) bool { return rng.IntN(100) < percent }
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(rng.Int64N(int64(b-a))) }
	changes := func() (out []change) {
		for range rng.IntN(4) {
			kinds := []string{"hold", "resume", "ask", "update", "refresh", "tone", "withdrawn"}
			out = append(out, change{between(10*time.Millisecond, 12*time.Second), kinds[rng.IntN(len(kinds))]})
		}
		return out
	}
	p := &plan{
		offerless: maybe(15), reliable: maybe(15), deaf: maybe(6), merged: maybe(10), rushed: maybe(5), fickle: true, slow: maybe(25), stubborn: maybe(50),
		talk: between(time.Second, 15*time.Second), changes: changes(),
	}
	if maybe(25) {
		p.cancelAfter = between(time.Millisecond, 4*time.Second)
	}
	early := func() (out []change) {
		for range rng.IntN(3) {
			kinds := []string{"sendonly", "sendrecv", "inactive", "refresh"}
			out = append(out, change{between(10*time.Millisecond, 3*time.Second), kinds[rng.IntN(len(kinds))]})
		}
		return out
	}
	if p.reliable && maybe(70) {
		p.early = early()
		if maybe(30) {
			p.prackOffer = "sendonly"
		}
	}
	if maybe(15) {
		p.refer, p.leaves = []string{"4421", "999"}[rng.IntN(2)], maybe(50)
		p.edit = func(o *wire.Originator, _ []*wire.Terminator) { o.Sip = &wire.SipPolicy{Transfers: true} }
		p.changes = append(p.changes, change{between(10*time.Millisecond, 8*time.Second), "refer"})
	}
	if maybe(30) {
		former := p.edit
		p.edit = func(o *wire.Originator, vendors []*wire.Terminator) {
			if former != nil {
				former(o, vendors)
			}
			for i, v := range vendors {
				v.Channels = uint32(i + 1) // a call that is sent on has the first one twice
			}
		}
		p.thinks = []time.Duration{0, 50 * time.Millisecond, time.Second, 3 * time.Second}[rng.IntN(4)]
	}
	if p.merged {
		p.cancelAfter, p.rushed = 0, false
	}
	if maybe(10) {
		p.headers = "Session-Expires: 90;refresher=uac\r\n"
		p.talk = 150 * time.Second
	}
	for i := range p.vendors {
		v := &p.vendors[i]
		*v = vendorPlan{code: 200, after: between(100*time.Millisecond, 3*time.Second), crosses: maybe(20), mute: maybe(10), forks: maybe(10), changes: changes()}
		if maybe(30) {
			v.code = []int{486, 503, 404, 500, 480, 302}[rng.IntN(6)]
		}
		if maybe(5) {
			v.code = 0
		}
		if maybe(40) || p.refer != "" {
			v.talk = between(time.Millisecond, 15*time.Second)
		}
		if maybe(10) {
			v.headers = "Supported: timer\r\nSession-Expires: 90;refresher=" + []string{"uac", "uas"}[rng.IntN(2)] + "\r\n"
			p.talk = 150 * time.Second
		}
		for range rng.IntN(3) {
			v.rings = append(v.rings, ring{[]int{180, 183, 181}[rng.IntN(3)], maybe(60), maybe(30)})
		}
		if maybe(20) {
			v.early = early()
		}
	}
	return p
}
