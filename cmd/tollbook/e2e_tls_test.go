package main_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert, a.key = a.sign(t, "ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// write makes name.pem and name.key, a certificate for a host or an address.
func (a *authority) write(t *testing.T, name, host string) {
	t.Helper()
	c := &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	a.sign(t, name, c)
}

func (a *authority) sign(t *testing.T, name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func (a *authority) config(t *testing.T, name string) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// wired is a party on a connection.
type wired struct {
	*socket
	conn net.Conn
	read *bufio.Reader
}

// must is the next message, which has to start so; provisional answers are left out.
func (w *wired) must(t *testing.T, start string) string {
	t.Helper()
	for {
		if err := w.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		r := textproto.NewReader(w.read)
		line, err := r.ReadLine()
		if err != nil {
			t.Fatalf("waiting for %s: %v", start, err)
		}
		var text strings.Builder
		text.WriteString(line + "\n")
		length := 0
		for {
			h, err := r.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			text.WriteString(h + "\n")
			if digits, ok := strings.CutPrefix(h, "Content-Length: "); ok {
				length, _ = strconv.Atoi(digits)
			}
			if h == "" {
				break
			}
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(w.read, body); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(line, start) {
			return text.String()
		}
		if !strings.HasPrefix(line, "SIP/2.0 1") {
			t.Fatalf("%s came, not %s", line, start)
		}
	}
}

func (w *wired) says(t *testing.T, message string) {
	t.Helper()
	message = strings.ReplaceAll(strings.Replace(message, "SIP/2.0/UDP", "SIP/2.0/TLS", 1), "\n", "\r\n")
	if _, err := io.WriteString(w.conn, message); err != nil {
		t.Fatal(err)
	}
}

// Both sides speak TLS: the vendor is known by his name, and asks for our certificate.
func playTLS(t *testing.T, s *stage, certs *authority) {
	certs.write(t, "vendor", "vendor.test")
	certs.write(t, "caller", "caller.test")
	listener, err := tls.Listen("tcp", fmt.Sprintf("%s:%d", s.vendorIP(0), s.net.port()+1), certs.config(t, "vendor"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.customerIP())}}
	conn, err := tls.DialWithDialer(dialer, "tcp", fmt.Sprintf("%s:%d", s.net.ip(1), s.net.port()+1), certs.config(t, "caller"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	caller := &wired{&socket{nil, s.customerIP(), s.net.port()}, conn, bufio.NewReader(conn)}
	caller.says(t, caller.request("INVITE", s, "1", 1, ""))
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	vendor := &wired{&socket{nil, s.vendorIP(0), s.net.port() + 1}, accepted, bufio.NewReader(accepted)}
	invite := vendor.must(t, "INVITE")
	if !strings.Contains(invite, "SIP/2.0/TLS "+s.net.ip(1)) || !strings.Contains(invite, ";transport=tls>") {
		t.Errorf("the vendor is called with\n%s", invite)
	}
	vendor.says(t, vendor.answers(invite, "200 OK", true))
	ok := caller.must(t, "SIP/2.0 200")
	caller.says(t, caller.request("ACK", s, "2", 1, toTag.FindStringSubmatch(ok)[1]))
	vendor.must(t, "ACK")
	caller.says(t, caller.request("BYE", s, "3", 2, toTag.FindStringSubmatch(ok)[1]))
	caller.must(t, "SIP/2.0 200")
	bye := vendor.must(t, "BYE")
	vendor.says(t, vendor.answers(bye, "200 OK", false))
	s.billed(t, legs(t, s.settled(t, s.filter(), 2), 200, 200), 0)
	// What was encrypted stands in the capture in plain text, between the true ends.
	capture, err := os.ReadFile(finished(t, s.data, ".pcap", 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	far, near := conn.LocalAddr().(*net.TCPAddr).Port, s.net.port()+1
	if !bytes.Contains(capture, []byte{byte(far >> 8), byte(far), byte(near >> 8), byte(near)}) {
		t.Errorf("nothing in the capture is from port %d to %d", far, near)
	}
	for what, least := range map[string]int{"INVITE sip:": 2, "SIP/2.0 200 OK": 4, "ACK sip:": 2, "BYE sip:": 2} {
		if n := strings.Count(string(capture), what); n < least {
			t.Errorf("%q is in the capture %d times, want %d", what, n, least)
		}
	}
}
