package fastpath

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/media/testnet"
)

const patience = 5 * time.Second

// line is a call from a to b by r with the flow in that direction.
type line struct {
	*testnet.Net
	t              *testing.T
	path           *Path
	caller, callee *net.UDPConn
	inside         [2]*net.UDPConn // the relay's sockets towards a and b
	flow           Flow
	raw            *net.IPConn // says the caller's packets with complete checksums, if there
}

func newLine(t *testing.T, c Config, six bool) *line {
	l := &line{Net: testnet.New(t), t: t}
	addresses := []string{"10.77.1.1:4000", "10.77.2.1:4000", "10.77.1.2:20000", "10.77.2.2:20002"}
	if six {
		addresses = []string{"[fd77:1::1]:4000", "[fd77:2::1]:4000", "[fd77:1::2]:20000", "[fd77:2::2]:20002"}
	}
	l.caller, l.callee = l.Listen(l.A, addresses[0]), l.Listen(l.B, addresses[1])
	l.inside = [2]*net.UDPConn{l.Listen(l.R, addresses[2]), l.Listen(l.R, addresses[3])}
	l.path = open(t, l.Net, c)
	l.flow = Flow{
		Key:  Key{Local: testnet.AddrOf(l.inside[0]), Source: testnet.AddrOf(l.caller)},
		From: testnet.AddrOf(l.inside[1]), To: testnet.AddrOf(l.callee),
		Formats: []Format{{Number: 8, Clock: 8000, Speech: true}, {Number: 13, Clock: 8000}},
		SSRC:    7, Epoch: Now(), Meter: Meter{Base: 100, Highest: 100, Window: 1, Unique: 1, Packets: 1, Type: 8, Voice: 8},
	}
	return l
}

func (l *line) insert() {
	l.t.Helper()
	if err := l.path.Insert(l.flow); err != nil {
		l.t.Fatal(err)
	}
}

// passes says a packet and expects it at the other end, unchanged and from the
// relay's address, and not in user space.
func (l *line) passes(packet []byte) {
	l.t.Helper()
	l.speak(packet)
	if got, from := testnet.Hear(l.t, l.callee, patience); !bytes.Equal(got, packet) || from != l.flow.From {
		l.t.Fatalf("heard %d bytes from %v", len(got), from)
	}
}

func (l *line) speak(packet []byte) {
	l.t.Helper()
	if l.raw == nil {
		testnet.Say(l.t, l.caller, packet, l.flow.Local)
		return
	}
	if _, err := l.raw.WriteTo(datagram(l.flow.Source, l.flow.Local, packet), &net.IPAddr{IP: l.flow.Local.Addr().AsSlice()}); err != nil {
		l.t.Fatal(err)
	}
}

// rises says a packet and expects it in user space.
func (l *line) rises(packet []byte) {
	l.t.Helper()
	testnet.Say(l.t, l.caller, packet, l.flow.Local)
	if got, from := testnet.Hear(l.t, l.inside[0], patience); !bytes.Equal(got, packet) || from != l.flow.Source {
		l.t.Fatalf("user space got %d bytes from %v", len(got), from)
	}
}

func (l *line) quiet() {
	l.t.Helper()
	if got, _ := testnet.Hear(l.t, l.inside[0], 20*time.Millisecond); got != nil {
		l.t.Errorf("%d bytes in user space", len(got))
	}
}

