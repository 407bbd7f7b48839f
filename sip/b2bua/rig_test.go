package b2bua

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/ledger"
	"github.com/tollbook/tollbook/events/routing"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
)

var (
	gateAddr    = netip.MustParseAddrPort("203.0.113.9:5060")
	callerAddr  = netip.MustParseAddrPort("198.51.100.1:5060")
	vendorAddrs = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.51:5060"), netip.MustParseAddrPort("192.0.2.52:5060")}
)

// rig is a switch in the air between a caller and two vendors.
type rig struct {
	t       *testing.T
	air     *air
	sw      *Switch
	book    *memoryBook
	diary   *diary
	caller  *phone
	vendors []*phone
	call    *leg // the caller's
	plan    *plan
	refused int // the code that the caller got
	// referred are the answers to REFER, and told what NOTIFY said.
	referred []int
	told     []string
	// earlyCodes are what changes before the answer got.
	earlyMu    sync.Mutex
	earlyCodes []int
	logged     *bytes.Buffer
	world      *routing.World
	engine     *relay.Engine
}

// media relays the calls of all seeds; its workers live outside of the bubbles.
func media(t *testing.T) *relay.Engine {
	t.Helper()
	e, err := relay.Open(relay.Config{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, PortMin: 20000, PortMax: 29999})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// play runs one plan in a bubble of its own time and checks what is left. Goroutines
// that do not end make synctest fail.
func play(t *testing.T, engine *relay.Engine, seed uint64, f faults, p *plan, look func(*rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, diary: &diary{}, plan: p, logged: &bytes.Buffer{}}
		r.air = &air{rng: rand.New(rand.NewPCG(seed, 1)), faults: f, parties: map[netip.AddrPort]func(netip.AddrPort, []byte){}}
		var world *routing.World
		r.book, world = newBook(t, p.edit)
		r.world, r.engine, r.book.thinks = world, engine, p.thinks
		sw, g := r.opens("n1", gateAddr)
		r.sw = sw
		r.caller = newPhone(r.air, "caller", callerAddr)
		r.caller.onRequest, r.caller.sdp = r.within, p.sdp
		for i, at := range vendorAddrs {
			v := newPhone(r.air, fmt.Sprintf("vendor%d", i+1), at)
			v.onRequest = r.atVendor
			r.vendors = append(r.vendors, v)
		}
		r.vendors[0].sdp = p.vendorSDP
		r.start()
		end := func() {}
		if p.moves > 0 {
			time.Sleep(p.moves)
			end = r.moves()
		}
		time.Sleep(p.length())
		r.check()
		if look != nil {
			look(r)
		}
		end()
		r.closes(sw, g)
		for line := range strings.Lines(r.logged.String()) {
			if strings.Contains(line, "level=ERROR") {
				t.Errorf("the switch complains: %s", line)
			}
		}
	})
}

