package b2bua

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// secondAddr is the switch that goes on with the calls of the one at gateAddr.
var secondAddr = netip.MustParseAddrPort("203.0.113.10:5060")

// plainly keeps secrets as they are, with the name that they are good under.
type plainly struct{}

func (plainly) Wrap(name string, secret []byte) ([]byte, error) {
	return append([]byte(name+"\n"), secret...), nil
}

func (plainly) Unwrap(name string, wrapped []byte) ([]byte, error) {
	secret, ok := strings.CutPrefix(string(wrapped), name+"\n")
	if !ok {
		return nil, fmt.Errorf("this is not the secret of %s", name)
	}
	return []byte(secret), nil
}

// moves has the switch die and another one go on with its calls. The dead one lets go of
// them when it is back. It gives what ends it.
func (r *rig) moves() func() {
	first := r.sw
	r.air.mu.Lock()
	r.air.dead = gateAddr
	delete(r.air.parties, gateAddr)
	r.air.mu.Unlock()
	died := time.Now()
	second, g := r.opens("n2", secondAddr)
	r.sw = second
	for _, c := range first.sessions() {
		first.Drop(c.id)
	}
	time.Sleep(3 * time.Second)
	for _, l := range r.lost(died) {
		if err := second.Resume(l); err != nil {
			r.t.Error(err)
		}
		if err := second.Resume(l); events.CodeOf(err) != events.CodeConflict {
			r.t.Errorf("resumed twice: %v", err)
		}
	}
	return func() {
		if n := first.Counts(); n.Calls != 0 || n.Dropped != 1 {
			r.t.Errorf("who has lost the call: %+v", n)
		}
		r.sw = first
		r.closes(second, g)
	}
}

// lost are the calls that the diary tells of, as they stood when their node died.
func (r *rig) lost(died time.Time) (out []Lost) {
	r.diary.mu.Lock()
	defer r.diary.mu.Unlock()
	found := map[events.CallID]*Lost{}
	for _, e := range r.diary.events {
		id := events.CallID(e.Correlation)
		if found[id] == nil {
			found[id] = &Lost{ID: id, From: "n1", AliveUS: died.UnixMicro()}
		}
		switch b := e.Body.(type) {
		case *wire.Event_CallStanding:
			found[id].Wrapped = b.CallStanding.Wrapped
		case *wire.Event_LegAnswered:
			found[id].AnsweredUS = b.LegAnswered.AtUs
		}
	}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	for id, l := range found {
		if h, ok := r.book.audit.State.Ledger.Hold(id); ok && l.Wrapped != nil {
			l.Hold = h.HoldPlaced
			out = append(out, *l)
		}
	}
	return out
}

