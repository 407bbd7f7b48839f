package main_test

import (
	"bufio"
	"crypto/tls"
	bigendian "encoding/binary"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events/digest"
)

// handset is a device on a connection: TCP, TLS or a WebSocket on either; or, over UDP,
// behind a router.
type handset struct {
	x               *exchange
	user, transport string
	certs           *authority
	conn            net.Conn
	read            *bufio.Reader
	seq             int
}

// TestDevices has devices register and call over every transport but UDP.
func TestDevices(t *testing.T) {
	t.Parallel()
	nw, certs := newNetwork(), newAuthority(t)
	certs.write(t, "switch", nw.ip(1))
	x := newExchangeOn(t, nw, fmt.Sprintf("sip:\n  - {name: default, address: %[1]s, udp: %[2]d, tcp: %[2]d, tls: %[3]d, ws: %[4]d, wss: %[5]d, certificate: %[6]s/switch.pem, key: %[6]s/switch.key}\n",
		nw.ip(1), nw.port(), nw.port()+1, nw.port()+2, nw.port()+3, certs.dir))
	var lines, numbers strings.Builder
	transports := []string{"tcp", "tls", "ws", "wss"}
	for i, transport := range transports {
		fmt.Fprintf(&lines, "  - {id: %s, company: home, account: home-usd, sell_deck: sell, route_plan: out, password: secret}\n", transport)
		fmt.Fprintf(&numbers, "  - {number: \"493020%d\", company: home, subscriber: %s}\n", i, transport)
	}
	x.apply(t, "subscribers:\n"+lines.String()+"dids:\n"+numbers.String())
	for i, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			playDevice(t, x, certs, transport, fmt.Sprintf("493020%d", i), fmt.Sprintf("44555100%d", i))
		})
	}
	if b := x.balance(t, "home-usd"); b.Holds != 0 {
		t.Errorf("%+v", b)
	}
	x.interrupt(t)
	verify(t, x.data)
}

func playDevice(t *testing.T, x *exchange, certs *authority, transport, did, outside string) {
	s := &stage{node: x.node}
	caller, vendor := s.hears(t, x.net.ip(10)), s.hears(t, x.net.ip(100))
	defer closeAll(t, caller, vendor)
	h := &handset{x: x, user: transport, transport: transport, certs: certs}
	h.open(t)
	h.registers(t)
	h.keepsAlive(t)
	h.callsOut(t, vendor, outside)

	first := x.calls(t, caller, "15550100", did, "in"+transport)
	invite := h.must(t, "INVITE")
	h.send(t, h.answers(invite, true))
	first.talks(t)
	h.must(t, "ACK")
	h.close(t) // in the middle of the call
	h.open(t)
	h.registers(t)
	first.asks(t, "INVITE", "", strings.Replace(caller.description(), "m=audio", "a=sendonly\nm=audio", 1))
	h.send(t, h.answers(h.must(t, "INVITE"), true))
	first.must(t, "SIP/2.0 200")
	first.asks(t, "ACK", "", "")
	h.must(t, "ACK")
	h.send(t, h.within("BYE", invite))
	h.must(t, "SIP/2.0 200")
	first.answersTo(t, "BYE")
	all := legs(t, x.settled(t, map[string]any{"called": did}, 2), 200, 200)
	if all[0].EndedBy != "CALLEE" {
		t.Errorf("%+v", all[0])
	}
	h.close(t)
	until(t, "the connection's end is noticed", func() bool {
		again := x.calls(t, caller, "15550100", did, fmt.Sprint("gone", transport, time.Now().UnixNano()))
		return strings.HasPrefix(again.must(t, "SIP/2.0 480"), "SIP/2.0 480")
	})
}