// opens opens a switch in the air.
func (r *rig) opens(node string, at netip.AddrPort) (*Switch, *gate.Gate) {
	log := slog.New(slog.NewTextHandler(r.logged, nil))
	g, err := gate.Open(gate.Config{
		Listeners: []gate.ListenerConfig{{Name: "core", Addr: at.Addr(), Ports: map[string]uint16{"udp": at.Port()}, Datagrams: r.air.socket(at)}},
		UserAgent: "tollbook", Known: r.world.Knows, Log: log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	names, err := locate.New([]string{"192.0.2.53:53"}) // the vendors have addresses: it is not asked
	if err != nil {
		r.t.Fatal(err)
	}
	sw := New(Config{
		Node: node, Gate: g, World: func() *routing.World { return r.world }, Book: r.book, InUse: r.book.inUse, Log: r.diary, Media: r.engine,
		Locate: names, MaxCalls: 10, Logger: log, Survivable: true, Secrets: plainly{},
	})
	g.Serve()
	return sw, g
}

func (r *rig) closes(sw *Switch, g *gate.Gate) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := sw.Close(ctx); err != nil {
		r.t.Error(err)
	}
	if err := g.Close(ctx); err != nil {
		r.t.Error(err)
	}
}

// check wants the call to be over everywhere, on record once a leg, and paid.
func (r *rig) check() {
	t := r.t
	if n := r.sw.Calls(); n != 0 {
		t.Errorf("%d calls are stuck", n)
	}
	r.sw.mu.Lock()
	if len(r.sw.dialogs)+len(r.sw.forwards)+len(r.sw.parties)+len(r.sw.invites)+len(r.sw.owed) != 0 {
		t.Errorf("left behind: %d dialogs, %d INVITEs, %v owed",
			len(r.sw.dialogs), len(r.sw.invites), r.sw.owed)
	}
	r.sw.mu.Unlock()
	for _, vendor := range []string{"t1", "t2"} {
		if n := r.book.inUse(vendor); n != 0 {
			t.Errorf("%d channels of %s are still taken", n, vendor)
		}
	}
	ends := r.diary.ends()
	for id, legs := range r.diary.legs() {
		for leg, n := range legs {
			if n != 1 {
				t.Errorf("leg %d of %x has %d ends", leg, id, n)
			}
		}
	}
	r.checkMoney(ends)
	r.checkPhones(ends)
	r.checkSecrets()
}

// billable is what an answered call of so long is billed for, in seconds.
func billable(rawMS int64) int64 { return max(1, (rawMS+999)/1000) }

func (r *rig) checkMoney(ends map[uint32][]*wire.LegEnded) {
	var sold, bought int64
	for leg, all := range ends {
		for _, e := range all {
			switch {
			case !e.Priced:
			case leg == 0:
				sold += billable(e.RawMs) * sellSecond
			default:
				bought += billable(e.RawMs) * buySecond
			}
		}
	}
	if got := opening - r.book.balance("a"); got != sold {
		r.t.Errorf("the customer paid %d, want %d", got, sold)
	}
	if got := r.book.balance("va"); got != bought {
		r.t.Errorf("the vendor got %d, want %d", got, bought)
	}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	r.book.audit.State.Ledger.Holds(func(id events.CallID, _ *ledger.Hold) { r.t.Errorf("the hold of %s is open", id) })
	if err := r.book.audit.Finish(); err != nil {
		r.t.Errorf("the book does not add up: %v", err)
	}
}

// checkPhones wants no phone to believe that it still talks, and what was charged
// to be what they saw.
func (r *rig) checkPhones(ends map[uint32][]*wire.LegEnded) {
	var answered, over time.Time
	for _, v := range r.vendors {
		v.mu.Lock()
		for _, l := range v.calls {
			if !l.began.IsZero() && !l.closed {
				r.t.Errorf("%s still talks", v.name)
			}
			if !l.began.IsZero() {
				answered, over = l.began, l.ended
			}
		}
		v.mu.Unlock()
	}
	r.caller.mu.Lock()
	defer r.caller.mu.Unlock()
	if !r.call.closed {
		r.t.Error("the caller still talks")
	}
	r.checkTransactions()
	if r.plan.refer != "" {
		return // there are two calls
	}
	r.checkAgreement()
	if r.call.ended.After(over) {
		over = r.call.ended
	}
	if len(ends[0]) != 1 {
		return
	}
	e := ends[0][0]
	if r.refused != 0 && (e.Priced || int(e.SipCode) != r.refused) {
		r.t.Errorf("the caller heard %d, the record says %d, priced: %v", r.refused, e.SipCode, e.Priced)
	}
	if r.refused == 0 && !r.call.began.IsZero() && !e.Priced && !r.plan.cancels() {
		r.t.Errorf("the caller talked and paid nothing: %v", e)
	}
	slack := 100 * time.Millisecond
	switch {
	case r.air.lose > 0:
		slack = 33 * time.Second
	case r.air.delay > 0:
		slack = 2 * time.Second
	}
	if raw := time.Duration(e.RawMs) * time.Millisecond; e.Priced && (raw > over.Sub(answered)+slack || raw < over.Sub(answered)-slack-r.plan.unheard()) {
		r.t.Errorf("charged for %v, talked for %v", raw, over.Sub(answered))
	}
}

// checkTransactions wants every request of a phone's to have been answered, and every
// final answer to an INVITE to have been acknowledged.
func (r *rig) checkTransactions() {
	if r.air.lose > 10 {
		return // now and then all eleven tries are lost
	}
	for _, p := range append([]*phone{r.caller}, r.vendors...) {
		for _, s := range p.mine {
			if s.timedOut && (s.method != "INVITE" || r.air.lose == 0) {
				r.t.Errorf("%s has no answer to its %s", p.name, s.method)
			}
		}
		for _, a := range p.theirs {
			lost := r.plan.deaf && r.air.lose > 0 // the call ends as the last ACK goes out
			if a.req.IsInvite() && a.code >= 200 && !a.acked && !lost {
				r.t.Errorf("%s has no ACK of its %d", p.name, a.code)
			}
		}
	}
}

// checkAgreement wants both sides to have ended with the same session in force, if
// nothing was on its way when they did.
func (r *rig) checkAgreement() {
	for _, v := range r.vendors {
		for id, l := range v.calls {
			if l.began.IsZero() || strings.HasSuffix(id, "-fork") || r.call.mine == "" || r.plan.deaf || l.mine == "" && v.calls[id+"-fork"] != nil || r.air.lose+r.air.delay > 0 {
				continue
			}
			quiet := min(r.call.ended.Sub(r.call.changed), l.ended.Sub(l.changed), l.ended.Sub(r.caller.lastAsked), l.ended.Sub(v.lastAsked))
			if quiet > 6*time.Second && (l.mine != r.call.theirs || l.theirs != r.call.mine) {
				r.t.Errorf("the caller ended with %s and %s, the vendor with %s and %s", r.call.mine, r.call.theirs, l.mine, l.theirs)
			}
		}
	}
}

// checkSecrets wants nothing that goes to one side to name the other side's network.
func (r *rig) checkSecrets() {
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	for _, m := range r.air.sent {
		to, text, _ := strings.Cut(m, " ")
		for _, secret := range []string{"192.0.2.5", "vendor1", "vendor2", "198.51.100.1", "caller"} {
			inner := strings.HasPrefix(secret, "192") || strings.HasPrefix(secret, "vendor")
			if inner == (to == callerAddr.String()) && strings.Contains(text, secret) {
				r.t.Errorf("%q goes to %s:\n%s", secret, to, text)
				return
			}
		}
	}
}
