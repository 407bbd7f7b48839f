package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/tollbook/tollbook/events"
)

// The cost of a new hash: OWASP's first choice for argon2id, about 20 ms.
const (
	hashMemoryKiB = 19 * 1024
	hashTime      = 2
	hashThreads   = 1
	hashSalt      = 16
	hashLength    = 32
)

// What a stored hash may ask of us at most, so that a planted one cannot take
// the memory of the switch.
const (
	maxMemoryKiB = 256 * 1024
	maxTime      = 10
	maxThreads   = 8
)

// Passwords shorter than minPassword bytes are refused when set, longer ones
// than maxPassword always.
const (
	minPassword = 10
	maxPassword = 256
)

// parameters of an argon2id hash in PHC string form.
type parameters struct {
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

// HashPassword makes the argon2id hash of a new password, in PHC string form:
// $argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>.
func HashPassword(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", events.Invalid("a password has %d to %d bytes", minPassword, maxPassword).At("password")
	}
	salt := make([]byte, hashSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("salt: %w", err)
	}
	p := parameters{memory: hashMemoryKiB, time: hashTime, threads: hashThreads, salt: salt}
	p.sum = argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, hashLength)
	return p.String(), nil
}

// VerifyPassword says whether a password has the hash. It takes as long for a
// wrong password as for a right one.
func VerifyPassword(phc, password string) bool {
	p, err := parsePHC(phc)
	if err != nil || len(password) > maxPassword {
		return false
	}
	sum := argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.sum)))
	return subtle.ConstantTimeCompare(sum, p.sum) == 1
}

// decoy is what the password of an unknown user is compared with, so that the
// answer takes as long as for a known one. Nothing hashes to zeros.
func decoy() string {
	return parameters{
		memory: hashMemoryKiB, time: hashTime, threads: hashThreads,
		salt: make([]byte, hashSalt), sum: make([]byte, hashLength),
	}.String()
}

// String writes the PHC form.
func (p parameters) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.memory, p.time, p.threads, b64.EncodeToString(p.salt), b64.EncodeToString(p.sum))
}

func parsePHC(s string) (parameters, error) {
	var p parameters
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, fmt.Errorf("not an argon2id hash")
	}
	if parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, fmt.Errorf("unknown version of argon2")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, fmt.Errorf("parameters of the hash: %w", err)
	}
	if p.memory == 0 || p.memory > maxMemoryKiB || p.time == 0 || p.time > maxTime || p.threads == 0 || p.threads > maxThreads {
		return p, fmt.Errorf("parameters of the hash are out of bounds")
	}
	var err error
	if p.salt, err = base64.RawStdEncoding.DecodeString(parts[4]); err != nil {
		return p, fmt.Errorf("salt of the hash: %w", err)
	}
	if p.sum, err = base64.RawStdEncoding.DecodeString(parts[5]); err != nil {
		return p, fmt.Errorf("sum of the hash: %w", err)
	}
	if len(p.salt) < 8 || len(p.salt) > 64 || len(p.sum) < 16 || len(p.sum) > 64 {
		return p, fmt.Errorf("lengths of the hash are out of bounds")
	}
	return p, nil
}
