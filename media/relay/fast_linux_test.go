package relay

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/tollbook/tollbook/media/fastpath"
	"github.com/tollbook/tollbook/media/testnet"
)

// flight is a call between two namespaces through an engine with the fast path.
type flight struct {
	*testnet.Net
	t      *testing.T
	engine *Engine
	call   *Call
	ends   [2]*net.UDPConn
	number [2]uint16
}

const patience = 5 * time.Second

func newFlight(t *testing.T, six bool) *flight {
	f := &flight{Net: testnet.New(t), t: t}
	from, local := []string{"10.77.1.1:4000", "10.77.2.1:4000"}, []string{"10.77.1.2", "10.77.2.2"}
	if six {
		from, local = []string{"[fd77:1::1]:4000", "[fd77:2::1]:4000"}, []string{"fd77:1::2", "fd77:2::2"}
	}
	var addresses []netip.Addr
	for i := range f.ends {
		f.ends[i] = f.Listen([]string{f.A, f.B}[i], from[i])
		addresses = append(addresses, netip.MustParseAddr(local[i]))
	}
	f.In(f.R, func() {
		f.engine = open(t, Config{Addresses: addresses, PortMin: 20000, PortMax: 20999, Workers: 1})
		var err error
		if f.call, err = f.engine.NewCall("flight", addresses[A]); err != nil {
			t.Error(err)
			return
		}
		if err := f.call.Listen(B, addresses[B]); err != nil {
			t.Error(err)
		}
	})
	if name, why := f.engine.Engine(); name != EngineEBPF || !strings.Contains(why, "tcx on e1, e2") {
		t.Fatalf("engine %s: %s", name, why)
	}
	f.connect(A, testnet.AddrOf(f.ends[A]))
	f.connect(B, testnet.AddrOf(f.ends[B]))
	return f
}

func (f *flight) connect(side Side, to netip.AddrPort) {
	f.t.Helper()
	formats := []PayloadType{{Number: 8, Codec: "PCMA", ClockRate: 8000}, {Number: 101, Codec: "telephone-event", ClockRate: 8000}}
	if err := f.call.SetRemote(side, Remote{Addr: to, PayloadTypes: formats}); err != nil {
		f.t.Fatal(err)
	}
}

// packet is the next of a side's stream, of a payload type.
func (f *flight) packet(side Side, kind uint8) []byte {
	f.number[side]++
	return f.numbered(side, f.number[side], kind)
}

func (f *flight) numbered(side Side, number uint16, kind uint8) []byte {
	f.t.Helper()
	p := rtp.Packet{Payload: make([]byte, 160), Header: rtp.Header{
		Version: 2, PayloadType: kind, SequenceNumber: number, Timestamp: uint32(number) * 160, SSRC: 70 + uint32(side),
	}}
	b, err := p.Marshal()
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// pass says a packet and waits until the other end has heard it.
func (f *flight) pass(side Side, packet []byte) {
	f.t.Helper()
	testnet.Say(f.t, f.ends[side], packet, f.call.Local(side))
	got, from := testnet.Hear(f.t, f.ends[side.other()], patience)
	if string(got) != string(packet) || from != f.call.Local(side.other()) {
		f.t.Fatalf("%d bytes from %v", len(got), from)
	}
}

// rise has packets pass until the kernel has both directions.
func (f *flight) rise() {
	f.t.Helper()
	for range 500 {
		f.pass(A, f.packet(A, 8))
		f.pass(B, f.packet(B, 8))
		if f.aloft() == 2 {
			f.pass(A, f.packet(A, 8))
			f.pass(B, f.packet(B, 8))
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.t.Fatal("the kernel never took the call over")
}

func (f *flight) aloft() (n int) {
	f.call.mu.Lock()
	defer f.call.mu.Unlock()
	for i := range f.call.legs {
		if f.call.legs[i].aloft.on {
			n++
		}
	}
	return n
}

// here is the number of packets that user space relayed.
func (f *flight) here() uint64 {
	s := f.engine.Stats()
	return s.Packets - s.Fast.Packets
}

func TestFastPath(t *testing.T) {
	for name, six := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			f := newFlight(t, six)
			f.rise()
			here := f.here()
			for range 100 {
				f.pass(A, f.packet(A, 8))
				f.pass(B, f.packet(B, 8))
			}
			if n := f.here() - here; n != 0 {
				t.Errorf("%d packets in user space after latching", n)
			}
			if silent, last := f.call.Silent(A), f.call.LastPacket(A); silent > patience || time.Since(last) > patience {
				t.Errorf("silent for %v, last packet at %v", silent, last)
			}
			a := f.call.Stats(A)
			f.ends[A].Close()
			time.Sleep(30 * time.Millisecond)
			if silent := f.call.Silent(A); silent < 30*time.Millisecond {
				t.Errorf("silent for %v only", silent)
			}
			a2, b := f.call.Close()
			if a != a2 || a.Packets != uint64(f.number[A]) || a.Lost != 0 || a.FastPackets < 100 || a.SentPackets != b.Packets ||
				b.SentPackets != a.Packets || b.SentBytes != a.Bytes || a.MOS < 400 {
				t.Errorf("A %+v\nB %+v", a, b)
			}
			if s := f.engine.Stats(); s.Fast.Flows != 0 || s.Packets != a.Packets+b.Packets || s.Bytes != a.Bytes+b.Bytes {
				t.Errorf("%+v", s)
			}
		})
	}
}

// listener keeps what it is told.
type listener struct {
	mu    sync.Mutex
	heard []overheard
}

