package main_test

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestFamilies: an IPv4 caller, a vendor by IPv6 who lets him hear something and then
// is busy, and one by IPv4 who answers. RTP passes both ways with either.
func TestFamilies(t *testing.T) {
	t.Parallel()
	nw := newNetwork()
	six, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv6loopback, Port: nw.port() + 1})
	if err != nil {
		t.Skip("SKIPPED: no IPv6 here: ", err)
	}
	defer six.Close()
	n := serveOn(t, nw, t.TempDir(), fmt.Sprintf(`sip:
  - {name: default, address: %[1]s, udp: %[2]d, tcp: %[2]d}
  - {name: six, address: "::1", udp: %[2]d, tcp: %[2]d}
`, nw.ip(1), nw.port()))
	s := &stage{name: "families", credit: "5", sell: sellPrice, buy: buyPrice,
		vendors: []string{fmt.Sprintf(", host: \"::1\", port: %d", nw.port()+1), ""}}
	n.apply(t, world(n, []*stage{s}))
	n.credit(t, s.account(), s.credit, "opening")

	caller, first := s.hears(t, s.customerIP()), &socket{six, "::1", nw.port() + 1}
	second := s.hears(t, s.vendorIP(1))
	phone := newMedia(t, caller.ip)
	caller.says(t, nw, caller.request("INVITE", s, "1", 1, ""))
	invite := first.must(t, "INVITE")
	early := newMedia(t, "::1")
	progress := asSix.Replace(first.answers(invite, "183 Session Progress", true))
	ours := &net.UDPAddr{IP: net.IPv6loopback, Port: nw.port()}
	if _, err := six.WriteToUDP([]byte(strings.ReplaceAll(fitted(progress), "\n", "\r\n")), ours); err != nil {
		t.Fatal(err)
	}
	heard := caller.must(t, "SIP/2.0 183")
	converse(t, phone, mediaOf(t, heard, "IP4"), early, mediaOf(t, invite, "IP6"))

	busy := strings.ReplaceAll(asSix.Replace(first.answers(invite, "486 Busy Here", false)), "\n", "\r\n")
	if _, err := six.WriteToUDP([]byte(busy), ours); err != nil {
		t.Fatal(err)
	}
	next := second.must(t, "INVITE")
	gateway := newMedia(t, second.ip)
	second.says(t, nw, second.answers(next, "200 OK", true))
	ok := caller.must(t, "SIP/2.0 200")
	tag := toTag.FindStringSubmatch(ok)[1]
	caller.says(t, nw, caller.request("ACK", s, "2", 1, tag))
	second.must(t, "ACK")
	converse(t, phone, mediaOf(t, ok, "IP4"), gateway, mediaOf(t, next, "IP4"))
	time.Sleep(300 * time.Millisecond) // what is billed
	caller.says(t, nw, caller.request("BYE", s, "bye", 2, tag))
	second.says(t, nw, second.answers(second.must(t, "BYE"), "200 OK", false))
	caller.must(t, "SIP/2.0 200")
	s.billed(t, legs(t, s.settled(t, s.filter(), 3), 200, 486, 200), 1)
	n.interrupt(t)
	verify(t, n.data)
}

// asSix writes the address of the vendor as URIs and descriptions have it.
var asSix = strings.NewReplacer("IN IP4 ::1", "IN IP6 ::1", "sip:::1:", "sip:[::1]:")

// fitted has the length that it says. No line ends within it are those of the wire yet.
func fitted(message string) string {
	head, body, _ := strings.Cut(message, "\n\n")
	length := fmt.Sprintf("Content-Length: %d", len(strings.ReplaceAll(body, "\n", "\r\n")))
	return regexp.MustCompile(`Content-Length: \d+`).ReplaceAllString(head, length) + "\n\n" + body
}

func newMedia(t *testing.T, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: 40000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mediaOf is where a message's description, of a family, has its audio.
func mediaOf(t *testing.T, message, family string) *net.UDPAddr {
	t.Helper()
	addr := regexp.MustCompile(`c=IN ` + family + ` (\S+)`).FindStringSubmatch(message)
	port := regexp.MustCompile(`m=audio (\d+) `).FindStringSubmatch(message)
	if addr == nil || port == nil {
		t.Fatalf("no audio of family %s in\n%s", family, message)
	}
	at, err := net.ResolveUDPAddr("udp", net.JoinHostPort(addr[1], port[1]))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// converse passes RTP both ways between two ends.
func converse(t *testing.T, a *net.UDPConn, toA *net.UDPAddr, b *net.UDPConn, toB *net.UDPAddr) {
	t.Helper()
	for i, way := range []struct {
		from *net.UDPConn
		by   *net.UDPAddr
		to   *net.UDPConn
	}{{a, toA, b}, {b, toB, a}} {
		sent := tone(i)
		if _, err := way.from.WriteToUDP(sent, way.by); err != nil {
			t.Fatal(err)
		}
		if err := way.to.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 400)
		if size, _, err := way.to.ReadFromUDP(got); err != nil || string(got[:size]) != string(sent) {
			t.Fatalf("%d bytes come by %v: %v", size, way.by, err)
		}
	}
}
