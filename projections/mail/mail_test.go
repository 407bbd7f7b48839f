package mail

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/projections/sinktest"
)

func sender(t *testing.T, s *sinktest.SMTP, change func(*Config)) *Sender {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca": s.CA, "password": []byte("secret\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Config{
		Server: "smtp://" + s.Address, From: "Tollbook <noc@example.net>", User: "noc", PasswordFile: filepath.Join(dir, "password"),
		CAFile: filepath.Join(dir, "ca"),
	}
	if change != nil {
		change(&c)
	}
	out, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func message() Message {
	return Message{
		ID: "noc-1-1", To: []string{"anna@example.com", "bob@example.com"}, Subject: "Баланс опустился", Text: "Счёт acme-usd\n.\nend\n",
		Date: time.Unix(1_800_000_000, 0).UTC(),
	}
}

// A message arrives as it was meant, over TLS, from somebody who has signed in.
func TestSend(t *testing.T) {
	server := sinktest.NewSMTP(t, base64.StdEncoding.EncodeToString([]byte("\x00noc\x00secret")))
	if err := sender(t, server, nil).Send(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	got := server.Messages()
	if len(got) != 1 {
		t.Fatal(got)
	}
	m, err := mail.ReadMessage(strings.NewReader(got[0]))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []byte(got[0]) {
		if b > 127 {
			t.Fatal("a byte that is no ASCII goes over the wire")
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Баланс опустился" || m.Header.Get("To") != "anna@example.com, bob@example.com" ||
		m.Header.Get("Message-ID") != "<noc-1-1@example.net>" || m.Header.Get("From") != `"Tollbook" <noc@example.net>` {
		t.Errorf("%q %v", m.Header, err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil || strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")) != "Счёт acme-usd\n.\nend" {
		t.Errorf("%q %v", text, err)
	}
}

func TestNotSent(t *testing.T) {
	server := sinktest.NewSMTP(t, base64.StdEncoding.EncodeToString([]byte("\x00noc\x00secret")))
	for name, c := range map[string]struct {
		change func(*Config)
		spoil  func(*Message)
		want   string
	}{
		"nobody":    {func(c *Config) { c.Server = "" }, nil, "mail.server"},
		"stranger":  {func(c *Config) { c.CAFile = "" }, nil, "certificate"},
		"password":  {func(c *Config) { c.User = "eve" }, nil, "535"},
		"unsigned":  {func(c *Config) { c.User = "" }, nil, "530"},
		"injection": {nil, func(m *Message) { m.Subject = "x\r\nBcc: eve@example.com" }, "line end"},
		"recipient": {nil, func(m *Message) { m.To = []string{"a@example.com\r\nDATA"} }, "line end"},
	} {
		m := message()
		if c.spoil != nil {
			c.spoil(&m)
		}
		if err := sender(t, server, c.change).Send(t.Context(), m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	server.Refuse("450 later")
	if err := sender(t, server, nil).Send(t.Context(), message()); err == nil || !strings.Contains(err.Error(), "anna@example.com: 450") {
		t.Errorf("%v", err)
	}
	if got := server.Messages(); len(got) > 0 {
		t.Errorf("%q was taken", got)
	}
	for _, c := range []Config{
		{Server: "mail.example.net"}, {Server: "smtp://mail.example.net"}, {Server: "http://mail.example.net:25"}, {Server: "smtp://a:25", From: "nobody"},
		{Server: "smtp://a:25", From: "a@b.c", CAFile: "/nowhere"}, {Server: "smtp://a:25", From: "a@b.c", User: "x", PasswordFile: "/nowhere"},
	} {
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "mail.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestTold(t *testing.T) {
	alert := &wire.Event{Body: &wire.Event_AlertRaised{AlertRaised: &wire.AlertRaised{
		Account: "acme-usd", Currency: "USD", BalanceMicro: 3_200_000, ThresholdMicro: 10_000_000}}}
	list := []events.Recorded{{Event: alert, TimeUS: 1_800_000_000_000_000}}
	about := func(*wire.Event) string { return "acme-usd" }
	subject, text := Told("en", list, about)
	if subject != "Tollbook: account acme-usd: the balance 3.200000 USD has come below 10.000000" ||
		text != "2027-01-15 08:00:00 UTC  account acme-usd: the balance 3.200000 USD has come below 10.000000\n" {
		t.Errorf("%q, %q", subject, text)
	}
	if subject, _ = Told("ru", list, about); !strings.HasPrefix(subject, "Tollbook: счёт acme-usd") {
		t.Errorf("%q", subject)
	}
	posted := events.Recorded{Event: &wire.Event{Body: &wire.Event_MoneyPosted{MoneyPosted: &wire.MoneyPosted{}}}}
	for range 40 {
		list = append(list, posted)
	}
	subject, text = Told("", list, about)
	if !strings.HasSuffix(subject, ", and 40 more") || strings.Count(text, "\n") != maxTold+1 || !strings.Contains(text, "money posted: acme-usd") ||
		!strings.HasSuffix(text, "and 11 more\n") {
		t.Errorf("%q\n%s", subject, text)
	}
}
