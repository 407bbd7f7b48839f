package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238 says SHA-1, and authenticators know no other
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"
)

// The codes of authenticators (RFC 6238, with what RFC 4226 and all of them take for
// granted).
const (
	totpStep   = 30 * time.Second
	totpDigits = 6
	totpSecret = 20
	// totpSkew is how many steps an authenticator's clock may be wrong, either way.
	totpSkew      = 1
	recoveryCodes = 10
	recoveryBytes = 10
	issuer        = "Tollbook"
)

var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// totp is the code of a step, six digits (RFC 4226, 5.3).
func totp(secret []byte, step uint64) string {
	mac := hmac.New(sha1.New, secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], step)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// stepOf is the step whose code this is, near an instant; false if it is no such code.
func stepOf(secret []byte, code string, now time.Time) (uint64, bool) {
	at, found, ok := uint64(now.Unix())/uint64(totpStep/time.Second), uint64(0), false
	for step := at - totpSkew; step <= at+totpSkew; step++ {
		if subtle.ConstantTimeCompare([]byte(totp(secret, step)), []byte(code)) == 1 {
			found, ok = step, true
		}
	}
	return found, ok
}

// NewSecondFactor makes the secret of an authenticator, and the URI that a QR code of
// it holds.
func NewSecondFactor(user string) (secret []byte, text, uri string, err error) {
	secret = make([]byte, totpSecret)
	if _, err := rand.Read(secret); err != nil {
		return nil, "", "", fmt.Errorf("second factor: %w", err)
	}
	text = b32.EncodeToString(secret)
	q := url.Values{"secret": {text}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	return secret, text, "otpauth://totp/" + url.PathEscape(issuer+":"+user) + "?" + q.Encode(), nil
}

// NewRecoveryCodes makes codes for the day that an authenticator is lost, and the
// hashes that are kept of them. They are random enough to need no slow hash.
func NewRecoveryCodes() (codes []string, hashes [][]byte, err error) {
	for range recoveryCodes {
		b := make([]byte, recoveryBytes)
		if _, err := rand.Read(b); err != nil {
			return nil, nil, fmt.Errorf("recovery codes: %w", err)
		}
		text := strings.ToLower(b32.EncodeToString(b))
		code := text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		codes, hashes = append(codes, code), append(hashes, recoveryHash(code))
	}
	return codes, hashes, nil
}

// recoveryHash is the hash of a code as people type it.
func recoveryHash(code string) []byte {
	code = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(code))
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}

// steps remembers the last step of each user whose code was taken, so that none is
// taken twice. It is this node's memory.
type steps struct {
	mu   sync.Mutex
	last map[string]uint64
}

// take says whether a user's code of a step is taken for the first time.
func (s *steps) take(user string, step uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if step <= s.last[user] {
		return false
	}
	s.last[user] = step
	return true
}
