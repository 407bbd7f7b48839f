package sdp

import (
	"bytes"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/media/srtp"
)

// Crypto is a key that its writer encrypts with (RFC 4568).
type Crypto struct {
	Tag int // the answer names the offer's
	Key srtp.Key
}

// MaxCrypto is how many a=crypto lines of a stream are read.
const MaxCrypto = 16

// Line is the attribute's value.
func (c Crypto) Line() string {
	return fmt.Sprintf("crypto:%d %s inline:%s", c.Tag, c.Key.Suite, c.Key.Inline())
}

// Secure tells whether the stream's profile is one of SRTP with keys in the
// description: RTP/SAVP or RTP/SAVPF.
func (m Media) Secure() bool { return strings.HasPrefix(strings.ToUpper(m.Proto), "RTP/SAVP") }

// Handshake tells whether the ends would agree on keys in the media itself (DTLS,
// RFC 5764), which passes no switch.
func (m Media) Handshake() bool { return strings.HasPrefix(strings.ToUpper(m.Proto), "UDP/TLS/") }

// Profile is the stream's RTP profile in the clear or secured. What is no RTP, and
// RTP over something else, stays as it is.
func (m Media) Profile(secure bool) string {
	profiles := [2]string{"RTP/AVP", "RTP/SAVP"}
	if strings.HasSuffix(strings.ToUpper(m.Proto), "AVPF") {
		profiles = [2]string{"RTP/AVPF", "RTP/SAVPF"}
	}
	if !slices.Contains([]string{"RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF"}, strings.ToUpper(m.Proto)) {
		return m.Proto
	}
	if secure {
		return profiles[1]
	}
	return profiles[0]
}

// takeCrypto reads "tag suite key-params [session-params]". What cannot be used is
// noted with the reason, since another line may serve.
func (m *Media) takeCrypto(value string) {
	if len(m.Crypto)+len(m.Unusable) == MaxCrypto {
		return
	}
	c, reason := parseCrypto(value)
	if reason == "" && slices.ContainsFunc(m.Crypto, func(o Crypto) bool { return o.Tag == c.Tag }) {
		reason = "its tag stands there twice"
	}
	if reason != "" {
		m.Unusable = append(m.Unusable, fmt.Sprintf("crypto %d: %s", c.Tag, reason))
		return
	}
	m.Crypto = append(m.Crypto, c)
}

// parseCrypto returns why a line cannot be used, or "". Reasons name no key.
func parseCrypto(value string) (c Crypto, reason string) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return c, "not a tag, a suite and a key"
	}
	tag, err := strconv.ParseUint(f[0], 10, 30) // nine digits at most
	if err != nil || len(f[0]) > 9 {
		return c, "the tag is no number"
	}
	c.Tag = int(tag)
	for _, p := range f[3:] {
		if reason = sessionParameter(p); reason != "" {
			return c, reason
		}
	}
	// Names have no case (RFC 4568, section 9.2); some write them in small letters.
	suite := srtp.Suite(strings.ToUpper(f[1]))
	method, info, _ := strings.Cut(f[2], ":")
	switch {
	case !strings.EqualFold(method, "inline"):
		return c, "the key is not given inline"
	case strings.Contains(info, ";"):
		return c, "several keys are not supported"
	}
	parts := strings.Split(info, "|")
	key, err := srtp.ParseKey(suite, parts[0])
	if err != nil {
		return c, err.Error()
	}
	for i, p := range parts[1:] {
		mki, isMKI := parseMKI(p)
		switch {
		case isMKI && i == len(parts)-2:
			key = key.WithMKI(mki)
		case i > 0 || !lives(p):
			return c, "neither a lifetime of 2^20 packets or more nor a master key identifier"
		}
	}
	c.Key = key
	return c, ""
}

// leastLife is the least number of packets that a key must serve: six hours of
// packets of 20 ms. Calls are not that long, and shorter lives would end in a call.
const leastLife = 1 << 20

// lives reads a lifetime, "2^n" or a number.
func lives(text string) bool {
	if power, ok := strings.CutPrefix(text, "2^"); ok {
		n, err := strconv.ParseUint(power, 10, 8)
		return err == nil && n >= 20 && n <= 48
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n >= leastLife && n <= 1<<48
}

// parseMKI reads "value:length": a number in so many bytes.
func parseMKI(text string) ([]byte, bool) {
	value, length, ok := strings.Cut(text, ":")
	size, err := strconv.ParseUint(length, 10, 8)
	if !ok || err != nil || size == 0 || size > srtp.MaxMKI || len(value) > 3*srtp.MaxMKI {
		return nil, false
	}
	n, ok := new(big.Int).SetString(value, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 8*int(size) {
		return nil, false
	}
	return n.FillBytes(make([]byte, size)), true
}

// sessionParameter returns why a session parameter rules its line out, or "". WSH is
// a hint, and those that begin with a minus may be ignored (RFC 4568, section 6.3.7).
func sessionParameter(p string) string {
	name, value, _ := strings.Cut(strings.ToUpper(p), "=")
	switch {
	case name == "WSH", strings.HasPrefix(name, "-"), name == "KDR" && value == "0":
		return ""
	case strings.HasPrefix(name, "UNENCRYPTED_"), strings.HasPrefix(name, "UNAUTHENTICATED_"):
		return strings.ToLower(strings.ReplaceAll(name, "_", " ")) + " media is not accepted"
	}
	if len(name) > 40 {
		name = name[:40]
	}
	return fmt.Sprintf("the session parameter %q is not supported", name)
}

// HideKeys returns a text with every key of its a=crypto lines made unreadable, at
// its old length: for captures and logs of signalling. A text without keys is returned
// as it is.
func HideKeys(text []byte) []byte {
	const mark = "inline"
	out := text
	for at := 0; ; at++ {
		i := bytes.IndexByte(out[at:], ':')
		if i < 0 {
			return out
		}
		at += i
		if at < len(mark) || !strings.EqualFold(string(out[at-len(mark):at]), mark) {
			continue
		}
		if &out[0] == &text[0] {
			out = bytes.Clone(text)
		}
		for at+1 < len(out) && !strings.ContainsRune(" |;\r\n\t", rune(out[at+1])) {
			at++
			out[at] = '*'
		}
	}
}
