package main_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// socket sends and hears single datagrams: what no well-behaved phone would do.
type socket struct {
	*net.UDPConn
	ip   string
	port int
}

// hears binds an address to the stage's port.
func (s *stage) hears(t *testing.T, ip string) *socket {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: s.net.port()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &socket{conn, ip, s.net.port()}
}

// says sends a message, given with plain line ends, to the switch.
func (k *socket) says(t *testing.T, n network, message string) {
	t.Helper()
	to := &net.UDPAddr{IP: net.ParseIP(n.ip(1)), Port: n.port()}
	if _, err := k.WriteToUDP([]byte(strings.ReplaceAll(message, "\n", "\r\n")), to); err != nil {
		t.Fatal(err)
	}
}

// hear gives the next message that starts so, leaving out others; after the time
// it gives none.
func (k *socket) hear(t *testing.T, start string, within time.Duration) string {
	t.Helper()
	if err := k.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65536)
	for {
		n, _, err := k.ReadFromUDP(buf)
		if err != nil {
			return ""
		}
		if m := string(bytes.ReplaceAll(buf[:n], []byte("\r\n"), []byte("\n"))); strings.HasPrefix(m, start) {
			return m
		}
	}
}

// must is a message that has to come.
func (k *socket) must(t *testing.T, start string) string {
	t.Helper()
	m := k.hear(t, start, patience)
	if m == "" {
		t.Fatalf("%s has not heard %q", k.ip, start)
	}
	return m
}

// speech is A-law, with tones as events (RFC 4733).
const speech = "m=audio 40000 RTP/AVP 8 101\na=rtpmap:101 telephone-event/8000"

func (k *socket) description() string {
	return fmt.Sprintf("v=0\no=- 1 1 IN IP4 %s\ns=-\nc=IN IP4 %s\nt=0 0\n%s\n", k.ip, k.ip, speech)
}

// request makes a request of a call; tag is the far end's.
func (k *socket) request(method string, s *stage, branch string, seq int, tag string) string {
	if tag != "" {
		tag = ";tag=" + tag
	}
	body := ""
	if method == "INVITE" {
		body = k.description()
	}
	cseq := method
	body2 := strings.ReplaceAll(body, "\n", "\r\n")
	return fmt.Sprintf(`%s sip:%s@%s SIP/2.0
Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%s
From: <sip:15550100@%s>;tag=caller
To: <sip:%s@%s>%s
Call-ID: %s@%s
CSeq: %d %s
Contact: <sip:15550100@%s:%d>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: %d

%s`, method, s.dial(), s.net.addr(1), k.ip, k.port, branch, k.ip, s.dial(), s.net.ip(1), tag, s.name, k.ip, seq, cseq,
		k.ip, k.port, len(body2), body)
}

var (
	toTag  = regexp.MustCompile(`(?m)^To:.*;tag=([^;\n]+)`)
	header = regexp.MustCompile(`(?m)^(Via|Record-Route|From|Call-ID|CSeq):.*\n`)
	to     = regexp.MustCompile(`(?m)^To:.*`)
)

