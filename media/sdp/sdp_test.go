package sdp

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/media/srtp"
)

// read returns a description of testdata with the line ends SIP sends.
func read(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(strings.ReplaceAll(string(text), "\n", "\r\n"))
}

func TestParseOffer(t *testing.T) {
	s, err := Parse(read(t, "offer.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	audio, i, ok := s.Audio()
	if !ok || i != 0 || len(s.Media) != 3 || s.Version != "2890844527" {
		t.Fatalf("audio %d %v of %d media, version %s", i, ok, len(s.Media), s.Version)
	}
	if got := audio.Address.String(); got != "203.0.113.7:49170" {
		t.Errorf("address %s", got)
	}
	if got := audio.RTCP.String(); got != "203.0.113.8:53020" {
		t.Errorf("rtcp %s", got)
	}
	if audio.PTime != 20*time.Millisecond || audio.Direction != SendOnly || !audio.OnHold() {
		t.Errorf("ptime %v, direction %v, hold %v", audio.PTime, audio.Direction, audio.OnHold())
	}
	if pt, ok := audio.TelephoneEvent(); !ok || pt != 101 {
		t.Errorf("telephone-event %d %v", pt, ok)
	}
	want := []Format{
		{Token: "8", PayloadType: 8, Codec: "PCMA", ClockRate: 8000, Channels: 1},
		{Token: "18", PayloadType: 18, Codec: "G729", ClockRate: 8000, Channels: 1, Parameters: "annexb=no"},
		{Token: "96", PayloadType: 96, Codec: "opus", ClockRate: 48000, Channels: 2, Parameters: "useinbandfec=1"},
		{Token: "101", PayloadType: 101, Codec: "telephone-event", ClockRate: 8000, Channels: 1, Parameters: "0-15"},
	}
	if diff := cmp.Diff(want, audio.Formats); diff != "" {
		t.Error(diff)
	}
	fax := s.Media[1]
	if fax.Type != "image" || fax.Formats[0].PayloadType != -1 || fax.Address.String() != "[2001:db8::7]:6000" {
		t.Errorf("fax %+v", fax)
	}
	if video := s.Media[2]; video.Port != 0 || video.Address.IsValid() || video.Direction != Inactive {
		t.Errorf("rejected stream %+v", video)
	}
}

func TestRewriteHidesTheFarEndAndKeepsTheRest(t *testing.T) {
	s, err := Parse(read(t, "offer.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Rewrite(Outgoing{Addr: netip.MustParseAddr("192.0.2.1"), ID: 7, Version: 8, Port: func(i int) int { return 30000 + 2*i }})
	if diff := cmp.Diff(string(read(t, "offer.rewritten.sdp")), string(got)); diff != "" {
		t.Error(diff)
	}
	if string(s.Bytes()) != string(read(t, "offer.sdp")) {
		t.Error("Rewrite changed the session")
	}
}

func TestNullAddressMeansHoldAndStays(t *testing.T) {
	text := "v=0\no=- 1 1 IN IP4 10.0.0.1\ns=-\nc=IN IP4 0.0.0.0\nt=0 0\nm=audio 4000/2 RTP/AVP 0"
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _ := s.Audio(); !m.OnHold() || m.Direction != SendRecv {
		t.Errorf("hold %v, direction %v", m.OnHold(), m.Direction)
	}
	got := string(s.Rewrite(Outgoing{Addr: netip.MustParseAddr("2001:db8::1"), ID: 1, Version: 1, Port: func(int) int { return 9 }}))
	want := "v=0\no=- 1 1 IN IP6 2001:db8::1\ns=-\nc=IN IP6 ::\nt=0 0\nm=audio 9 RTP/AVP 0"
	if got != want {
		t.Errorf("got %q", got)
	}
}

func TestHostNameIsNotResolved(t *testing.T) {
	s, err := Parse([]byte("v=0\r\no=a b 1 1 IN IP4 x\r\nc=IN IP4 media.example\r\nm=audio 4 RTP/AVP 0\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m, _, ok := s.Audio(); !ok || m.Address.IsValid() || m.RTCP.IsValid() {
		t.Errorf("%+v", m)
	}
}

func TestRefusals(t *testing.T) {
	head := "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\nc=IN IP4 192.0.2.9\r\n"
	tests := []struct {
		name, text string
		line       int
	}{
		{"empty", "", 0},
		{"no version", "o=- 1 1 IN IP4 192.0.2.9\r\n", 1},
		{"other version", "v=1\r\n", 1},
		{"no origin", "v=0\r\ns=-\r\n", 0},
		{"short origin", "v=0\r\no=- 1 1\r\n", 2},
		{"second origin", head + "o=- 1 1 IN IP4 192.0.2.9\r\n", 4},
		{"not a line", head + "hello\r\n", 4},
		{"short connection", head + "c=IN IP4\r\n", 4},
		{"zone", "v=0\r\nc=IN IP6 fe80::1%eth0\r\n", 2},
		{"short media", head + "m=audio 4000 RTP/AVP\r\n", 4},
		{"port too large", head + "m=audio 65536 RTP/AVP 0\r\n", 4},
		{"payload type too large", head + "m=audio 4000 RTP/AVP 128\r\n", 4},
		{"no connection", "v=0\r\no=- 1 1 IN IP4 x\r\nm=audio 4000 RTP/AVP 0\r\n", 3},
		{"too many media", head + strings.Repeat("m=audio 0 RTP/AVP 0\r\n", MaxMedia+1), 4 + MaxMedia},
		{"too many formats", head + "m=audio 0 RTP/AVP" + strings.Repeat(" 0", MaxFormats+1), 4},
		{"too many lines", head + strings.Repeat("\n", MaxLines), MaxLines + 1},
		{"too long", head + strings.Repeat("a", MaxBytes), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := Parse([]byte(test.text))
			var refused *Error
			if !errors.As(err, &refused) || s != nil || refused.Line != test.line {
				t.Errorf("session %v, error %v, want line %d", s != nil, err, test.line)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, "offer.sdp"))
	f.Add([]byte("v=0\no=a b 1 1 IN IP4 x\nc=IN IP4 0.0.0.0/127\nm=audio 1/2 RTP/AVP 0 101\na=rtcp:9 IN IP4 1.2.3.4\na=rtpmap:101 x/8000/2"))
	f.Add([]byte("v=0\no=a 1 1 IN IP4 x\nc=IN IP4 192.0.2.9\nm=audio 1 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^20|1:4 WSH=64\nm=image 2 udptl t38"))
	ours := netip.MustParseAddr("192.0.2.1")
	key, err := srtp.ParseKey(srtp.AES128CM80, strings.Repeat("A", 40))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if string(s.Bytes()) != string(text) {
			t.Fatal("Bytes is not what was parsed")
		}
		going := Outgoing{
			Addr: ours, ID: 1, Version: 1, Port: func(i int) int { return 10000 + 2*i },
			Profile: func(i int) string { return s.Media[i].Profile(true) },
			Crypto:  func(i int) []Crypto { return []Crypto{{Tag: i + 1, Key: key}} },
		}
		out := s.Rewrite(going)
		if len(out) > MaxBytes {
			return
		}
		again, err := Parse(out)
		if err != nil {
			t.Fatalf("rewritten text is refused: %v\n%q", err, out)
		}
		for i, m := range again.Media {
			if m.Port == 0 {
				continue
			}
			if int(m.Port) != 10000+2*i || m.Address.Addr() != ours && !m.Address.Addr().IsUnspecified() {
				t.Fatalf("media %d leads to %v", i, m.Address)
			}
			if len(m.Crypto) != 1 || m.Crypto[0].Tag != i+1 || !m.Crypto[0].Key.Equal(key) || len(m.Unusable) != 0 {
				t.Fatalf("media %d has the keys %v, %v", i, m.Crypto, m.Unusable)
			}
		}
		if twice := again.Rewrite(going); string(twice) != string(out) {
			t.Fatalf("rewriting twice differs:\n%q\n%q", out, twice)
		}
	})
}

func TestMuxIsSaidWhereAskedFor(t *testing.T) {
	s, err := Parse([]byte("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\na=ptime:20\r\nm=video 4002 RTP/AVP 96"))
	if err != nil {
		t.Fatal(err)
	}
	out := Outgoing{Addr: netip.MustParseAddr("192.0.2.1"), ID: 1, Version: 1, Port: func(int) int { return 9 }}
	for mux, want := range map[int]string{
		-1: "m=audio 9 RTP/AVP 0\r\na=ptime:20\r\nm=video 9 RTP/AVP 96",
		0:  "m=audio 9 RTP/AVP 0\r\na=rtcp-mux\r\na=ptime:20\r\nm=video 9 RTP/AVP 96",
		1:  "m=audio 9 RTP/AVP 0\r\na=ptime:20\r\nm=video 9 RTP/AVP 96\r\na=rtcp-mux\r\n",
	} {
		out.Mux = func(i int) bool { return i == mux }
		if got := string(s.Rewrite(out)); !strings.HasSuffix(got, want) {
			t.Errorf("%d: %q", mux, got)
		}
	}
}