// TestResume plays calls whose switch dies in the midst of them.
func TestResume(t *testing.T) {
	engine := media(t)
	secure := description("m=audio 40000 RTP/SAVP 8", "a=crypto:1 "+cm80+theirKey)
	both := func(o *wire.Originator, vendors []*wire.Terminator) {
		o.Sip, vendors[0].Sip = encrypted(wire.Srtp_SRTP_REQUIRE), encrypted(wire.Srtp_SRTP_REQUIRE)
	}
	byVendor := func(talk time.Duration) vendorPlan {
		v := answers()
		v.talk = talk
		return v
	}
	timed := func(headers string) vendorPlan {
		v := answers()
		v.headers = headers
		return v
	}
	for _, c := range []struct {
		name   string
		plan   plan
		faults faults
		cause  string
		look   func(t *testing.T, r *rig)
	}{
		{name: "the caller hangs up", plan: plan{talk: 20 * time.Second, vendors: vendors(answers())}, cause: "answered"},
		{name: "the vendor hangs up", plan: plan{vendors: vendors(byVendor(20 * time.Second))}, cause: "answered"},
		{name: "an offer in the 200", plan: plan{offerless: true, talk: 20 * time.Second, vendors: vendors(answers())}, cause: "answered"},
		{name: "changes before and after", plan: plan{
			talk: 30 * time.Second, changes: []change{{2 * time.Second, "hold"}, {12 * time.Second, "resume"}, {15 * time.Second, "tone"}},
			vendors: vendors(answers()),
		}, cause: "answered"},
		{name: "both sides encrypted", plan: plan{talk: 20 * time.Second, sdp: secure, vendorSDP: secure, edit: both, vendors: vendors(answers())}, cause: "answered",
			look: func(t *testing.T, r *rig) {
				for _, to := range []netip.AddrPort{callerAddr, vendorAddrs[0]} {
					if n := len(r.keysTo(to)); n != 2 {
						t.Errorf("%s got %d keys, want one of each switch", to, n)
					}
				}
			}},
		{name: "the session is kept alive", plan: plan{
			headers: "Session-Expires: 90;refresher=uas\r\n", talk: 5 * time.Minute,
			vendors: vendors(timed("Require: timer\r\nSession-Expires: 90;refresher=uac\r\n")),
		}, cause: "answered"},
		{name: "the caller is changing the session himself", plan: plan{talk: 20 * time.Second, refusals: []int{-491, -491}, vendors: vendors(answers())}, cause: "answered"},
		{name: "a side refuses", plan: plan{refusals: []int{-403}, vendors: vendors(answers())}, cause: "not_taken_over"},
		{name: "a bad network", plan: plan{talk: 2 * time.Minute, vendors: vendors(answers())}, faults: faults{lose: 10, double: 10, delay: 10}, cause: "answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.plan
			p.moves = 6 * time.Second
			play(t, engine, 7, c.faults, &p, func(r *rig) {
				ends := r.diary.ends()
				for leg := range uint32(2) {
					if len(ends[leg]) != 1 || ends[leg][0].Cause != c.cause {
						t.Errorf("leg %d ends with %v, want %s", leg, ends[leg], c.cause)
					}
				}
				if c.look != nil {
					c.look(t, r)
				}
			})
		})
	}
}

// keysTo are the keys of ours that an address was told.
func (r *rig) keysTo(to netip.AddrPort) map[string]bool {
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	keys := map[string]bool{}
	for _, m := range r.air.sent {
		at, message, _ := strings.Cut(m, " ")
		if _, key, ok := strings.Cut(message, "a=crypto:1 "+cm80+"inline:"); ok && at == to.String() {
			keys[key[:40]] = true
		}
	}
	return keys
}

// TestResumeSeeds plays made-up calls that go on at another switch: whatever was agreed
// before, each has one end and costs what was talked.
func TestResumeSeeds(t *testing.T) {
	engine := media(t)
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 11))
			p := drawPlan(rng)
			p.cancelAfter, p.deaf, p.merged, p.rushed, p.fickle, p.stubborn, p.early, p.prackOffer = 0, false, false, false, false, false, nil, ""
			if p.refer != "" {
				p.refer, p.changes = "", nil
			}
			p.moves, p.talk = 12*time.Second, max(p.talk, 40*time.Second)
			p.changes = apart(p.changes)
			v := &p.vendors[0]
			v.code, v.mute, v.forks, v.talk, v.early = 200, false, false, 0, nil
			if rng.IntN(3) == 0 {
				v.talk = 35 * time.Second
			}
			v.changes = apart(v.changes)
			play(t, engine, seed, faults{double: 10}, p, func(r *rig) {
				if n := r.sw.Counts().Resumed; n != 1 {
					t.Errorf("%d calls go on", n)
				}
				for leg, ends := range r.diary.ends() {
					if len(ends) != 1 || ends[0].Cause != "answered" {
						t.Errorf("leg %d: %v", leg, ends)
					}
				}
			})
		})
	}
}

// apart keeps changes away from the switch's death: the first is over then, the others
// come when the call goes on.
func apart(changes []change) []change {
	for i := range changes {
		if changes[i].at %= 4 * time.Second; i > 0 {
			changes[i].at += 18 * time.Second
		}
	}
	return changes
}
