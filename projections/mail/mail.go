// Package mail tells people of events by e-mail, through one SMTP server (RFC 5321).
package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"net/smtp"
	"net/url"
	"os"
	"strings"
	"time"
)

// within bounds the sending of a message.
const within = 30 * time.Second

// Config is the part of a node's file that says how mail is sent.
type Config struct {
	// Server is smtp://host:587, which must offer STARTTLS unless it is of this machine, or
	// smtps://host:465. Empty sends none.
	Server string `yaml:"server"`
	// From is whom the mail is from, as "Tollbook <noc@example.net>".
	From string `yaml:"from"`
	// User and PasswordFile sign in, where the server wants that.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// CAFile vouches for the server; empty is the system's.
	CAFile string `yaml:"ca_file"`
}

// Sender sends mail; the zero Sender says that there is no server.
type Sender struct {
	host, address string
	wrapped       bool // TLS from the first byte
	from          *mail.Address
	auth          smtp.Auth
	trust         *tls.Config
}

// Open reads what a Sender needs.
func Open(c Config) (*Sender, error) {
	if c.Server == "" {
		return &Sender{}, nil
	}
	to, err := url.Parse(c.Server)
	if err != nil || to.Port() == "" || to.Scheme != "smtp" && to.Scheme != "smtps" || to.Path != "" {
		return nil, fmt.Errorf("mail.server %q is not such as smtp://mail.example.net:587 or smtps://mail.example.net:465", c.Server)
	}
	s := &Sender{host: to.Hostname(), address: to.Host, wrapped: to.Scheme == "smtps"}
	if s.from, err = mail.ParseAddress(c.From); err != nil {
		return nil, fmt.Errorf("mail.from %q is not such as Tollbook <noc@example.net>: %w", c.From, err)
	}
	s.trust = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		text, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mail.ca_file: %w", err)
		}
		s.trust.RootCAs = x509.NewCertPool()
		if !s.trust.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("mail.ca_file: %s has no certificate", c.CAFile)
		}
	}
	if c.User != "" {
		password, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("mail.password_file: %w", err)
		}
		s.auth = smtp.PlainAuth("", c.User, strings.TrimSpace(string(password)), s.host)
	}
	return s, nil
}

// Message is an e-mail in plain text.
type Message struct {
	// ID is the same each time that it is sent.
	ID            string
	To            []string
	Subject, Text string
	Date          time.Time
}

// Send hands a message to the server. One that was handed over may come again when the
// connection broke before the server said so.
func (s *Sender) Send(ctx context.Context, m Message) error {
	if s.address == "" {
		return errors.New("mail.server in the node's configuration is empty: no e-mail is sent")
	}
	text, err := s.format(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	wire, err := new(net.Dialer).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = wire.Close() })()
	conn := wire
	if s.wrapped {
		conn = tls.Client(wire, s.trust)
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		_ = conn.Close()
		return err
	}
	defer func() { _ = c.Close() }()
	return s.talk(c, m.To, text)
}

func (s *Sender) talk(c *smtp.Client, to []string, text []byte) error {
	if offered, _ := c.Extension("STARTTLS"); offered && !s.wrapped {
		if err := c.StartTLS(s.trust); err != nil {
			return err
		}
	} else if !s.wrapped && !ofThisMachine(s.host) {
		return fmt.Errorf("%s offers no STARTTLS: mail would go in plain text", s.host)
	}
	if s.auth != nil {
		if err := c.Auth(s.auth); err != nil {
			return err
		}
	}
	if err := c.Mail(s.from.Address); err != nil {
		return err
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it has the mail
	return nil
}

func ofThisMachine(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// format writes a message (RFC 5322) with its headers encoded (RFC 2047).
func (s *Sender) format(m Message) ([]byte, error) {
	if strings.ContainsAny(m.Subject+m.ID+strings.Join(m.To, ""), "\r\n") {
		return nil, errors.New("a header of a mail has a line end in it")
	}
	_, domain, _ := strings.Cut(s.from.Address, "@")
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", s.from.String()}, {"To", strings.Join(m.To, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", m.Subject)},
		{"Date", m.Date.Format(time.RFC1123Z)}, {"Message-ID", "<" + m.ID + "@" + domain + ">"}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	if _, err := q.Write([]byte(strings.ReplaceAll(m.Text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	return b.Bytes(), q.Close()
}
