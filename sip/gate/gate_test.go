package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// free gives a port that nobody uses on an address.
func free(t *testing.T, ip string) uint16 {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("SKIPPED: %s cannot be bound: %v", ip, err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// door opens a gate that answers OPTIONS with the name of the listener it came by.
func door(t *testing.T, known func(netip.Addr) bool, listeners ...ListenerConfig) *Gate {
	t.Helper()
	g, err := Open(Config{Listeners: listeners, UserAgent: "test", Known: known, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	g.On(sip.OPTIONS, func(req *sip.Request, tx ServerTransaction) {
		if err := tx.Respond(sip.NewResponseFromRequest(req, 200, g.ListenerOf(tx).Name(), nil)); err != nil {
			t.Error(err)
		}
	})
	g.Serve()
	t.Cleanup(func() {
		if err := g.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g
}

func all(netip.Addr) bool { return true }

func optionsTo(from, branch, more string) string {
	return strings.ReplaceAll(fmt.Sprintf(`OPTIONS sip:x@y SIP/2.0
Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s
From: <sip:a@b>;tag=1
To: <sip:x@y>
Call-ID: %s
CSeq: 1 OPTIONS
Max-Forwards: 70
Content-Length: 0

`, from, branch, more, branch), "\n", "\r\n")
}

// Each listener answers from its own address, to where the Via says, or to where the
// request came from if it asks for that.
func TestAnswersByTheSameListener(t *testing.T) {
	port := free(t, "127.0.0.1")
	ports := map[string]uint16{"udp": port, "tcp": port}
	door(t, all, ListenerConfig{Name: "one", Addr: netip.MustParseAddr("127.0.0.1"), Ports: ports},
		ListenerConfig{Name: "two", Addr: netip.MustParseAddr("127.0.0.2"), Ports: ports})
	for ip, name := range map[string]string{"127.0.0.1": "one", "127.0.0.2": "two"} {
		at := net.JoinHostPort(ip, fmt.Sprint(port))
		conn, err := net.Dial("udp", at) // hears only what comes from there
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		own := conn.LocalAddr().(*net.UDPAddr)
		for i, c := range []struct{ sentBy, more, want string }{
			{own.String(), "", own.String()},
			{fmt.Sprintf("host.invalid:%d", own.Port), "", fmt.Sprintf(";received=%s", own.IP)},
			{"192.0.2.1:9", ";rport", fmt.Sprintf("rport=%d;received=%s", own.Port, own.IP)},
		} {
			if _, err := conn.Write([]byte(optionsTo(c.sentBy, fmt.Sprint(name, i), c.more))); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 2000)
			n, err := conn.Read(buf)
			if got := string(buf[:n]); err != nil || !strings.HasPrefix(got, "SIP/2.0 200 "+name) || !strings.Contains(got, c.want) {
				t.Errorf("%s via %s: %v\n%s", name, c.sentBy, err, got)
			}
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	port := free(t, "127.0.0.1")
	g := door(t, all, ListenerConfig{Name: "one", Addr: netip.MustParseAddr("127.0.0.1"), Ports: map[string]uint16{"tcp": port}, MaxConnections: 2})
	var conns []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ask(t, c)
		conns = append(conns, c)
	}
	third, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if err := third.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := third.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("a third connection is open: %d, %v", n, err)
	}
	conns[0].Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if l := g.Listeners()[0]; l.census.enter(netip.MustParseAddr("127.0.0.1"), false) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the place of a closed connection is not free")
		}
	}
}

func ask(t *testing.T, c net.Conn) {
	t.Helper()
	message := strings.Replace(optionsTo(c.LocalAddr().String(), fmt.Sprint(time.Now().UnixNano()), ""), "/UDP", "/TCP", 1)
	for i := range len(message) { // byte by byte
		if _, err := c.Write([]byte{message[i]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	if n, err := c.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200") {
		t.Fatalf("%v\n%s", err, buf[:n])
	}
}

// identity writes a certificate for a host, signed by itself, and reads it.
func identity(t *testing.T, dir, host string) *Identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{"c": {Type: "CERTIFICATE", Bytes: der}, "k": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id, err := LoadIdentity(filepath.Join(dir, "c"), filepath.Join(dir, "k"), filepath.Join(dir, "c"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A gate calls itself over TLS: only by the name in the certificate, which may be
// renewed while it runs.
func TestNamesOfCertificates(t *testing.T) {
	dir := t.TempDir()
	id := identity(t, dir, "here.test")
	port := free(t, "127.0.0.1")
	g := door(t, all, ListenerConfig{Name: "one", Addr: netip.MustParseAddr("127.0.0.1"), Ports: map[string]uint16{"tls": port}, Identity: id})
	l, at := g.Listeners()[0], netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	if err := l.Connect(t.Context(), "tls", at, "there.test"); err == nil {
		t.Error("connected to there.test, whose certificate is here.test's")
	}
	if err := l.Connect(t.Context(), "tls", at, "here.test"); err != nil {
		t.Fatal(err)
	}
	if err := l.Connect(t.Context(), "tls", at, "there.test"); err == nil {
		t.Error("the connection to here.test serves for there.test")
	}
	if err := l.Connect(t.Context(), "tls", at, "127.0.0.1"); err != nil {
		t.Errorf("a request to the address: %v", err)
	}
	identity(t, dir, "renewed.test")
	if err := id.Renew(); err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", at.String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the name is looked at below
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != "renewed.test" {
		t.Errorf("the certificate is %s's", got)
	}
}

// A WebSocket client that waits with its handshake keeps nobody else from coming in.
func TestWebSocket(t *testing.T) {
	port := free(t, "127.0.0.1")
	door(t, all, ListenerConfig{Name: "web", Addr: netip.MustParseAddr("127.0.0.1"), Ports: map[string]uint16{"ws": port}})
	slow, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	ua, err := sipgo.NewUA()
	if err != nil {
		t.Fatal(err)
	}
	defer ua.Close()
	client, err := sipgo.NewClient(ua)
	if err != nil {
		t.Fatal(err)
	}
	req := sip.NewRequest(sip.OPTIONS, sip.Uri{Scheme: "sip", Host: "127.0.0.1", Port: int(port), UriParams: sip.HeaderParams{{K: "transport", V: "ws"}}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	res, err := client.Do(ctx, req)
	if err != nil || res.StatusCode != 200 || res.Reason != "web" {
		t.Errorf("%v, %v", res, err)
	}
}

// IPv6: our own addresses stand in brackets, and requests go there.
func TestIPv6(t *testing.T) {
	port := free(t, "::1")
	g := door(t, all, ListenerConfig{Name: "six", Addr: netip.IPv6Loopback(), Ports: map[string]uint16{"udp": port, "tcp": port}})
	for _, transport := range []string{"udp", "tcp"} {
		contact := g.Listener("six").Contact(transport)
		if want := fmt.Sprintf("sip:tollbook@[::1]:%d", port); !strings.HasPrefix(contact.String(), want) {
			t.Errorf("%s is not %s", contact.String(), want)
		}
		req := complete(sip.NewRequest(sip.OPTIONS, contact))
		req.SetTransport(strings.ToUpper(transport))
		req.SetDestination(HostPort(contact.Host, contact.Port))
		tx, err := g.Client().TransactionRequest(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case res := <-tx.Responses():
			if res.StatusCode != 200 || !strings.Contains(res.Via().Value(), fmt.Sprintf("[::1]:%d", port)) {
				t.Errorf("%v", res)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("no answer over %s", transport)
		}
		tx.Terminate()
	}
}

// complete gives a request what every request has.
func complete(req *sip.Request) *sip.Request {
	id, hops := sip.CallIDHeader(sip.GenerateTagN(16)), sip.MaxForwardsHeader(70)
	from := &sip.FromHeader{Address: req.Recipient}
	from.Params.Add("tag", "1")
	for _, h := range []sip.Header{from, &sip.ToHeader{Address: req.Recipient}, &id, &sip.CSeqHeader{SeqNo: 1, MethodName: req.Method}, &hops} {
		req.AppendHeader(h)
	}
	return req
}

// Strangers take half of the places at most, and few each.
func TestStrangersLeaveRoom(t *testing.T) {
	c := newCensus(40)
	one := netip.MustParseAddr("192.0.2.1")
	for i := range perStranger + 1 {
		if got := c.enter(one, true); got != (i < perStranger) {
			t.Errorf("a stranger's connection %d: %v", i, got)
		}
	}
	in := perStranger
	for i := range 40 {
		if c.enter(netip.AddrFrom4([4]byte{192, 0, 3, byte(i)}), true) {
			in++
		}
	}
	if in != 20 {
		t.Errorf("%d connections of strangers, want half of 40", in)
	}
	if !c.enter(netip.MustParseAddr("198.51.100.1"), false) {
		t.Error("a peer finds no room")
	}
	c.leave(one, true)
	if !c.enter(one, true) || c.enter(one, true) {
		t.Error("one place that is free again is not one place")
	}
}
