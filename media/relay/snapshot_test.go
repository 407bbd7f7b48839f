package relay

import (
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
)

// A second engine, as of another node, goes on with a call of the first: on the same
// ports, with the addresses that were learnt and the counts so far.
func TestResume(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) {
			config := Config{PortMin: 20000, PortMax: 20099, Engine: engine}
			first := open(t, config)
			a, b := newPhone(t), newPhone(t)
			c := newCall(t, first, nil, b)
			nat := a.remote()
			nat.Addr, nat.RTCPAddr, nat.Latch = netip.MustParseAddrPort("192.168.7.7:4000"), netip.AddrPort{}, true
			if err := c.SetRemote(A, nat); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				a.say(c.Local(A))
				b.hear(b.media)
			}
			a.packet(8) // lost on its way
			a.say(c.Local(A))
			b.hear(b.media)
			s, err := c.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := first.Resume(s); !errors.Is(err, ErrPortsExhausted) {
				t.Errorf("the ports are held, and yet: %v", err)
			}
			// What stores it may write it as text.
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			s = Snapshot{}
			if err := json.Unmarshal(text, &s); err != nil {
				t.Fatal(err)
			}
			first.Close()
			if _, err := c.Snapshot(); !errors.Is(err, ErrClosed) {
				t.Errorf("%v", err)
			}

			second := open(t, config)
			again, err := second.Resume(s)
			if err != nil {
				t.Fatal(err)
			}
			if again.ID() != c.ID() || again.Local(A) != c.Local(A) || again.Local(B) != c.Local(B) {
				t.Errorf("%s at %v and %v", again.ID(), again.Local(A), again.Local(B))
			}
			thief := newPhone(t)
			thief.say(c.Local(A)) // learns nothing any more
			eventually(t, "a drop", func() bool { return again.Stats(A).Dropped[DropSource] == 1 })
			b.say(c.Local(B))
			a.hear(a.media)
			a.say(c.Local(A))
			b.hear(b.media)
			statsA, statsB := again.Close()
			if statsA.Packets != 5 || statsA.Lost != 1 || statsA.Streams != 2 || statsA.SentPackets != 1 ||
				!statsA.First.Equal(s.Legs[A].Stats.First) || statsA.MOS == 0 {
				t.Errorf("A %+v", statsA)
			}
			if statsB.Packets != 1 || statsB.SentPackets != 5 {
				t.Errorf("B %+v", statsB)
			}
			// The pairs rest now: they are bound anew for another call that comes back.
			if _, err := second.Resume(s); err != nil {
				t.Error(err)
			}
			s.Legs[A].Local = netip.AddrPortFrom(c.Local(A).Addr(), 21000) // of another node's range
			s.Legs[B].Local = netip.AddrPortFrom(c.Local(B).Addr(), 0)
			again, err = second.Resume(s)
			if err != nil || again.Local(A).Port() != 21000 || again.Local(B).Port() == 0 {
				t.Fatalf("%v, %v", again, err)
			}
			if _, err := second.Resume(s); !errors.Is(err, ErrPortsExhausted) {
				t.Errorf("a port of another range is held, and yet: %v", err)
			}
			again.Close()
			eventually(t, "the port is free", func() bool {
				again, err = second.Resume(s)
				return err == nil
			})
			s.Legs[A].Local = netip.MustParseAddrPort("192.0.2.1:20000")
			if _, err := second.Resume(s); !errors.Is(err, ErrAddress) {
				t.Errorf("%v", err)
			}
		})
	}
}