type overheard struct {
	packet []byte
	at     time.Time
}

func (l *listener) Formats(Side, []PayloadType) {}

func (l *listener) Packet(side Side, _ bool, packet []byte, _, _ netip.AddrPort, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if side == A {
		l.heard = append(l.heard, overheard{slices.Clone(packet), at})
	}
}

// The kernel and user space share a stream with all that can go wrong, and a tap
// hears all of it. The figures are those of one meter that sees every packet.
func TestFastFiguresAreTheSame(t *testing.T) {
	f := newFlight(t, false)
	tap := &listener{}
	f.call.SetTap(tap)
	f.rise()
	number := f.number[A]
	for _, step := range []int{1, 1, 2, -1, 3, 0, 1, -1, 5, 1, 1, -60, 62, 1} { // gaps, late ones, duplicates
		number += uint16(step)
		f.pass(A, f.numbered(A, number, 8))
		time.Sleep(time.Millisecond)
	}
	if n := f.aloft(); n != 2 {
		t.Fatalf("%d directions aloft", n)
	}
	for i := range uint16(3) { // an event of DTMF: seen here, counted once
		f.pass(A, f.numbered(A, number+1+i, 101))
	}
	if n := f.aloft(); n != 1 {
		t.Errorf("%d directions aloft", n)
	}
	f.number[A] = number + 3
	time.Sleep(offerAgain)
	f.rise()
	before := f.call.Stats(A)
	for range 20 {
		f.pass(A, f.packet(A, 8))
	}
	stats, _ := f.call.Close()
	if stats.FastPackets != before.FastPackets+20 {
		t.Errorf("by the kernel: %d before, %d after", before.FastPackets, stats.FastPackets)
	}
	slices.SortStableFunc(tap.heard, func(a, b overheard) int { return a.at.Compare(b.at) })
	var one leg
	one.meter.negotiate(f.call.legs[A].remote.PayloadTypes)
	for _, p := range tap.heard {
		var header rtp.Header
		if !parseRTP(&header, p.packet) {
			t.Fatal("not RTP")
		}
		now := p.at.Sub(f.engine.start)
		one.meter.count(len(p.packet), now)
		one.meter.take(&header, now)
	}
	want := one.stats(f.engine, &leg{})
	want.SentPackets, want.SentBytes, want.FastPackets = stats.SentPackets, stats.SentBytes, stats.FastPackets
	if stats != want || stats.Duplicates == 0 || stats.Reordered == 0 || stats.Lost == 0 || stats.Jitter == 0 || stats.MeanJitter == 0 {
		t.Errorf("of %d packets heard\n got %+v\nwant %+v", len(tap.heard), stats, want)
	}
}

// Whatever changes a call takes it back at once.
func TestFastPathComesBack(t *testing.T) {
	f := newFlight(t, false)
	f.rise()
	thief := f.Listen(f.A, "10.77.1.1:4002")
	testnet.Say(t, thief, f.numbered(A, 1, 8), f.call.Local(A))
	eventually(t, "the stranger's packet", func() bool { return f.call.Stats(A).Dropped[DropSource] == 1 })
	if n := f.aloft(); n != 2 {
		t.Errorf("a stranger has brought the call down: %d", n)
	}
	f.connect(B, netip.MustParseAddrPort("0.0.0.0:4000")) // hold
	if n := f.aloft(); n != 0 {
		t.Errorf("%d", n)
	}
	testnet.Say(t, f.ends[A], f.packet(A, 8), f.call.Local(A))
	eventually(t, "the packet on hold", func() bool { return f.call.Stats(A).Dropped[DropNoPeer] == 1 })
	f.connect(B, testnet.AddrOf(f.ends[B]))
	f.pass(A, f.packet(A, 8))
	f.rise()
	first := f.call.Reset(B)
	if first.FastPackets == 0 || first.Packets != uint64(f.number[B]) {
		t.Errorf("%+v", first)
	}
	again := f.Listen(f.B, "10.77.2.1:5000")
	f.connect(B, testnet.AddrOf(again))
	f.ends[B], f.number[B] = again, 500
	f.rise()
	if a, b := f.call.Close(); a.Packets != uint64(f.number[A]) || b.Packets != uint64(f.number[B]-500) || b.Lost != 0 {
		t.Errorf("A %+v\nB %+v", a, b)
	}
	if s := f.engine.Stats(); s.Fast.Flows != 0 {
		t.Errorf("%+v", s.Fast)
	}
}

func TestFastPathOfOpaqueMedia(t *testing.T) {
	f := newFlight(t, false)
	for side, end := range f.ends {
		if err := f.call.SetRemote(Side(side), Remote{Addr: testnet.AddrOf(end), Opaque: true}); err != nil {
			t.Fatal(err)
		}
	}
	f.rise()
	f.pass(A, []byte("UDPTL"))
	f.number[A]++
	a, _ := f.call.Close()
	if a.FastPackets == 0 || a.Packets != uint64(f.number[A]) || a.MOS != 0 || a.Streams != 0 {
		t.Errorf("%+v", a)
	}
}

// Without Ethernet there is no fast path, and the engine says so.
func TestNoFastPath(t *testing.T) {
	c := Config{Addresses: []netip.Addr{loopback}, PortMin: 20000, PortMax: 20999}
	for _, c.Engine = range []string{EngineAuto, EngineEBPF} {
		e, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		if name, why := e.Engine(); name != EngineEpoll || !strings.Contains(why, fastpath.ErrUnavailable.Error()) {
			t.Errorf("%s: %s", name, why)
		}
		e.Close()
	}
}