// Both families by both kinds of attachment; the UDP checksums are begun only, as
// veth leaves them, or complete, as they come from a wire.
func TestRelay(t *testing.T) {
	for name, c := range map[string]struct{ six, clsact, complete bool }{
		"IPv4": {}, "IPv6": {six: true}, "IPv4 clsact": {clsact: true},
		"IPv4 complete": {complete: true}, "IPv6 complete": {six: true, complete: true},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{Clsact: c.clsact}
			if c.six {
				config.Addresses = []netip.Addr{netip.MustParseAddr("fd77:1::2")}
			}
			l := newLine(t, config, c.six)
			if c.complete {
				l.raw = l.ListenRaw(l.A, c.six)
			}
			l.rises(rtp(7, 100, 8)) // no flow yet
			l.insert()
			if err := l.path.Insert(l.flow); !errors.Is(err, ErrFlow) {
				t.Errorf("twice: %v", err)
			}
			for i := range uint16(50) {
				l.passes(rtp(7, 101+i, 8))
			}
			l.quiet()
			m, err := l.path.Remove(l.flow.Key)
			if err != nil || m.Packets != 51 || m.Bytes != 50*172 || m.Highest != 150 || m.Gaps != 0 || m.Unique != 51 {
				t.Errorf("%+v, %v", m, err)
			}
			l.rises(rtp(7, 151, 8)) // the call is back
			if s := l.path.Totals(); s.Packets != 50 || s.Bytes != 50*172 || s.Flows != 0 || s.Up != (Up{}) || s.Failed != 0 {
				t.Errorf("%+v", s)
			}
			if want := map[bool]string{false: "tcx on ", true: "clsact on "}[c.clsact]; !strings.HasPrefix(l.path.Describe(), want) {
				t.Error(l.path.Describe())
			}
		})
	}
}

// A packet that is out of the ordinary goes up, and leaves the figures alone.
func TestOddPacketsRise(t *testing.T) {
	l := newLine(t, Config{}, false)
	l.insert()
	extended := func(words uint16, size int) []byte {
		p := rtp(7, 101, 8)
		p[0] |= 16
		binary.BigEndian.PutUint16(p[14:], words)
		return p[:size]
	}
	odd := [][]byte{
		rtp(7, 101, 101), rtp(8, 101, 8), // another payload type, another SSRC
		rtp(7, 101, 200), []byte("not RTP"), rtp(7, 101, 8)[:11],
		rtp(7, 101+3000, 8), rtp(7, 100-64, 8), // jumps
		append(rtp(7, 101, 8), make([]byte, 1200)...), // 1280 bytes might not pass
		extended(40, 172), extended(0, 14),
		append([]byte{0x8f}, rtp(7, 101, 8)[1:70]...), // 15 CSRCs do not fit
		{},
	}
	for _, packet := range odd {
		l.rises(packet)
	}
	want := Up{Format: 2, Shape: 6, Sequence: 2, Length: 2}
	if s := l.path.Totals(); s.Up != want || s.Packets != 0 {
		t.Errorf("%+v", s)
	}
	if m, err := l.path.Read(l.flow.Key); err != nil || m != l.flow.Meter {
		t.Errorf("%+v, %v", m, err)
	}
	l.passes(extended(39, 172))
	l.Run("ip netns exec " + l.A + " sysctl -qw net.ipv4.ip_default_ttl=1")
	l.rises(rtp(7, 102, 8))
	if s := l.path.Totals(); s.Up.Hops != 1 {
		t.Errorf("%+v", s)
	}
	// Another port of the same machine is a stranger.
	testnet.Say(t, l.Listen(l.A, "10.77.1.1:4002"), rtp(7, 102, 8), l.flow.Local)
	if got, from := testnet.Hear(t, l.inside[0], patience); got == nil || from == l.flow.Source {
		t.Errorf("%d bytes from %v", len(got), from)
	}
	if got, _ := testnet.Hear(t, l.callee, 20*time.Millisecond); got != nil {
		t.Errorf("the callee got %d bytes more", len(got))
	}
}

