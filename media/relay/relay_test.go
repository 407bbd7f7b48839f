package relay

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// engines are those that can run here.
func engines() []string {
	if runtime.GOOS == "linux" {
		return []string{EngineEpoll, EngineIOUring, EnginePortable}
	}
	return []string{EnginePortable}
}

// each runs a test with every engine.
func each(t *testing.T, test func(t *testing.T, e *Engine)) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			test(t, open(t, Config{PortMin: 20000, PortMax: 20999, Workers: 2, Engine: engine}))
		})
	}
}

func open(t testing.TB, c Config) *Engine {
	t.Helper()
	if c.Addresses == nil {
		c.Addresses = []netip.Addr{loopback}
	}
	e, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	if name, why := e.Engine(); c.Engine != "" && c.Engine != EngineAuto && name != c.Engine {
		t.Skip("SKIPPED: ", why)
	}
	return e
}

func newCall(t testing.TB, e *Engine, a, b *phone) *Call {
	t.Helper()
	c, err := e.NewCall("call-1", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	for side, p := range []*phone{a, b} {
		if p == nil {
			continue
		}
		if err := c.SetRemote(Side(side), p.remote()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestBothDirectionsAndRTCP(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, a, b)
		for range 3 {
			sent := a.packet(8)
			a.send(a.media, sent, c.Local(A))
			got, from := b.hear(b.media)
			if string(got) != string(sent) || from != c.Local(B) {
				t.Fatalf("%d bytes from %v", len(got), from)
			}
		}
		b.say(c.Local(B))
		if _, from := a.hear(a.media); from != c.Local(A) {
			t.Fatalf("from %v", from)
		}
		a.send(a.ctrl, senderReportOf(0xabcd), above(c.Local(A)))
		if _, from := b.hear(b.ctrl); from != above(c.Local(B)) {
			t.Fatalf("RTCP from %v", from)
		}
		b.send(b.ctrl, receiverReportOf(0xabcd), above(c.Local(B)))
		a.hear(a.ctrl)
		statsA, statsB := c.Close()
		if statsA.Packets != 3 || statsA.SentPackets != 1 || statsA.Bytes != 3*172 || statsA.Lost != 0 || statsA.MOS < 400 {
			t.Errorf("A %+v", statsA)
		}
		if statsB.Packets != 1 || statsB.SentPackets != 3 || statsB.RTT <= 0 || statsB.First.IsZero() {
			t.Errorf("B %+v", statsB)
		}
		if s := e.Stats(); s.Calls != 0 || s.Opened != 1 || s.Packets != 6 || s.Dropped.Total() != 0 {
			t.Errorf("engine %+v", s)
		}
		if again, _ := c.Close(); again != statsA {
			t.Error("closing twice differs")
		}
	})
}

func TestThirdAddressIsDropped(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b, thief := newPhone(t), newPhone(t), newPhone(t)
		c := newCall(t, e, a, b)
		thief.say(c.Local(A))
		thief.send(thief.ctrl, senderReportOf(1), above(c.Local(A)))
		a.send(a.media, []byte("not RTP at all"), c.Local(A))
		eventually(t, "drops", func() bool { return c.Stats(A).Dropped.Total() == 3 })
		if s := c.Stats(A); s.Packets != 0 || s.Dropped[DropSource] != 2 || s.Dropped[DropMalformed] != 1 {
			t.Errorf("%+v", s)
		}
		a.say(c.Local(A))
		b.hear(b.media)
	})
}

func TestLatchLearnsOnce(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b, thief := newPhone(t), newPhone(t), newPhone(t)
		c := newCall(t, e, nil, b)
		nat := a.remote()
		nat.Addr, nat.RTCPAddr = netip.MustParseAddrPort("192.168.7.7:4000"), netip.AddrPort{}
		nat.Latch = true
		if err := c.SetRemote(A, nat); err != nil {
			t.Fatal(err)
		}
		thief.send(thief.media, thief.packet(77), c.Local(A)) // not negotiated: teaches nothing
		eventually(t, "drop", func() bool { return c.Stats(A).Dropped[DropSource] == 1 })
		a.say(c.Local(A))
		b.hear(b.media)
		thief.say(c.Local(A))
		eventually(t, "drop", func() bool { return c.Stats(A).Dropped[DropSource] == 2 })
		b.say(c.Local(B))
		a.hear(a.media)
		a.send(a.ctrl, receiverReportOf(9), above(c.Local(A)))
		b.hear(b.ctrl)
		b.send(b.ctrl, receiverReportOf(9), above(c.Local(B)))
		a.hear(a.ctrl)
		if err := c.SetRemote(A, nat); err != nil { // a session refresh keeps what was learnt
			t.Fatal(err)
		}
		b.say(c.Local(B))
		a.hear(a.media)
	})
}

func TestHuntingToTheNextVendor(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, first, second := newPhone(t), newPhone(t), newPhone(t)
		c := newCall(t, e, a, first)
		a.say(c.Local(A))
		first.hear(first.media)
		first.say(c.Local(B))
		a.hear(a.media)
		if s := c.Reset(B); s.Packets != 1 || s.SentPackets != 1 {
			t.Errorf("first attempt %+v", s)
		}
		a.say(c.Local(A))
		eventually(t, "drop", func() bool { return c.Stats(A).Dropped[DropNoPeer] == 1 })
		if c.Silent(B) != 0 || !c.LastPacket(B).IsZero() {
			t.Error("the old leg's times are still there")
		}
		if err := c.SetRemote(B, second.remote()); err != nil {
			t.Fatal(err)
		}
		first.say(c.Local(B))
		eventually(t, "drop", func() bool { return c.Stats(B).Dropped[DropSource] == 1 })
		a.say(c.Local(A))
		second.hear(second.media)
		second.say(c.Local(B))
		a.hear(a.media)
		statsA, statsB := c.Close()
		if statsA.Packets != 3 || statsA.Lost != 0 || statsB.Packets != 1 || statsB.SentPackets != 1 {
			t.Errorf("A %+v\nB %+v", statsA, statsB)
		}
	})
}

