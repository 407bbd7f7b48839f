//go:build linux

package main_test

import (
	bigendian "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tollbook/tollbook/media/testnet"
)

// doorway lets this process, which is in another network namespace, reach a TCP
// server there, and gives the address to ask.
func doorway(t *testing.T, n *testnet.Net, ns, to string) string {
	t.Helper()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { door.Close() })
	go func() {
		for {
			near, err := door.Accept()
			if err != nil {
				return
			}
			var far net.Conn
			n.In(ns, func() { far, err = net.Dial("tcp", to) })
			if err != nil {
				near.Close()
				continue
			}
			go func() {
				_, _ = io.Copy(far, near) // whichever end goes, the other goes, too
				far.Close()
			}()
			go func() {
				_, _ = io.Copy(near, far)
				near.Close()
			}()
		}
	}()
	return door.Addr().String()
}

var (
	mediaPort = regexp.MustCompile(`m=audio (\d+) `)
	closing   = regexp.MustCompile(`"media relay closes".*"packets":(\d+),"by_kernel":(\d+),"dropped":(\d+)`)
)

// A call between phones on a network and a switch of its own: after the first
// packets the kernel relays, and the switch does its books as ever.
func TestFastPathCall(t *testing.T) {
	t.Parallel()
	net3 := testnet.New(t)
	net3.IP(net3.A, "addr add 10.77.1.3/24 dev eth0")
	const ours = "10.77.1.2"
	data := filepath.Join(t.TempDir(), "data")
	config := filepath.Join(t.TempDir(), "node.yaml")
	text := fmt.Sprintf("node: n1\ndata: %s\nhttp: %s:8080\nsip: %s:5060\nmedia: {engine: ebpf}\n", data, ours, ours)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := &node{process: start(t, exec.Command("ip", "netns", "exec", net3.R, binary, "serve", "--config", config)), data: data}
	until(t, "the node is ready", func() bool {
		if !n.alive() {
			t.Fatalf("the node has ended: %s", n.stderr.String())
		}
		return strings.Contains(n.stderr.String(), "serves calls on")
	})
	if log := n.stderr.String(); !strings.Contains(log, `"engine":"ebpf"`) || !strings.Contains(log, "tcx on e1") {
		t.Fatalf("another engine runs:\n%s", log)
	}
	n.api = &api{url: "http://" + doorway(t, net3, net3.R, ours+":8080")}
	s := &stage{node: n, name: "fast", credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{", host: 10.77.1.3, port: 5060"}}
	n.apply(t, strings.ReplaceAll(world(n, []*stage{s}), s.customerIP(), "10.77.1.1"))
	n.credit(t, s.account(), s.credit, "opening")
	caller := &socket{net3.Listen(net3.A, "10.77.1.1:5060"), "10.77.1.1", 5060}
	vendor := &socket{net3.Listen(net3.A, "10.77.1.3:5060"), "10.77.1.3", 5060}
	say := func(k *socket, message string) {
		message = strings.ReplaceAll(strings.ReplaceAll(message, s.net.addr(1), ours), s.net.ip(1), ours)
		testnet.Say(t, k.UDPConn, []byte(strings.ReplaceAll(message, "\n", "\r\n")), netip.MustParseAddrPort(ours+":5060"))
	}
	say(caller, caller.request("INVITE", s, "1", 1, ""))
	invite := vendor.must(t, "INVITE")
	say(vendor, vendor.answers(invite, "200 OK", true))
	answer := caller.must(t, "SIP/2.0 200")
	tag := toTag.FindStringSubmatch(answer)[1]
	say(caller, caller.request("ACK", s, "2", 1, tag))
	vendor.must(t, "ACK")

	const packets = 200
	voices := [2]*net.UDPConn{net3.Listen(net3.A, "10.77.1.1:40000"), net3.Listen(net3.A, "10.77.1.3:40000")}
	var doors [2]netip.AddrPort
	for i, described := range []string{answer, invite} {
		doors[i] = netip.MustParseAddrPort(ours + ":" + mediaPort.FindStringSubmatch(described)[1])
	}
	for i := range packets {
		for side := range voices {
			packet := make([]byte, 172)
			packet[0], packet[1], packet[11] = 0x80, 8, byte(side)
			bigendian.BigEndian.PutUint16(packet[2:], uint16(i))
			bigendian.BigEndian.PutUint32(packet[4:], uint32(i)*160)
			testnet.Say(t, voices[side], packet, doors[side])
			if got, from := testnet.Hear(t, voices[1-side], patience); string(got) != string(packet) || from != doors[1-side] {
				t.Fatalf("packet %d of side %d: %d bytes from %v", i, side, len(got), from)
			}
		}
	}
	say(caller, caller.request("BYE", s, "3", 2, tag))
	say(vendor, vendor.answers(vendor.must(t, "BYE"), "200 OK", false))
	caller.must(t, "SIP/2.0 200")
	legs(t, s.settled(t, s.filter(), 2), 200, 200)
	n.interrupt(t)
	verify(t, data)
	if m := closing.FindStringSubmatch(n.stderr.String()); m == nil || m[1] != fmt.Sprint(2*packets) || m[3] != "0" {
		t.Errorf("the relay closes with %q", m)
	} else if kernel := m[2]; len(kernel) != 3 || kernel < "300" {
		t.Errorf("only %s of %d packets by the kernel", kernel, 2*packets)
	}
}
