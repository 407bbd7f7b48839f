// Package digest is the arithmetic of digest access authentication (RFC 7616, for
// SIP RFC 8760): hashes of passwords, challenges, answers, nonces. It knows no
// clock and draws no number: both come as arguments.
package digest

import (
	"cmp"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

const (
	// Realm is the protection space where the settings name none. It tells nothing of
	// the program.
	Realm = "sip"
	// firstRealm is that of secrets from before there was a choice.
	firstRealm = "tollbook"
)

// Algorithm names a hash as RFC 7616 does.
type Algorithm string

// The algorithms that we challenge with, the stronger one first.
const (
	SHA256 Algorithm = "SHA-256"
	MD5    Algorithm = "MD5"
)

const (
	// MaxPassword bounds a password in bytes, MaxRealm a realm.
	MaxPassword = 128
	MaxRealm    = 64
	secretLen   = md5.Size + sha256.Size
	maxField    = 512
)

// RealmOf is the realm that settings name, or the usual one.
func RealmOf(s *wire.Settings) string { return cmp.Or(s.GetRealm(), Realm) }

// CheckRealm refuses what cannot stand in a challenge.
func CheckRealm(realm string) error {
	if len(realm) > MaxRealm || strings.ContainsFunc(realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' || r == ':' }) {
		return events.Invalid("realm %.70q is longer than %d characters, or has a quote, colon or backslash in it", realm, MaxRealm)
	}
	return nil
}

// Secret is what is kept of a password: HA1 by either algorithm, for one realm.
type Secret struct {
	MD5    [md5.Size]byte
	SHA256 [sha256.Size]byte
	Realm  string
}

// SecretOf hashes a user's password for a realm.
func SecretOf(user, password, realm string) (Secret, error) {
	if password == "" || len(password) > MaxPassword {
		return Secret{}, events.Invalid("a password has 1 to %d bytes", MaxPassword)
	}
	text := []byte(user + ":" + realm + ":" + password)
	return Secret{MD5: md5.Sum(text), SHA256: sha256.Sum256(text), Realm: realm}, nil
}

// Bytes is the secret as it is wrapped and stored.
func (s Secret) Bytes() []byte { return slices.Concat(s.MD5[:], s.SHA256[:], []byte(s.Realm)) }

// SecretFrom reads what Bytes wrote.
func SecretFrom(b []byte) (Secret, error) {
	s := Secret{Realm: firstRealm}
	if len(b) < secretLen {
		return s, fmt.Errorf("a digest secret has %d bytes at least, not %d", secretLen, len(b))
	}
	copy(s.MD5[:], b)
	copy(s.SHA256[:], b[md5.Size:])
	if realm := b[secretLen:]; len(realm) > 0 {
		s.Realm = string(realm)
	}
	return s, nil
}

func (s Secret) ha1(a Algorithm) string {
	if a == SHA256 {
		return hex.EncodeToString(s.SHA256[:])
	}
	return hex.EncodeToString(s.MD5[:])
}

// Challenge is the value of a WWW-Authenticate or Proxy-Authenticate header.
func Challenge(a Algorithm, realm, nonce string, stale bool) string {
	text := fmt.Sprintf(`Digest realm=%q, nonce=%q, algorithm=%s, qop="auth"`, realm, nonce, a)
	if stale {
		text += ", stale=true"
	}
	return text
}

// Answer is what a client sends to a challenge.
type Answer struct {
	Username, Realm, Nonce, URI, Response string
	Algorithm                             Algorithm
	// QOP is "auth", or empty for clients of RFC 2069.
	QOP, CNonce string
	// Count is the client's count of its requests with the nonce, as eight
	// hexadecimal digits in NC.
	Count uint32
	NC    string
}

// Parse reads the value of an Authorization header. Errors are of CodeInvalid.
func Parse(header string) (Answer, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(header), " ")
	if !ok || !strings.EqualFold(scheme, "Digest") {
		return Answer{}, events.Invalid("the scheme is not Digest")
	}
	a := Answer{Algorithm: MD5}
	seen := map[string]bool{}
	for rest = strings.TrimSpace(rest); rest != ""; {
		name, value, after, err := parameter(rest)
		if err != nil {
			return Answer{}, err
		}
		if seen[name] {
			return Answer{}, events.Invalid("%s stands twice", name)
		}
		seen[name], rest = true, after
		if err := a.take(name, value); err != nil {
			return Answer{}, err
		}
	}
	for _, name := range []string{"username", "realm", "nonce", "uri", "response"} {
		if !seen[name] {
			return Answer{}, events.Invalid("%s is missing", name)
		}
	}
	if a.QOP != "" && (a.NC == "" || a.CNonce == "") {
		return Answer{}, events.Invalid("qop needs nc and cnonce")
	}
	return a, nil
}

