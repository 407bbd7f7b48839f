package relay

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"
)

// Pairs serve one call after the other, so that neither descriptors nor ports are
// lost however many calls there are.
func TestManyCallsLeakNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the descriptors are counted in /proc")
	}
	each(t, func(t *testing.T, e *Engine) {
		e.mostIdle.Store(8) // most pairs are closed, some are kept
		before := descriptors(t)
		for range 10_000 / len(engines()) {
			newCall(t, e, nil, nil).Close()
		}
		if idle := e.idle.Load(); idle != 8 {
			t.Errorf("%d pairs rest", idle)
		}
		eventually(t, "the others closed", func() bool { return descriptors(t) == before+16 })
		for e.evict() {
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
		p := e.pools[0]
		if len(p.held) != 0 || len(p.free) != p.total() || e.idle.Load() != 0 {
			t.Errorf("%d ports held, %d free, %d rest", len(p.held), len(p.free), e.idle.Load())
		}
	})
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// What the last far end still sends to a pair is not taken for the next one's: the
// pair rests, and is not given out meanwhile.
func TestPairsRest(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, a, b)
		to := c.Local(A)
		c.Close()
		a.say(to)
		eventually(t, "the late packet counted", func() bool { return e.Stats().Dropped[DropNoPeer] == 1 })
		next := newCall(t, e, nil, nil)
		defer next.Close()
		for _, side := range []Side{A, B} {
			if next.Local(side) == to {
				t.Errorf("%v was given out at once", to)
			}
		}
		// Rested, it is.
		p := e.pools[0]
		p.mu.Lock()
		for _, at := range p.idle[c.shard] {
			at.since -= restFor
		}
		p.mu.Unlock()
		if at := p.reuse(c.shard, restFor); at == nil || at.owner.Load() != nil {
			t.Errorf("%+v", at)
		} else {
			p.giveBack(at)
		}
	})
}

// A call's sides can be on different addresses, of different families, and a side
// moves when the next far end is of the other one.
func TestFourToSix(t *testing.T) {
	six := netip.IPv6Loopback()
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			e, err := Open(Config{Addresses: []netip.Addr{loopback, six}, PortMin: 20000, PortMax: 20999, Engine: engine})
			if err != nil {
				t.Skip("no IPv6 here: ", err)
			}
			defer e.Close()
			a, b, second := newPhone(t), newPhoneAt(t, six), newPhone(t)
			c := newCall(t, e, a, nil)
			if err := c.SetRemote(B, b.remote()); !errors.Is(err, ErrAddress) {
				t.Fatalf("%v", err)
			}
			at, ok := e.Address(six, loopback)
			if err := c.Listen(B, at); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if err := c.SetRemote(B, b.remote()); err != nil {
				t.Fatal(err)
			}
			a.say(c.Local(A))
			if _, from := b.hear(b.media); from != c.Local(B) || !from.Addr().Is6() {
				t.Fatalf("from %v", from)
			}
			b.send(b.ctrl, receiverReportOf(1), above(c.Local(B)))
			a.hear(a.ctrl)
			if s := c.Reset(B); s.SentPackets != 1 {
				t.Errorf("%+v", s)
			}
			if err := c.Listen(B, loopback); err != nil {
				t.Fatal(err)
			}
			if err := c.SetRemote(B, second.remote()); err != nil {
				t.Fatal(err)
			}
			second.say(c.Local(B))
			a.hear(a.media)
			if err := c.Listen(B, netip.MustParseAddr("192.0.2.1")); !errors.Is(err, ErrAddress) {
				t.Errorf("%v", err)
			}
			c.Close()
			if err := c.Listen(B, six); !errors.Is(err, ErrClosed) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAddress(t *testing.T) {
	one, two, six := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"), netip.IPv6Loopback()
	e := open(t, Config{Addresses: []netip.Addr{one, two}, PortMin: 20000, PortMax: 20999})
	for _, c := range []struct{ far, near, want netip.Addr }{
		{netip.MustParseAddr("192.0.2.7"), two, two},
		{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("127.0.0.3"), one},
		{netip.MustParseAddr("::ffff:192.0.2.7"), six, one},
		{six, one, netip.Addr{}},
	} {
		if got, ok := e.Address(c.far, c.near); got != c.want || ok != c.want.IsValid() {
			t.Errorf("%v by %v: %v", c.far, c.near, got)
		}
	}
}