// open connects, and shakes hands.
func (h *handset) open(t *testing.T) {
	t.Helper()
	port := h.x.net.port() + map[string]int{"tcp": 0, "tls": 1, "ws": 2, "wss": 3}[h.transport]
	network, local := "tcp", net.Addr(&net.TCPAddr{IP: net.ParseIP(h.x.net.ip(70))})
	if h.transport == "udp" { // as behind a router: nobody else is heard
		network, local = "udp", &net.UDPAddr{IP: net.ParseIP(h.x.net.ip(70))}
	}
	dialer := &net.Dialer{LocalAddr: local, Timeout: patience}
	at := net.JoinHostPort(h.x.net.ip(1), strconv.Itoa(port))
	var err error
	if h.conn, err = dialer.Dial(network, at); err != nil {
		t.Fatal(err)
	}
	if h.transport == "tls" || h.transport == "wss" {
		c := &tls.Config{RootCAs: h.certs.config(t, "switch").RootCAs, ServerName: h.x.net.ip(1)}
		h.conn = tls.Client(h.conn, c)
	}
	h.read = bufio.NewReaderSize(h.conn, 1<<16)
	t.Cleanup(func() { h.conn.Close() })
	if !strings.HasPrefix(h.transport, "ws") {
		return
	}
	fmt.Fprintf(h.conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n", at)
	r := textproto.NewReader(h.read)
	line, err := r.ReadLine()
	header, headErr := r.ReadMIMEHeader()
	if err != nil || headErr != nil || !strings.Contains(line, " 101 ") || header.Get("Sec-Websocket-Protocol") != "sip" {
		t.Fatalf("the WebSocket is answered %q %v %v %v", line, header, err, headErr)
	}
}

func (h *handset) close(t *testing.T) {
	t.Helper()
	if err := h.conn.Close(); err != nil {
		t.Error(err)
	}
}

// contact is what a device can tell: over a WebSocket it has no address (RFC 7118).
func (h *handset) contact() string {
	if strings.HasPrefix(h.transport, "ws") {
		return fmt.Sprintf("<sip:%s@df7jal23ls0d.invalid;transport=ws;ob>", h.user)
	}
	return fmt.Sprintf("<sip:%s@%s:5099;transport=%s;ob>", h.user, h.x.net.ip(70), h.transport)
}

// send writes a message, given with plain line ends.
func (h *handset) send(t *testing.T, text string) {
	t.Helper()
	data := []byte(strings.ReplaceAll(text, "\n", "\r\n"))
	if strings.HasPrefix(h.transport, "ws") {
		head := bigendian.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(data)))
		data = append(append(head, 0, 0, 0, 0), data...) // masked by nothing
	}
	if _, err := h.conn.Write(data); err != nil {
		t.Fatal(err)
	}
}

// must is the next message that starts so; others are left out.
func (h *handset) must(t *testing.T, start string) string {
	t.Helper()
	for {
		if err := h.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		from := h.read
		if strings.HasPrefix(h.transport, "ws") {
			from = bufio.NewReader(strings.NewReader(h.frame(t, start)))
		}
		m := message(t, from, start)
		if strings.HasPrefix(m, start) {
			return m
		}
		if !strings.HasPrefix(m, "SIP/2.0 1") && h.transport != "udp" { // where messages are repeated
			t.Fatalf("waiting for %s, there comes\n%s", start, m)
		}
	}
}