// The time to live is one less. A checksum that is only begun is that of the new
// addresses, so that the card's work completes it.
func TestHopsAndOpaque(t *testing.T) {
	for name, six := range map[string]bool{"IPv4": false, "IPv6": true} {
		t.Run(name, func(t *testing.T) {
			l := newLine(t, Config{Addresses: []netip.Addr{netip.MustParseAddr("fd77:1::2"), netip.MustParseAddr("10.77.1.2")}}, six)
			l.flow.Opaque = true
			l.insert()
			raw := l.ListenRaw(l.B, six)
			payload := []byte("UDPTL, which is not RTP")
			l.passes(payload)
			packet := readRaw(t, raw)
			if !six {
				if packet[8] != 63 {
					t.Errorf("TTL %d", packet[8])
				}
				packet = packet[20:]
			}
			if want := pseudo(l.flow.From, l.flow.To, 8+len(payload)); binary.BigEndian.Uint16(packet[6:]) != want {
				t.Errorf("checksum %x, want %x", packet[6:8], want)
			}
			if m, err := l.path.Read(l.flow.Key); err != nil || m.Packets != 2 || m.Bytes != 23 || m.Unique != 1 {
				t.Errorf("%+v, %v", m, err)
			}
		})
	}
}

// The figures are those of RFC 3550 for a stream with loss, duplicates and
// packets out of order, across the wrap of the sequence.
func TestFigures(t *testing.T) {
	l := newLine(t, Config{}, false)
	l.flow.Meter.Base, l.flow.Meter.Highest = 65530, 65530
	l.insert()
	for _, n := range []uint16{65531, 65532, 65534, 65533, 65534, 2, 1, 65530, 3, 10} {
		l.passes(rtp(7, n, 8))
	}
	comfort := rtp(7, 11, 13)
	l.passes(comfort)
	m, err := l.path.Remove(l.flow.Key)
	if err != nil {
		t.Fatal(err)
	}
	const wrapped = 65536
	if m.Highest != wrapped+11 || m.Base != 65530 || m.Packets != 12 || m.Unique != 10 || m.Duplicates != 2 || m.Reordered != 2 || m.Gaps != 3 {
		t.Errorf("%+v", m)
	}
	// 65530 to 65534, 1, 2, 3, 10 and 11, counted back from 11.
	if want := uint64(0b1_1111_0_0111_000000_11); m.Window != want {
		t.Errorf("window %b, want %b", m.Window, want)
	}
	if m.Changes != 1 || m.Type != 13 || m.Voice != 8 || m.Terms != 7 || m.Last <= 0 || m.Longest == 0 {
		t.Errorf("%+v", m)
	}
	if _, err := l.path.Remove(l.flow.Key); !errors.Is(err, ErrFlow) {
		t.Errorf("twice: %v", err)
	}
	if _, err := l.path.Read(l.flow.Key); !errors.Is(err, ErrFlow) {
		t.Errorf("%v", err)
	}
}

// Every packet of a flow with Copy is told, in order, short and long ones.
func TestCopies(t *testing.T) {
	told := make(chan Copied, 1000)
	l := newLine(t, Config{Copied: func(c Copied) {
		c.Payload = bytes.Clone(c.Payload)
		told <- c
	}}, false)
	l.flow.Copy, l.flow.Tag = true, 42
	l.insert()
	var want [][]byte
	for i := range uint16(200) {
		p := rtp(7, 101+i, 8)
		p = append(p, make([]byte, int(i)*5)...)
		want = append(want, p)
		l.passes(p)
	}
	l.path.Drain()
	if len(told) != len(want) {
		t.Fatalf("%d of %d, %+v", len(told), len(want), l.path.Totals())
	}
	for i, w := range want {
		got := <-told
		if !bytes.Equal(got.Payload, w) || got.Tag != 42 || got.Source != l.flow.Source || got.At <= 0 {
			t.Fatalf("%d: %+v", i, got)
		}
	}
	if s := l.path.Totals(); s.Copied != 200 || s.Uncopied != 0 {
		t.Errorf("%+v", s)
	}
}

// A full ring costs copies, which are counted, and no packet.
func TestFullRing(t *testing.T) {
	hold := make(chan struct{})
	l := newLine(t, Config{Ring: 4096, Copied: func(Copied) { <-hold }}, false)
	l.flow.Copy = true
	l.insert()
	for i := range uint16(40) {
		l.passes(rtp(7, 101+i, 8))
	}
	s := l.path.Totals()
	close(hold)
	if s.Packets != 40 || s.Uncopied == 0 || s.Copied+s.Uncopied != 40 {
		t.Errorf("%+v", s)
	}
}