func (a *Answer) take(name, value string) error {
	if len(value) > maxField {
		return events.Invalid("%s is longer than %d bytes", name, maxField)
	}
	switch name {
	case "username":
		a.Username = value
	case "realm":
		a.Realm = value
	case "nonce":
		a.Nonce = value
	case "uri":
		a.URI = value
	case "response":
		a.Response = strings.ToLower(value)
	case "cnonce":
		a.CNonce = value
	case "algorithm":
		switch {
		case strings.EqualFold(value, string(MD5)):
			a.Algorithm = MD5
		case strings.EqualFold(value, string(SHA256)):
			a.Algorithm = SHA256
		default:
			return events.Invalid("the algorithm is none of ours")
		}
	case "qop":
		if !strings.EqualFold(value, "auth") {
			return events.Invalid("the qop is not auth")
		}
		a.QOP = "auth"
	case "nc":
		n, err := strconv.ParseUint(value, 16, 32)
		if err != nil || len(value) != 8 {
			return events.Invalid("nc is not eight hexadecimal digits")
		}
		a.Count, a.NC = uint32(n), value
	}
	return nil
}

// parameter takes one name=value off a list that commas separate. Names come in
// small letters.
func parameter(s string) (name, value, rest string, err error) {
	name, s, ok := strings.Cut(s, "=")
	name = strings.ToLower(strings.TrimSpace(name))
	if !ok || name == "" || strings.ContainsAny(name, " \t,\"") {
		return "", "", "", events.Invalid("a parameter has no value")
	}
	s = strings.TrimLeft(s, " \t")
	if strings.HasPrefix(s, `"`) {
		if value, s, ok = quoted(s[1:]); !ok {
			return "", "", "", events.Invalid("the quotes of %.20s do not close", name)
		}
	} else {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		value, s = strings.TrimSpace(s[:end]), s[end:]
	}
	s = strings.TrimLeft(s, " \t")
	if s == "" {
		return name, value, "", nil
	}
	if s[0] != ',' {
		return "", "", "", events.Invalid("a comma is missing behind %.20s", name)
	}
	return name, value, strings.TrimLeft(s[1:], " \t"), nil
}

// quoted reads up to the closing quote (RFC 3261, section 25.1).
func quoted(s string) (value, rest string, ok bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return out.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		out.WriteByte(s[i])
	}
	return "", "", false
}

// Right tells whether the answer is that of whoever knows the secret, for a
// request of the method. The comparison takes the same time for any answer.
func (a *Answer) Right(s Secret, method string) bool {
	return hmac.Equal([]byte(a.expected(s, method)), []byte(a.Response))
}

// Sign makes the response that the secret's owner would send.
func (a *Answer) Sign(s Secret, method string) { a.Response = a.expected(s, method) }

func (a *Answer) expected(s Secret, method string) string {
	ha2 := a.hash(method + ":" + a.URI)
	if a.QOP == "" {
		return a.hash(s.ha1(a.Algorithm) + ":" + a.Nonce + ":" + ha2)
	}
	return a.hash(strings.Join([]string{s.ha1(a.Algorithm), a.Nonce, a.NC, a.CNonce, a.QOP, ha2}, ":"))
}

func (a *Answer) hash(text string) string {
	if a.Algorithm == SHA256 {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Header is the answer as a client writes it.
func (a *Answer) Header() string {
	text := fmt.Sprintf(`Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=%s`,
		a.Username, a.Realm, a.Nonce, a.URI, a.Response, a.Algorithm)
	if a.QOP != "" {
		text += fmt.Sprintf(`, qop=%s, nc=%s, cnonce=%q`, a.QOP, a.NC, a.CNonce)
	}
	return text
}