// frame reads a WebSocket's frame.
func (h *handset) frame(t *testing.T, waiting string) string {
	t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(h.read, head); err != nil {
		t.Fatalf("waiting for %s: %v", waiting, err)
	}
	length := int(head[1] & 127)
	if length == 126 {
		long := make([]byte, 2)
		if _, err := io.ReadFull(h.read, long); err != nil {
			t.Fatal(err)
		}
		length = int(bigendian.BigEndian.Uint16(long))
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(h.read, body); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// message reads a message off a stream, with plain line ends.
func message(t *testing.T, from *bufio.Reader, waiting string) string {
	t.Helper()
	r := textproto.NewReader(from)
	var text strings.Builder
	length := 0
	for {
		line, err := r.ReadLine()
		if err != nil {
			t.Fatalf("waiting for %s: %v", waiting, err)
		}
		if line == "" && text.Len() == 0 {
			continue // a keep-alive
		}
		text.WriteString(line + "\n")
		if digits, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(digits)
		}
		if line == "" {
			break
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		t.Fatal(err)
	}
	return text.String() + strings.ReplaceAll(string(body), "\r\n", "\n")
}

// request makes a request outside of a dialog.
func (h *handset) request(method, uri, headers, body string) string {
	h.seq++
	callee := uri
	if method == "REGISTER" {
		callee = fmt.Sprintf("sip:%s@%s", h.user, h.x.net.ip(1))
	}
	return fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/%s %s.invalid;branch=z9hG4bK%s%d;rport\nFrom: <sip:%s@%s>;tag=%s\nTo: <%s>\nCall-ID: %s-%s\nCSeq: %d %s\nContact: %s\nMax-Forwards: 70\nSupported: outbound, path\n%sContent-Length: %d\n\n%s",
		method, uri, strings.ToUpper(h.transport), h.user, method, h.seq, h.user, h.x.net.ip(1), h.user, callee, method, h.user, h.seq, method, h.contact(), headers, len(strings.ReplaceAll(body, "\n", "\r\n")), body)
}

// challenged sends a request, and again with the answer to the challenge that comes.
func (h *handset) challenged(t *testing.T, method, uri, headers, body string) {
	t.Helper()
	h.send(t, h.request(method, uri, headers, body))
	refusal := h.must(t, "SIP/2.0 401")
	if method == "INVITE" {
		h.send(t, fmt.Sprintf("ACK %s SIP/2.0\n%s\n%s\nCall-ID: INVITE-%s\nCSeq: %d ACK\nVia: SIP/2.0/%s %s.invalid;branch=z9hG4bK%s%d;rport\nMax-Forwards: 70\nContent-Length: 0\n\n", uri,
			regexp.MustCompile(`(?m)^From:.*`).FindString(refusal), to.FindString(refusal), h.user, h.seq, strings.ToUpper(h.transport), h.user, method, h.seq))
	}
	secret, err := digest.SecretOf(h.user, "secret", digest.Realm)
	if err != nil {
		t.Fatal(err)
	}
	a := digest.Answer{
		Username: h.user, Realm: digest.Realm, Nonce: regexp.MustCompile(`nonce="([^"]+)"`).FindStringSubmatch(refusal)[1], URI: uri,
		Algorithm: digest.SHA256, QOP: "auth", NC: "00000001", Count: 1, CNonce: "c",
	}
	a.Sign(secret, method)
	h.send(t, h.request(method, uri, "Authorization: "+a.Header()+"\n"+headers, body))
}

func (h *handset) registers(t *testing.T) {
	t.Helper()
	h.challenged(t, "REGISTER", "sip:"+h.x.net.ip(1), "Expires: 600\n", "")
	if ok := h.must(t, "SIP/2.0 200"); !strings.Contains(ok, h.contact()[:len(h.contact())-1]) {
		t.Errorf("registered\n%s", ok)
	}
	if got := h.x.contacts(t, h.user); len(got) != 1 || got[0].Source != h.conn.LocalAddr().String() {
		t.Errorf("%s has %v", h.user, got)
	}
}

// keepsAlive asks whether the switch is there (RFC 5626, section 4.4.1).
func (h *handset) keepsAlive(t *testing.T) {
	t.Helper()
	if strings.HasPrefix(h.transport, "ws") {
		return // a WebSocket has pings of its own
	}
	h.send(t, "\n\n")
	if err := h.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	pong := make([]byte, 2)
	if _, err := io.ReadFull(h.read, pong); err != nil || string(pong) != "\r\n" {
		t.Fatalf("a keep-alive is answered %q: %v", pong, err)
	}
}

func (h *handset) description() string {
	return (&socket{ip: h.x.net.ip(70)}).description()
}

// callsOut calls a number, and is hung up on, all over the connection.
func (h *handset) callsOut(t *testing.T, vendor *socket, number string) {
	t.Helper()
	h.challenged(t, "INVITE", fmt.Sprintf("sip:%s@%s", number, h.x.net.ip(1)), "Content-Type: application/sdp\n", h.description())
	h.must(t, "SIP/2.0 100")
	at := h.x.takesLate(t, vendor, "out"+h.transport)
	ok := h.must(t, "SIP/2.0 200")
	h.send(t, fmt.Sprintf("ACK %s SIP/2.0\nVia: SIP/2.0/%s %s.invalid;branch=z9hG4bKack%d;rport\n%s\n%s\nCall-ID: INVITE-%s\nCSeq: %d ACK\nMax-Forwards: 70\nContent-Length: 0\n\n",
		contactOf.FindStringSubmatch(ok)[1], strings.ToUpper(h.transport), h.user, h.seq, regexp.MustCompile(`(?m)^From:.*`).FindString(ok), to.FindString(ok), h.user, h.seq))
	at.must(t, "ACK")
	at.asks(t, "BYE", "", "")
	at.must(t, "SIP/2.0 200")
	h.send(t, h.answers(h.must(t, "BYE"), false))
	legs(t, h.x.settled(t, map[string]any{"called": number}, 2), 200, 200)
}

// takesLate answers a call whose ACK comes later.
func (x *exchange) takesLate(t *testing.T, k *socket, tag string) *party {
	t.Helper()
	invite := k.must(t, "INVITE")
	p := &party{socket: k, x: x, id: callIDOf.FindStringSubmatch(invite)[1], target: contactOf.FindStringSubmatch(invite)[1]}
	p.local = strings.TrimPrefix(to.FindString(invite), "To: ") + ";tag=" + tag
	p.there = strings.TrimPrefix(regexp.MustCompile(`(?m)^From:.*`).FindString(invite), "From: ")
	k.says(t, x.net, strings.Replace(k.answers(invite, "200 OK", true), "tag=vendor", "tag="+tag, 1))
	return p
}

// answers is a 200 to a request.
func (h *handset) answers(request string, described bool) string {
	text := (&socket{ip: h.x.net.ip(70)}).answers(request, "200 OK", described)
	return regexp.MustCompile(`(?m)^Contact:.*`).ReplaceAllString(text, "Contact: "+h.contact())
}

// within is a request of the device's in the dialog that an INVITE began.
func (h *handset) within(method, invite string) string {
	return fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/%s %s.invalid;branch=z9hG4bKin%s;rport\n%s;tag=vendor\n%s\n%s\nCSeq: 1 %s\nMax-Forwards: 70\nContent-Length: 0\n\n",
		method, contactOf.FindStringSubmatch(invite)[1], strings.ToUpper(h.transport), h.user, method, strings.Replace(to.FindString(invite), "To:", "From:", 1),
		strings.Replace(regexp.MustCompile(`(?m)^From:.*`).FindString(invite), "From:", "To:", 1), callIDOf.FindString(invite), method)
}
