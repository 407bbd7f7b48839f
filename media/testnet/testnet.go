//go:build linux

// Package testnet makes network namespaces for tests: machines with wires between
// them, in which programs of ours and of others can be tried without touching the
// host. It is imported by tests alone.
package testnet

import (
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

// Net is three network namespaces: a and b with a caller and a callee, and r
// between them where media is relayed.
//
//	a 10.77.1.1 fd77:1::1 --- 10.77.1.2 fd77:1::2 r 10.77.2.2 fd77:2::2 --- 10.77.2.1 fd77:2::1 b
type Net struct {
	t       testing.TB
	A, R, B string // the namespaces' names
	prefix  string
}

// New makes the namespaces until the test ends. Who may not is skipped.
func New(t testing.TB) *Net {
	t.Helper()
	n := begin(t)
	n.A, n.R, n.B = n.space("a"), n.space("r"), n.space("b")
	n.wire(n.A, "1")
	n.wire(n.B, "2")
	return n
}

// Lan is machines on one network, each a network namespace.
type Lan struct {
	*Net
	Hosts map[string]string // their namespaces' names
}

// NewLan makes machines on a network of their own until the test ends, each with some
// addresses of it. Who may not is skipped.
func NewLan(t testing.TB, hosts map[string][]string) *Lan {
	t.Helper()
	l := &Lan{Net: begin(t), Hosts: map[string]string{}}
	bridge := l.space("br")
	l.IP(bridge, "link add lan type bridge forward_delay 0")
	l.IP(bridge, "link set lan up")
	i := 0
	for name, addresses := range hosts {
		ns, port := l.space(name), "p"+strconv.Itoa(i)
		i++
		l.Hosts[name] = ns
		l.IP(bridge, "link add "+port+" type veth peer name eth0 netns "+ns)
		l.IP(bridge, "link set "+port+" master lan up")
		l.IP(ns, "link set eth0 up")
		for _, a := range addresses {
			l.IP(ns, "addr add "+a+" dev eth0")
		}
	}
	return l
}

// begin skips who may not make namespaces.
func begin(t testing.TB) *Net {
	t.Helper()
	if os.Getuid() != 0 || exec.Command("ip", "netns").Run() != nil || exec.Command("unshare", "-n", "true").Run() != nil {
		t.Skip("SKIPPED: this is tested by root alone, who may make network namespaces")
	}
	return &Net{t: t, prefix: "tb" + strconv.Itoa(os.Getpid()) + "x" + strconv.Itoa(int(time.Now().UnixNano()%100000))}
}

// space makes a namespace until the test ends.
func (n *Net) space(name string) string {
	n.t.Helper()
	ns := n.prefix + name
	n.Run("ip netns add " + ns)
	n.t.Cleanup(func() { n.Run("ip netns del " + ns) })
	n.IP(ns, "link set lo up")
	return ns
}

// wire joins an end to r.
func (n *Net) wire(end, number string) {
	n.t.Helper()
	n.IP(n.R, "link add e"+number+" type veth peer name eth0 netns "+end)
	for _, i := range [][3]string{{end, "eth0", "1"}, {n.R, "e" + number, "2"}} {
		n.IP(i[0], "addr add 10.77."+number+"."+i[2]+"/24 dev "+i[1])
		n.IP(i[0], "addr add fd77:"+number+"::"+i[2]+"/64 dev "+i[1]+" nodad")
		n.IP(i[0], "link set "+i[1]+" up")
	}
}

// IP runs ip in a namespace.
func (n *Net) IP(ns, args string) { n.t.Helper(); n.Run("ip -n " + ns + " " + args) }

// Run runs a program and returns what it said; it must succeed.
func (n *Net) Run(line string) string {
	n.t.Helper()
	f := strings.Fields(line)
	out, err := exec.Command(f[0], f[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v: %s", line, err, out)
	}
	return string(out)
}

// In does something in a namespace: sockets made there stay there.
func (n *Net) In(ns string, do func()) {
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

// Listen binds a UDP socket in a namespace.
func (n *Net) Listen(ns, addr string) *net.UDPConn {
	n.t.Helper()
	var conn *net.UDPConn
	n.In(ns, func() {
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

// AddrOf is where a socket is bound.
func AddrOf(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// Hear is the next datagram, or nil when none comes.
func Hear(t testing.TB, c *net.UDPConn, patience time.Duration) ([]byte, netip.AddrPort) {
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

// Say sends a datagram.
func Say(t testing.TB, c *net.UDPConn, packet []byte, to netip.AddrPort) {
	t.Helper()
	if _, err := c.WriteToUDPAddrPort(packet, to); err != nil {
		t.Fatal(err)
	}
}

// ListenRaw hears and says whole UDP datagrams.
func (n *Net) ListenRaw(ns string, six bool) *net.IPConn {
	n.t.Helper()
	network := map[bool]string{false: "ip4:udp", true: "ip6:udp"}[six]
	var raw *net.IPConn
	n.In(ns, func() {
		var err error
		if raw, err = net.ListenIP(network, &net.IPAddr{}); err != nil {
			n.t.Error(err)
		}
	})
	if raw == nil {
		n.t.FailNow()
	}
	n.t.Cleanup(func() { raw.Close() })
	return raw
}
