package fastpath

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// testnet is three network namespaces: a and b with a caller and a callee, and r
// between them where media is relayed.
//
//	a 10.77.1.1 fd77:1::1 --- 10.77.1.2 fd77:1::2 r 10.77.2.2 fd77:2::2 --- 10.77.2.1 fd77:2::1 b
type testnet struct {
	t       *testing.T
	a, r, b string
}

func newTestnet(t *testing.T) *testnet {
	t.Helper()
	if os.Getuid() != 0 || exec.Command("ip", "netns").Run() != nil || exec.Command("unshare", "-n", "true").Run() != nil {
		t.Skip("SKIPPED: the fast path is tested by root alone, who may make network namespaces")
	}
	n := &testnet{t: t}
	prefix := "tbfp" + strconv.Itoa(os.Getpid()) + "x" + strconv.Itoa(int(time.Now().UnixNano()%100000))
	for i, name := range []*string{&n.a, &n.r, &n.b} {
		*name = prefix + "arb"[i:i+1]
		n.run("ip netns add " + *name)
		ns := *name
		t.Cleanup(func() { n.run("ip netns del " + ns) })
		n.ip(*name, "link set lo up")
	}
	n.wire(n.a, "1")
	n.wire(n.b, "2")
	return n
}

// wire joins an end to r.
func (n *testnet) wire(end, number string) {
	n.t.Helper()
	n.ip(n.r, "link add e"+number+" type veth peer name eth0 netns "+end)
	for _, i := range [][3]string{{end, "eth0", "1"}, {n.r, "e" + number, "2"}} {
		n.ip(i[0], "addr add 10.77."+number+"."+i[2]+"/24 dev "+i[1])
		n.ip(i[0], "addr add fd77:"+number+"::"+i[2]+"/64 dev "+i[1]+" nodad")
		n.ip(i[0], "link set "+i[1]+" up")
	}
}

func (n *testnet) ip(ns, args string) { n.t.Helper(); n.run("ip -n " + ns + " " + args) }

func (n *testnet) run(line string) string {
	n.t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// in does something in a namespace: sockets made there stay there.
func (n *testnet) in(ns string, do func()) {
	n.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		n.t.Fatal(err)
	}
	defer here.Close()
	there, err := os.Open("/run/netns/" + ns)
	if err != nil {
		n.t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		n.t.Fatal(err)
	}
	do()
	if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // the thread must not go on in the wrong namespace
	}
}

// listen binds a UDP socket in a namespace.
func (n *testnet) listen(ns, addr string) *net.UDPConn {
	n.t.Helper()
	var conn *net.UDPConn
	n.in(ns, func() {
		var err error
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if err != nil {
			n.t.Error(err)
		}
	})
	if conn == nil {
		n.t.FailNow()
	}
	n.t.Cleanup(func() { conn.Close() })
	return conn
}

// open opens a path in r until the test ends.
func (n *testnet) open(c Config) *Path {
	n.t.Helper()
	p := n.openAlone(c)
	n.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			n.t.Error(err)
		}
	})
	return p
}

func (n *testnet) openAlone(c Config) *Path {
	n.t.Helper()
	if c.Addresses == nil {
		c.Addresses = []netip.Addr{netip.MustParseAddr("10.77.1.2"), netip.MustParseAddr("10.77.2.2")}
	}
	var p *Path
	var err error
	n.in(n.r, func() { p, err = Open(c) })
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

func addrOf(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// hear is the next datagram, or nil when none comes.
func hear(t *testing.T, c *net.UDPConn, patience time.Duration) ([]byte, netip.AddrPort) {
	t.Helper()
	buffer := make([]byte, 4096)
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	size, from, err := c.ReadFromUDPAddrPort(buffer)
	if err != nil {
		return nil, netip.AddrPort{}
	}
	return buffer[:size], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

func say(t *testing.T, c *net.UDPConn, packet []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(packet, to); err != nil {
		t.Fatal(err)
	}
}

// rtp is a packet of G.711 with 160 bytes of speech.
func rtp(ssrc uint32, number uint16, kind uint8) []byte {
	p := make([]byte, 172)
	stamp := uint32(number) * 160
	copy(p, []byte{0x80, kind, byte(number >> 8), byte(number), byte(stamp >> 24), byte(stamp >> 16), byte(stamp >> 8),
		byte(stamp), byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc)})
	return p
}

// listenRaw hears and says whole UDP datagrams.
func (n *testnet) listenRaw(ns string, six bool) *net.IPConn {
	n.t.Helper()
	network := map[bool]string{false: "ip4:udp", true: "ip6:udp"}[six]
	var raw *net.IPConn
	n.in(ns, func() {
		var err error
		if raw, err = net.ListenIP(network, &net.IPAddr{}); err != nil {
			n.t.Error(err)
		}
	})
	if raw == nil {
		n.t.FailNow()
	}
	n.t.Cleanup(func() { raw.Close() })
	if err := raw.SetReadDeadline(time.Now().Add(patience)); err != nil {
		n.t.Fatal(err)
	}
	return raw
}

// datagram is a UDP header with its checksum, and a payload.
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	size := uint16(8 + len(payload))
	d := binary.BigEndian.AppendUint16(nil, from.Port())
	d = binary.BigEndian.AppendUint16(d, to.Port())
	d = binary.BigEndian.AppendUint16(d, size)
	d = append(append(d, 0, 0), payload...)
	sum := uint32(pseudo(from, to, len(d)))
	for part := append(bytes.Clone(d), 0); len(part) > 1; part = part[2:] {
		sum += uint32(binary.BigEndian.Uint16(part))
	}
	binary.BigEndian.PutUint16(d[6:], ^fold(sum))
	return d
}

// pseudo is the sum of the header that a UDP checksum covers beside the datagram.
func pseudo(from, to netip.AddrPort, size int) uint16 {
	sum := uint32(unix.IPPROTO_UDP) + uint32(size)
	for _, part := range [][]byte{from.Addr().AsSlice(), to.Addr().AsSlice()} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	return fold(sum)
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// readRaw is the next datagram with what headers the system gives.
func readRaw(t *testing.T, raw *net.IPConn) []byte {
	t.Helper()
	control, err := raw.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 2048)
	var size int
	var failed error
	err = control.Read(func(fd uintptr) bool {
		size, failed = unix.Read(int(fd), packet)
		return failed != unix.EAGAIN
	})
	if err != nil || failed != nil || size < 28 {
		t.Fatalf("%v, %v: %d bytes", err, failed, size)
	}
	return packet[:size]
}
