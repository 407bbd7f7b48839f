package main_test

import (
	"math"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFlows plays what may happen within a call side by side on one switch.
func TestFlows(t *testing.T) {
	needSipp(t)
	t.Parallel()
	pair := func(caller, vendor string) func(*testing.T, *stage) {
		return func(t *testing.T, s *stage) {
			v := s.takes(t, 0, 1, vendor)
			s.calls(t, caller, 1, nil)
			v.wait(t)
			s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
		}
	}
	stories := []struct {
		name string
		play func(*testing.T, *stage)
	}{
		{"hold", pair("hold", "held")},
		{"vendorhold", pair("caller-held", "vendor-hold")},
		{"update", pair("update", "updated")},
		{"offerless", pair("ask", "asked")},
		{"reliable", pair("prack", "pracked")},
		{"unreliable", func(t *testing.T, s *stage) {
			v := s.takes(t, 0, 1, "pracked")
			s.calls(t, "call", 1, nil, "-d", "1000")
			v.wait(t)
			s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
		}},
		{"refresh", func(t *testing.T, s *stage) {
			v := s.takes(t, 0, 1, "answer")
			s.calls(t, "refresh", 1, nil)
			v.wait(t)
			all := s.settled(t, s.filter(), 3) // the first INVITE asked for too short a session
			s.billed(t, all, 0)
		}},
		{"refreshes", func(t *testing.T, s *stage) {
			v := s.takes(t, 0, 1, "refreshes")
			s.calls(t, "call", 1, nil, "-d", "1500")
			v.wait(t)
			s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
		}},
		{"glare", playGlare},
		{"fork", playFork},
		{"fax", playFax},
		{"early", playEarlyMedia},
	}
	data := t.TempDir()
	n := serve(t, newNetwork(), data)
	var stages []*stage
	for _, story := range stories {
		stages = append(stages, &stage{name: story.name, credit: "5", sell: sellPrice, buy: buyPrice, vendors: []string{""}})
	}
	n.apply(t, world(n, stages))
	for _, s := range stages {
		n.credit(t, s.account(), s.credit, "opening "+s.name)
	}
	t.Run("stories", func(t *testing.T) {
		for i, story := range stories {
			t.Run(story.name, func(t *testing.T) {
				t.Parallel()
				story.play(t, stages[i])
			})
		}
	})
	n.interrupt(t)
	verify(t, data)
}

// dialogue is a call between two sockets that has been answered.
type dialogue struct {
	*stage
	caller, vendor *socket
	tag            string // of ours towards the caller
	invite, ack    string // as the vendor got them
}

var contactOf = regexp.MustCompile(`(?m)^Contact: <([^>]+)>`)

// talk brings a call to its answer.
func (s *stage) talk(t *testing.T) *dialogue {
	t.Helper()
	d := &dialogue{stage: s, caller: s.hears(t, s.customerIP()), vendor: s.hears(t, s.vendorIP(0))}
	d.caller.says(t, s.net, d.caller.request("INVITE", s, "1", 1, ""))
	d.invite = d.vendor.must(t, "INVITE")
	d.vendor.says(t, s.net, d.vendor.answers(d.invite, "200 OK", true))
	d.tag = toTag.FindStringSubmatch(d.caller.must(t, "SIP/2.0 200"))[1]
	d.caller.says(t, s.net, d.caller.request("ACK", s, "2", 1, d.tag))
	d.ack = d.vendor.must(t, "ACK")
	return d
}

// fromVendor makes a request of the vendor's within the call.
func (d *dialogue) fromVendor(method, branch string, seq int, body string) string {
	from := strings.Replace(to.FindString(d.ack), "To:", "From:", 1)
	back := strings.Replace(regexp.MustCompile(`(?m)^From:.*`).FindString(d.invite), "From:", "To:", 1)
	id := regexp.MustCompile(`(?m)^Call-ID:.*`).FindString(d.invite)
	at := d.vendor.ip + ":" + strconv.Itoa(d.vendor.port)
	return method + " " + contactOf.FindStringSubmatch(d.invite)[1] + " SIP/2.0\nVia: SIP/2.0/UDP " + at + ";branch=z9hG4bK" + branch + "\n" +
		from + "\n" + back + "\n" + id + "\nCSeq: " + strconv.Itoa(seq) + " " + method + "\nContact: <sip:" + at + ">\nMax-Forwards: 70\n" +
		"Content-Type: application/sdp\nContent-Length: " + strconv.Itoa(len(strings.ReplaceAll(body, "\n", "\r\n"))) + "\n\n" + body
}

// end has the caller hang up and looks at the bill.
func (d *dialogue) end(t *testing.T, seq int) {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	d.caller.says(t, d.net, d.caller.request("BYE", d.stage, "bye", seq, d.tag))
	d.vendor.says(t, d.net, d.vendor.answers(d.vendor.must(t, "BYE"), "200 OK", false))
	d.caller.must(t, "SIP/2.0 200")
	d.billed(t, legs(t, d.settled(t, d.filter(), 2), 200, 200), 0)
}

// Both sides change the session at once: each hears a 491, and the call goes on.
func playGlare(t *testing.T, s *stage) {
	d := s.talk(t)
	d.caller.says(t, s.net, strings.Replace(d.caller.request("INVITE", s, "c1", 2, d.tag), "40000", "40004", 1))
	passed := d.vendor.must(t, "INVITE")
	d.vendor.says(t, s.net, d.fromVendor("INVITE", "v1", 1, d.vendor.description()))
	refused := d.vendor.must(t, "SIP/2.0 491")
	if !strings.Contains(refused, "CSeq: 1 INVITE") {
		t.Errorf("%s", refused)
	}
	d.vendor.says(t, s.net, d.fromVendor("ACK", "v1", 1, ""))
	d.vendor.says(t, s.net, d.vendor.answers(passed, "491 Request Pending", false))
	d.vendor.must(t, "ACK")
	d.caller.must(t, "SIP/2.0 491")
	d.caller.says(t, s.net, d.caller.request("ACK", s, "c1", 2, d.tag))
	d.vendor.says(t, s.net, d.fromVendor("INVITE", "v2", 2, strings.Replace(d.vendor.description(), "40000", "40002", 1)))
	again := d.caller.must(t, "INVITE")
	d.caller.says(t, s.net, d.caller.answers(again, "200 OK", true))
	d.caller.must(t, "ACK")
	d.vendor.must(t, "SIP/2.0 200")
	d.vendor.says(t, s.net, d.fromVendor("ACK", "v3", 2, ""))
	d.end(t, 3)
}

// Two phones behind a vendor answer: both are acknowledged, the second is hung up on.
func playFork(t *testing.T, s *stage) {
	d := s.talk(t)
	second := strings.Replace(d.vendor.answers(d.invite, "200 OK", true), ";tag=vendor", ";tag=second", 1)
	d.vendor.says(t, s.net, second)
	for _, method := range []string{"ACK", "BYE"} {
		m := d.vendor.must(t, method)
		if !strings.Contains(to.FindString(m), "tag=second") {
			t.Errorf("%s", m)
		}
		if method == "BYE" {
			d.vendor.says(t, s.net, d.vendor.answers(m, "200 OK", false))
		}
	}
	d.end(t, 2)
}

// The called side turns to fax: T.38 passes, in our words.
func playFax(t *testing.T, s *stage) {
	d := s.talk(t)
	fax := func(k *socket, port string) string {
		return strings.Replace(k.description(), speech, "m=image "+port+" udptl t38\na=T38FaxVersion:0", 1)
	}
	d.vendor.says(t, s.net, d.fromVendor("INVITE", "f1", 1, fax(d.vendor, "40010")))
	passed := d.caller.must(t, "INVITE")
	if !regexp.MustCompile(`m=image [1-9]\d+ udptl t38\na=T38FaxVersion:0`).MatchString(passed) || strings.Contains(passed, "40010") || strings.Contains(passed, d.vendor.ip) {
		t.Errorf("%s", passed)
	}
	answer := d.caller.answers(passed, "200 OK", true)
	head, _, _ := strings.Cut(answer, "Content-Length")
	body := fax(d.caller, "40020")
	d.caller.says(t, s.net, head+"Content-Length: "+strconv.Itoa(len(strings.ReplaceAll(body, "\n", "\r\n")))+"\n\n"+body)
	ok := d.vendor.must(t, "SIP/2.0 200")
	d.vendor.says(t, s.net, d.fromVendor("ACK", "f2", 1, ""))
	port := regexp.MustCompile(`m=image (\d+) `).FindStringSubmatch(ok)
	if port == nil {
		t.Fatalf("%s", ok)
	}
	// What the vendor sends to our port comes out at the caller's, though it is no RTP.
	sink, err := net.ListenPacket("udp", d.caller.ip+":40020")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	source, err := net.ListenPacket("udp", d.vendor.ip+":40010")
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	at, err := net.ResolveUDPAddr("udp", regexp.MustCompile(`c=IN IP4 (\S+)`).FindStringSubmatch(ok)[1]+":"+port[1])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.WriteTo([]byte{0, 1, 2, 3, 'f', 'a', 'x'}, at); err != nil {
		t.Fatal(err)
	}
	if err := sink.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 100)
	if n, _, err := sink.ReadFrom(got); err != nil || string(got[4:n]) != "fax" {
		t.Errorf("the fax's packet comes as %q: %v", got[:n], err)
	}
	d.end(t, 2)
}

