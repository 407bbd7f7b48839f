package sinktest

import (
	"crypto/tls"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync"
	"testing"
)

// SMTP is a server that takes e-mail (RFC 5321) from one client at a time, after STARTTLS
// (RFC 3207) and PLAIN authentication (RFC 4954) where it has a password.
type SMTP struct {
	// Address is where it listens, CA vouches for it at 127.0.0.1.
	Address string
	CA      []byte

	config   *tls.Config
	password string
	mu       sync.Mutex
	messages []string
	refuse   string
}

// NewSMTP starts a server that ends with the test. Password is that of everybody, in base64
// with the name as PLAIN has it; empty asks for none.
func NewSMTP(t testing.TB, password string) *SMTP {
	t.Helper()
	certs := httptest.NewTLSServer(nil)
	t.Cleanup(certs.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &SMTP{
		Address: l.Addr().String(), password: password, config: &tls.Config{Certificates: certs.TLS.Certificates, MinVersion: tls.VersionTLS12},
		CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certs.Certificate().Raw}),
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.serve(conn)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		served.Wait()
	})
	return s
}

// Refuse answers every recipient with a line, such as "450 try later"; empty ends that.
func (s *SMTP) Refuse(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = line
}

// Messages are those that came, whole.
func (s *SMTP) Messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.messages...)
}

func (s *SMTP) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	text := textproto.NewConn(conn)
	say := func(line string) { _ = text.PrintfLine("%s", line) } // who has gone reads no more
	say("220 test")
	secure, known := false, s.password == ""
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			if !secure {
				say("250-test\r\n250 STARTTLS")
			} else {
				say("250-test\r\n250 AUTH PLAIN")
			}
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.config)
			text, secure = textproto.NewConn(conn), true
		case "AUTH":
			if known = rest == "PLAIN "+s.password; known {
				say("235 welcome")
			} else {
				say("535 no")
			}
		case "MAIL":
			if !secure || !known {
				say("530 first STARTTLS and AUTH")
			} else {
				say("250 go on")
			}
		case "RCPT":
			s.mu.Lock()
			refuse := s.refuse
			s.mu.Unlock()
			if refuse == "" {
				refuse = "250 go on"
			}
			say(refuse)
		case "DATA":
			say("354 go on")
			lines, err := text.ReadDotLines()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.messages = append(s.messages, strings.Join(lines, "\n"))
			s.mu.Unlock()
			say("250 it is here")
		case "QUIT":
			say("221 good-bye")
			return
		default:
			say("502 what?")
		}
	}
}
