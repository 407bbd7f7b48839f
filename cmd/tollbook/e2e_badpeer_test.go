package main_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

// TestBadPeers plays peers that are known and behave badly, on one switch.
func TestBadPeers(t *testing.T) {
	needSipp(t)
	t.Parallel()
	stories := []struct {
		name string
		play func(*testing.T, *stage)
	}{
		{"thousand", playThousandLines},
		{"nowhere", playNowhere},
		{"wrongtag", playWrongTag},
		{"flood", playFlood},
	}
	n := serve(t, newNetwork(), t.TempDir())
	var stages []*stage
	for _, story := range stories {
		stages = append(stages, &stage{name: story.name, credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}})
	}
	n.apply(t, world(n, stages))
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	for i, story := range stories {
		t.Run(story.name, func(t *testing.T) { story.play(t, stages[i]) })
	}
	n.interrupt(t)
	verify(t, n.data)
}

// described is an INVITE with a body of its own.
func (k *socket) described(s *stage, branch, body string) string {
	head, _, _ := strings.Cut(k.request("INVITE", s, branch, 1, ""), "Content-Length")
	head = strings.Replace(head, "Call-ID: ", "Call-ID: "+branch, 1)
	return fmt.Sprintf("%sContent-Length: %d\n\n%s", head, len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

// A session description of more than a thousand lines is refused, one of many lines
// is understood, and the reason is logged once for each call.
func playThousandLines(t *testing.T, s *stage) {
	caller := s.hears(t, s.customerIP())
	caller.says(t, s.net, caller.described(s, "many", caller.description()+strings.Repeat("a=x\n", 1200)))
	caller.must(t, "SIP/2.0 400")
	const told = "a session description cannot be used"
	until(t, "the log tells of it", func() bool { return strings.Contains(s.stderr.String(), told) })
	vendor := s.hears(t, s.vendorIP(0))
	caller.says(t, s.net, caller.described(s, "fewer", caller.description()+strings.Repeat("a=x\n", 900)))
	invite := vendor.must(t, "INVITE")
	vendor.says(t, s.net, vendor.answers(invite, "486 Busy Here", false))
	caller.must(t, "SIP/2.0 486")
	if n := strings.Count(s.stderr.String(), told); n != 1 {
		t.Errorf("the log tells of it %d times", n)
	}
}

// Media that leads nowhere: port 0 is no audio, and a private address is taken for
// what it is, an address that media is not sent to before it has come from there.
func playNowhere(t *testing.T, s *stage) {
	caller, vendor := s.hears(t, s.customerIP()), s.hears(t, s.vendorIP(0))
	caller.says(t, s.net, caller.described(s, "zero", strings.Replace(caller.description(), "40000", "0", 1)))
	caller.must(t, "SIP/2.0 488")
	private := strings.ReplaceAll(caller.description(), "IN IP4 "+caller.ip, "IN IP4 10.0.0.7")
	caller.says(t, s.net, caller.described(s, "private", private))
	invite := vendor.must(t, "INVITE")
	if strings.Contains(invite, "10.0.0.7") {
		t.Errorf("the vendor is told the caller's own address:\n%s", invite)
	}
	vendor.says(t, s.net, vendor.answers(invite, "486 Busy Here", false))
	caller.must(t, "SIP/2.0 486")
}

// A BYE that knows the call but not its tags ends nothing.
func playWrongTag(t *testing.T, s *stage) {
	caller, vendor := s.hears(t, s.customerIP()), s.hears(t, s.vendorIP(0))
	caller.says(t, s.net, caller.request("INVITE", s, "1", 1, ""))
	invite := vendor.must(t, "INVITE")
	vendor.says(t, s.net, vendor.answers(invite, "200 OK", true))
	tag := toTag.FindStringSubmatch(caller.must(t, "SIP/2.0 200"))[1]
	caller.says(t, s.net, caller.request("ACK", s, "2", 1, tag))
	caller.says(t, s.net, caller.request("BYE", s, "3", 2, tag+"x"))
	caller.must(t, "SIP/2.0 481")
	caller.says(t, s.net, strings.Replace(caller.request("BYE", s, "4", 3, tag), ";tag=caller", ";tag=another", 1))
	caller.must(t, "SIP/2.0 481")
	if m := vendor.hear(t, "BYE", 300*time.Millisecond); m != "" {
		t.Fatalf("the vendor has got\n%s", m)
	}
	caller.says(t, s.net, caller.request("BYE", s, "5", 4, tag))
	caller.must(t, "SIP/2.0 200")
	bye := vendor.must(t, "BYE")
	vendor.says(t, s.net, vendor.answers(bye, "200 OK", false))
	s.settled(t, s.filter(), 2)
}

// A hundred megabytes of noise from a known address, over UDP and TCP: the switch
// keeps its memory, logs little, counts it, and makes a call afterwards.
func playFlood(t *testing.T, s *stage) {
	peer := s.hears(t, s.customerIP())
	before, said := s.memory(t), len(s.stderr.String())
	r := rand.NewChaCha8([32]byte{1})
	noise := make([]byte, 50_000)
	gate := &net.UDPAddr{IP: net.ParseIP(s.net.ip(1)), Port: s.net.port()}
	for sent := 0; sent < 60<<20; sent += len(noise) {
		if _, err := r.Read(noise); err != nil {
			t.Fatal(err)
		}
		copy(noise, "INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP ")
		if _, err := peer.WriteToUDP(noise, gate); err != nil {
			t.Fatal(err)
		}
	}
	for sent := 0; sent < 40<<20; {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer.ip)}}
		conn, err := d.Dial("tcp", s.net.addr(1))
		if err != nil {
			t.Fatal(err)
		}
		n, err := conn.Write(bytes.Repeat(noise, 20)) // the switch closes before it has all
		sent += n
		if closing := conn.Close(); err == nil && closing != nil {
			t.Log(closing)
		}
	}
	if !s.alive() {
		t.Fatalf("the switch has died:\n%s", s.stderr.String())
	}
	if after := s.memory(t); after > before+200<<20 {
		t.Errorf("%d MB in use before the flood, %d MB after", before>>20, after>>20)
	}
	if more := len(s.stderr.String()) - said; more > 64<<10 {
		t.Errorf("the log has grown by %d KB", more>>10)
	}
	peer.Close() // sipp needs the port
	s.takes(t, 0, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "500")
	s.settled(t, s.filter(), 2)
}