// A 183 with a description, then a 180: the vendor's tone reaches the caller before
// the answer, unharmed.
func playEarlyMedia(t *testing.T, s *stage) {
	caller, vendor := s.hears(t, s.customerIP()), s.hears(t, s.vendorIP(0))
	phone, err := net.ListenPacket("udp", caller.ip+":40000")
	if err != nil {
		t.Fatal(err)
	}
	defer phone.Close()
	gateway, err := net.ListenPacket("udp", vendor.ip+":40000")
	if err != nil {
		t.Fatal(err)
	}
	defer gateway.Close()
	caller.says(t, s.net, caller.request("INVITE", s, "1", 1, ""))
	invite := vendor.must(t, "INVITE")
	vendor.says(t, s.net, vendor.answers(invite, "183 Session Progress", true))
	progress := caller.must(t, "SIP/2.0 183")
	if !strings.Contains(progress, "m=audio ") {
		t.Fatalf("%s", progress)
	}
	port := regexp.MustCompile(`m=audio (\d+) `).FindStringSubmatch(invite)[1]
	at, err := net.ResolveUDPAddr("udp", regexp.MustCompile(`c=IN IP4 (\S+)`).FindStringSubmatch(invite)[1]+":"+port)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		if _, err := gateway.WriteTo(tone(n), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := phone.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		got := make([]byte, 400)
		size, _, err := phone.ReadFrom(got)
		if err != nil || string(got[:size]) != string(tone(n)) {
			t.Fatalf("packet %d of the tone comes as %d bytes: %v", n, size, err)
		}
	}
	vendor.says(t, s.net, vendor.answers(invite, "180 Ringing", false))
	caller.must(t, "SIP/2.0 180")
	vendor.says(t, s.net, vendor.answers(invite, "200 OK", true))
	tag := toTag.FindStringSubmatch(caller.must(t, "SIP/2.0 200"))[1]
	caller.says(t, s.net, caller.request("ACK", s, "2", 1, tag))
	vendor.must(t, "ACK")
	d := &dialogue{stage: s, caller: caller, vendor: vendor, tag: tag}
	d.end(t, 2)
}

// tone is 20 ms of 425 Hz in an RTP packet.
func tone(n int) []byte {
	packet := []byte{0x80, 8, 0, byte(n), 0, 0, byte(n), 0, 1, 2, 3, 4}
	for i := range 160 {
		packet = append(packet, byte(128+100*math.Sin(2*math.Pi*425*float64(160*n+i)/8000)))
	}
	return packet
}