// answers makes a response to a request.
func (k *socket) answers(request, status string, described bool) string {
	body := ""
	if described {
		body = k.description()
	}
	line := to.FindString(request)
	if !strings.Contains(line, "tag=") {
		line += ";tag=vendor"
	}
	return fmt.Sprintf("SIP/2.0 %s\n%s%s\nContact: <sip:%s:%d>\nContent-Type: application/sdp\nContent-Length: %d\n\n%s", status,
		strings.Join(header.FindAllString(request, -1), ""), line, k.ip, k.port, len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

// The caller's CANCEL crosses the vendor's 200: the vendor gets its ACK and a
// BYE, the caller a 487 and no bill.
func playCrossing(t *testing.T, s *stage) {
	caller, vendor := s.hears(t, s.customerIP()), s.hears(t, s.vendorIP(0))
	caller.says(t, s.net, caller.request("INVITE", s, "1", 1, ""))
	invite := vendor.must(t, "INVITE")
	vendor.says(t, s.net, vendor.answers(invite, "180 Ringing", false))
	caller.must(t, "SIP/2.0 180")
	caller.says(t, s.net, caller.request("CANCEL", s, "1", 1, ""))
	cancel := vendor.must(t, "CANCEL")
	vendor.says(t, s.net, vendor.answers(invite, "200 OK", true))
	vendor.says(t, s.net, vendor.answers(cancel, "200 OK", false))
	refusal := caller.must(t, "SIP/2.0 487")
	caller.says(t, s.net, caller.request("ACK", s, "1", 1, toTag.FindStringSubmatch(refusal)[1]))
	if vendor.hear(t, "ACK", time.Second) == "" {
		// A datagram is lost now and then where many tests run; whoever answers says so
		// again until he has his ACK (RFC 3261, section 13.3.1.4).
		vendor.says(t, s.net, vendor.answers(invite, "200 OK", true))
		vendor.must(t, "ACK")
	}
	bye := vendor.must(t, "BYE")
	vendor.says(t, s.net, vendor.answers(bye, "200 OK", false))
	all := s.settled(t, s.filter(), 2)
	s.billed(t, all, -1)
	for _, c := range all {
		if c.Answered || c.Cause != "cancelled" || c.SipCode != 487 {
			t.Errorf("%+v", c)
		}
	}
}

// Every request comes three times: it is one call, charged once.
func playAgain(t *testing.T, s *stage) {
	vendor := s.takes(t, 0, 1, "answer")
	caller := s.hears(t, s.customerIP())
	for range 3 {
		caller.says(t, s.net, caller.request("INVITE", s, "1", 1, ""))
	}
	tag := toTag.FindStringSubmatch(caller.must(t, "SIP/2.0 200"))[1]
	for range 3 {
		caller.says(t, s.net, caller.request("ACK", s, "2", 1, tag))
	}
	time.Sleep(time.Second)
	for range 3 {
		caller.says(t, s.net, caller.request("BYE", s, "3", 2, tag))
		caller.must(t, "SIP/2.0 200")
	}
	vendor.wait(t)
	time.Sleep(time.Second) // for CDRs that must not come
	s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
}

// torture gives the messages of RFC 4475, which come with the SIP stack.
func torture(t *testing.T) map[string][]byte {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/emiago/sipgo").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "sip", "testdata", "torture", "*", "*.dat"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d messages of RFC 4475: %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		if all[strings.TrimSuffix(filepath.Base(f), ".dat")], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Whatever comes, from peers or from strangers: the switch lives, strangers get
// no call, and a peer's INVITE without a From is refused.
func playGarbage(t *testing.T, s *stage) {
	messages := torture(t)
	messages["noise"] = bytes.Repeat([]byte{0, 255, '\r', '\n', 'S'}, 50)
	messages["empty"] = []byte("\r\n\r\n")
	messages["huge"] = bytes.Repeat([]byte("INVITE sip:x@y SIP/2.0\r\n"), 2500)
	messages["long"] = append([]byte("INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nX: "), bytes.Repeat([]byte("a"), 60_000)...)
	peer, stranger := s.hears(t, s.customerIP()), s.hears(t, s.net.ip(250))
	gate := &net.UDPAddr{IP: net.ParseIP(s.net.ip(1)), Port: s.net.port()}
	send := func(from *socket, message []byte) {
		if _, err := from.WriteToUDP(message, gate); err != nil {
			t.Error(err)
		}
	}
	// The answer goes to the port in the Via, which the message leaves at 5060.
	insufficient := bytes.Replace(messages["insuf"], []byte("192.0.2.95;"), fmt.Appendf(nil, "192.0.2.95:%d;", s.net.port()), 1)
	send(peer, insufficient)
	peer.must(t, "SIP/2.0 400")
	send(stranger, insufficient)
	if m := stranger.hear(t, "SIP/2.0", time.Second); m != "" && !strings.HasPrefix(m, "SIP/2.0 400") {
		t.Errorf("a stranger's INVITE without From is answered %s", m)
	}
	stranger.says(t, s.net, stranger.request("INVITE", s, "1", 1, ""))
	if m := stranger.hear(t, "SIP/2.0", time.Second); m != "" && !strings.HasPrefix(m, "SIP/2.0 403") {
		t.Errorf("a stranger's INVITE is answered %s", m)
	}
	for name, m := range messages {
		send(peer, m)
		send(stranger, m)
		if !s.alive() {
			t.Fatalf("the switch has died of %s:\n%s", name, s.stderr.String())
		}
	}
	for _, from := range []*socket{peer, stranger} {
		for from.hear(t, "", 300*time.Millisecond) != "" {
		}
	}
	peer.Close() // sipp needs the port
	s.takes(t, 0, 1, "answer")
	s.calls(t, "call", 1, nil, "-d", "1000")
	for _, c := range s.cdrs(t, map[string]any{"called": s.dial()[:5]}) {
		if c.CustomerAccountID != "account:"+s.account() && c.Leg == 0 {
			t.Errorf("%+v", c)
		}
	}
	if log := s.stderr.String(); strings.Contains(log, "panic") {
		t.Errorf("something panicked:\n%s", log)
	}
}