func TestFullPath(t *testing.T) {
	l := newLine(t, Config{MaxFlows: 1}, false)
	l.insert()
	second := l.flow
	second.Source = netip.MustParseAddrPort("10.77.1.1:4002")
	if err := l.path.Insert(second); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
	if s := l.path.Totals(); s.Refused != 1 || s.Flows != 1 {
		t.Errorf("%+v", s)
	}
}

// Who cannot be reached by Ethernet stays in user space, and so does who loses
// the way while the flow is there; it comes back by itself.
func TestRoutes(t *testing.T) {
	l := newLine(t, Config{}, false)
	for _, to := range []string{"10.77.2.2:9", "10.99.0.1:9", "[fd77:2::1]:9", "127.0.0.1:9"} {
		f := l.flow
		f.To = netip.MustParseAddrPort(to)
		if err := l.path.Insert(f); !errors.Is(err, ErrRoute) {
			t.Errorf("%s: %v", to, err)
		}
	}
	l.insert()
	l.passes(rtp(7, 101, 8))
	l.IP(l.R, "addr del 10.77.2.2/24 dev e2")
	l.until("the flow rises", func(i uint16) bool {
		testnet.Say(t, l.caller, rtp(7, 102+i, 8), l.flow.Local)
		got, _ := testnet.Hear(t, l.inside[0], 20*time.Millisecond)
		return got != nil
	})
	l.IP(l.R, "addr add 10.77.2.2/24 dev e2")
	l.until("the flow sinks", func(i uint16) bool {
		testnet.Say(t, l.caller, rtp(7, 1102+i, 8), l.flow.Local)
		got, _ := testnet.Hear(t, l.callee, 20*time.Millisecond)
		return got != nil
	})
	if s := l.path.Totals(); s.Up.Unrouted == 0 {
		t.Errorf("%+v", s)
	}
}

func (l *line) until(what string, done func(i uint16) bool) {
	l.t.Helper()
	for i := range uint16(250) {
		if done(i) {
			return
		}
	}
	l.t.Fatalf("%s: never", what)
}

// An interface that comes later with one of the addresses is served, too.
func TestInterfaces(t *testing.T) {
	l := newLine(t, Config{Addresses: []netip.Addr{netip.MustParseAddr("10.77.1.2")}}, false)
	if got := l.path.Describe(); got != "tcx on e1" {
		t.Errorf("%s", got)
	}
	l.IP(l.R, "addr add 10.77.1.2/32 dev e2")
	l.until("e2", func(uint16) bool { time.Sleep(20 * time.Millisecond); return l.path.Describe() == "tcx on e1, e2" })
	l.IP(l.R, "link del e1")
	l.until("e1 gone", func(uint16) bool { time.Sleep(20 * time.Millisecond); return l.path.Describe() == "tcx on e2" })
	l.In(l.R, func() {
		p, err := Open(Config{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no Ethernet interface") {
			t.Errorf("%v, %v", p, err)
		}
	})
}

// All flows are read with few system calls.
func TestEach(t *testing.T) {
	l := newLine(t, Config{}, false)
	for i := range uint16(2000) {
		f := l.flow
		f.Source = netip.AddrPortFrom(f.Source.Addr(), 10000+i)
		f.Meter.Packets = uint64(i)
		if err := l.path.Insert(f); err != nil {
			t.Fatal(err)
		}
	}
	seen := make(map[Key]uint64)
	before := time.Now()
	if err := l.path.Each(func(k Key, m Meter) { seen[k] = m.Packets }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d flows in %v", len(seen), time.Since(before))
	if len(seen) != 2000 {
		t.Errorf("%d flows", len(seen))
	}
	for k, n := range seen {
		if uint64(k.Source.Port())-10000 != n || k.Local != l.flow.Local {
			t.Fatalf("%v: %d", k, n)
		}
	}
}
