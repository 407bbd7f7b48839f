package sdp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tollbook/tollbook/media/srtp"
)

// master is a key of AES_CM_128, or of AEAD_AES_128_GCM without its last two bytes.
const master = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"

func TestCryptoLines(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master, ""},
		{"1 aes_cm_128_hmac_sha1_32 INLINE:" + master, ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^20", ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|1048576|1:4", ""},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|66051:4 WSH=64 KDR=0 -X", ""},
		{"1 AEAD_AES_128_GCM inline:" + master[:36] + "Jg==", ""},
		{"999999999 AES_CM_128_HMAC_SHA1_80 inline:" + master, ""},
		{"1000000000 AES_CM_128_HMAC_SHA1_80 inline:" + master, "the tag is no number"},
		{"1 AES_CM_128_HMAC_SHA1_80", "not a tag, a suite and a key"},
		{"1 F8_128_HMAC_SHA1_80 inline:" + master, "no crypto suite of ours"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master[4:], "not a key of the suite"},
		{"1 AES_CM_128_HMAC_SHA1_80 uri:" + master, "the key is not given inline"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + ";inline:" + master, "several keys"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^19", "neither a lifetime"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^49", "neither a lifetime"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|256:1", "neither a lifetime"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|1:4|2^20", "neither a lifetime"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^20|2^20", "neither a lifetime"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + " UNENCRYPTED_SRTCP", "unencrypted srtcp media is not accepted"},
		{"1 AES_CM_128_HMAC_SHA1_80 inline:" + master + " KDR=4", `parameter "KDR" is not supported`},
	} {
		m := parsed(t, "m=audio 4000 RTP/SAVP 8", "a=crypto:"+c.line).Media[0]
		reason := strings.Join(m.Unusable, "; ")
		if len(m.Crypto)+len(m.Unusable) != 1 || (reason == "") != (c.want == "") || !strings.Contains(reason, c.want) || strings.Contains(reason, master[4:20]) {
			t.Errorf("%s: %v, %q, want %q", c.line, m.Crypto, reason, c.want)
		}
	}
}

func TestCryptoLinesAreBounded(t *testing.T) {
	lines := []string{"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + master, "m=audio 4000 RTP/SAVP 8"}
	for tag := range 2 * MaxCrypto {
		lines = append(lines, fmt.Sprintf("a=crypto:%d AES_CM_128_HMAC_SHA1_80 inline:%s", tag/2, master))
	}
	m := parsed(t, lines...).Media[0]
	if len(m.Crypto) != MaxCrypto/2 || len(m.Unusable) != MaxCrypto/2 || !strings.Contains(m.Unusable[0], "twice") {
		t.Errorf("%v, %v", m.Crypto, m.Unusable)
	}
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		proto, plain, secure string
		is, handshake        bool
	}{
		{"RTP/AVP", "RTP/AVP", "RTP/SAVP", false, false},
		{"rtp/savp", "RTP/AVP", "RTP/SAVP", true, false},
		{"RTP/AVPF", "RTP/AVPF", "RTP/SAVPF", false, false},
		{"RTP/SAVPF", "RTP/AVPF", "RTP/SAVPF", true, false},
		{"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVPF", false, true},
		{"udptl", "udptl", "udptl", false, false},
	} {
		m := Media{Proto: c.proto}
		if m.Profile(false) != c.plain || m.Profile(true) != c.secure || m.Secure() != c.is || m.Handshake() != c.handshake {
			t.Errorf("%s: %s %s %v %v", c.proto, m.Profile(false), m.Profile(true), m.Secure(), m.Handshake())
		}
	}
}

// The far end's keys go no further; ours stand in front of the stream's attributes.
func TestRewriteReplacesKeys(t *testing.T) {
	ours, err := srtp.ParseKey(srtp.AES128CM80, strings.Repeat("A", 40))
	if err != nil {
		t.Fatal(err)
	}
	s := parsed(t,
		"m=audio 4000 RTP/SAVP 8", "k=clear:x", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+master, "a=fingerprint:sha-1 4A", "a=ptime:20",
		"m=video 0 RTP/SAVP 31", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+master)
	out := Outgoing{
		Addr: netip.MustParseAddr("192.0.2.1"), ID: 1, Version: 1, Port: func(int) int { return 6000 },
		Profile: func(i int) string { return []string{"RTP/AVP", ""}[i] },
		Crypto: func(i int) []Crypto {
			return [][]Crypto{{{Tag: 7, Key: ours}, {Tag: 8, Key: ours}}, nil}[i]
		},
	}
	const head = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
	line := " AES_CM_128_HMAC_SHA1_80 inline:" + strings.Repeat("A", 40)
	want := head + "m=audio 6000 RTP/AVP 8\na=crypto:7" + line + "\na=crypto:8" + line + "\na=ptime:20\nm=video 0 RTP/SAVP 31\n"
	if diff := cmp.Diff(want, string(s.Rewrite(out))); diff != "" {
		t.Error(diff)
	}
	bare, err := Parse([]byte("v=0\r\no=- 1 1 IN IP4 x\r\nc=IN IP4 192.0.2.9\r\nm=audio 4000 RTP/AVP 8"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(bare.Rewrite(out)); !strings.HasSuffix(got, "\r\nm=audio 6000 RTP/AVP 8\r\na=crypto:7"+line+"\r\na=crypto:8"+line+"\r\n") {
		t.Errorf("%q", got)
	}
}

func TestHideKeys(t *testing.T) {
	text := "INVITE\r\na=crypto:1 X inline:" + master + "|2^20|1:4;Inline:" + master + "\r\nÄ inline:" + master
	hidden := string(HideKeys([]byte(text)))
	if len(hidden) != len(text) || strings.Contains(hidden, master[1:8]) || strings.ReplaceAll(text, master, strings.Repeat("*", len(master))) != hidden {
		t.Errorf("%q", hidden)
	}
}

// FuzzCrypto reads a=crypto lines of any content: what can be used comes back as it
// was, and no refusal has a key in it.
func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + master + "|2^20|1:4 WSH=64")
	f.Add("1 AEAD_AES_128_GCM inline:" + master[:36] + "Jg== -X KDR=0")
	f.Add("2 AES_CM_128_HMAC_SHA1_32 inline:" + master + ";inline:" + master)
	f.Fuzz(func(t *testing.T, line string) {
		c, reason := parseCrypto(line)
		if reason != "" {
			if len(reason) > 200 {
				t.Fatalf("a reason of %d bytes", len(reason))
			}
			return
		}
		again, reason := parseCrypto(strings.TrimPrefix(c.Line(), "crypto:"))
		if reason != "" || again.Tag != c.Tag || !again.Key.Equal(c.Key.WithMKI(nil)) {
			t.Fatalf("%q became %q: %s", line, c.Line(), reason)
		}
		if hidden := string(HideKeys([]byte(line))); strings.Contains(hidden, c.Key.Inline()) {
			t.Fatal(hidden)
		}
	})
}