func TestOpaqueMediaPasses(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, nil, nil)
		for side, p := range []*phone{a, b} {
			r := p.remote()
			r.Opaque = true
			if err := c.SetRemote(Side(side), r); err != nil {
				t.Fatal(err)
			}
		}
		a.send(a.media, []byte{0, 1, 2}, c.Local(A))
		if got, _ := b.hear(b.media); len(got) != 3 {
			t.Errorf("%d bytes", len(got))
		}
		if s := c.Stats(A); s.Packets != 1 || s.MOS != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestSilence(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		c := newCall(t, e, a, b)
		eventually(t, "silence of a side that never spoke", func() bool { return c.Silent(A) >= 20*time.Millisecond })
		before := time.Now()
		a.say(c.Local(A))
		b.hear(b.media)
		if last := c.LastPacket(A); last.Before(before) || time.Since(last) < 0 {
			t.Errorf("last packet %v, sent after %v", last, before)
		}
	})
}

func TestPortsRunOut(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			e := open(t, Config{PortMin: 21001, PortMax: 21006, Engine: engine}) // 21002, 21004
			c := newCall(t, e, nil, nil)
			if _, err := e.NewCall("x", netip.Addr{}); !errors.Is(err, ErrPortsExhausted) {
				t.Fatalf("%v", err)
			}
			c.Close()
			newCall(t, e, nil, nil).Close() // the ports have not rested, but there are no others
			taken, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 21013})
			if err != nil {
				t.Fatal(err)
			}
			e = open(t, Config{PortMin: 21011, PortMax: 21016, Engine: engine})
			if _, err := e.NewCall("x", netip.Addr{}); !errors.Is(err, ErrPortsExhausted) || !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("%v", err)
			}
			taken.Close()
			newCall(t, e, nil, nil)
			if got := e.Stats().Calls; got != 1 {
				t.Errorf("%d calls", got)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []Config{
		{Addresses: []netip.Addr{loopback}, PortMin: 20000, PortMax: 20002},
		{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, PortMin: 20000, PortMax: 20100},
	} {
		if e, err := Open(c); err == nil {
			e.Close()
			t.Errorf("%+v opened", c)
		}
	}
}

func TestNoSuchEngine(t *testing.T) {
	if _, err := Open(Config{Addresses: []netip.Addr{loopback}, PortMin: 20000, PortMax: 20999, Engine: "abacus"}); !errors.Is(err, errEngine) {
		t.Errorf("%v", err)
	}
}

func TestRemoteRefusals(t *testing.T) {
	e := open(t, Config{PortMin: 20000, PortMax: 20999})
	c, other := newCall(t, e, nil, nil), newCall(t, e, nil, nil)
	for _, addr := range []netip.AddrPort{other.Local(A), above(c.Local(B)), netip.MustParseAddrPort("[2001:db8::1]:4000")} {
		if err := c.SetRemote(A, Remote{Addr: addr}); !errors.Is(err, ErrAddress) {
			t.Errorf("%v: %v", addr, err)
		}
	}
	if err := c.SetRemote(A, Remote{Addr: netip.MustParseAddrPort("0.0.0.0:4000")}); err != nil {
		t.Errorf("hold: %v", err)
	}
	c.Close()
	if err := c.SetRemote(A, Remote{}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
	e.Close()
	if _, err := e.NewCall("x", netip.Addr{}); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestIPv6(t *testing.T) {
	six := netip.IPv6Loopback()
	conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: six.AsSlice()})
	if err != nil {
		t.Skip("no IPv6 here")
	}
	conn.Close()
	for _, engine := range engines() {
		e := open(t, Config{Addresses: []netip.Addr{six}, PortMin: 20000, PortMax: 20999, Engine: engine})
		c := newCall(t, e, nil, nil)
		var ends [2]*net.UDPConn
		for i := range ends {
			ends[i], err = net.ListenUDP("udp6", &net.UDPAddr{IP: six.AsSlice()})
			if err != nil {
				t.Fatal(err)
			}
			defer ends[i].Close()
			if err := c.SetRemote(Side(i), Remote{Addr: addrOf(ends[i])}); err != nil {
				t.Fatal(err)
			}
		}
		p := &phone{t: t}
		p.send(ends[0], p.packet(0), c.Local(A))
		p.hear(ends[1])
	}
}

// Calls end and others take over their ports and slots while packets flow.
func TestCloseUnderTraffic(t *testing.T) {
	each(t, func(t *testing.T, e *Engine) {
		a, b := newPhone(t), newPhone(t)
		stop := make(chan struct{})
		var senders, callers sync.WaitGroup
		targets := make(chan netip.AddrPort, 64)
		senders.Go(func() {
			for to := range targets {
				for range 20 {
					a.media.WriteToUDPAddrPort(a.packet(8), to)
				}
			}
		})
		for range 2 {
			callers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := e.NewCall("x", netip.Addr{})
					if err != nil {
						continue // the engine closes
					}
					c.SetRemote(A, a.remote())
					c.SetRemote(B, b.remote())
					targets <- c.Local(A)
					c.Reset(B)
					c.SetRemote(B, b.remote())
					c.Silent(A)
					c.Close()
				}
			})
		}
		time.Sleep(200 * time.Millisecond)
		e.Close()
		close(stop)
		callers.Wait()
		close(targets)
		senders.Wait()
		if s := e.Stats(); s.Calls != 0 || s.Opened == 0 {
			t.Errorf("%+v", s)
		}
	})
}
