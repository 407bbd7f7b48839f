// Package srtp encrypts and decrypts media (RFC 3711, RFC 7714) with keys that
// were agreed on in session descriptions (RFC 4568). The transforms are those of
// pion/srtp; what is added here is what a switch needs that stands between two
// strangers: bounds on all that a far end can make grow, streams that are joined
// late or go on with another key, and the promise that no two packets are ever
// encrypted with the same part of a key stream, whatever the plain side sends.
//
// A Sender and a Receiver are used by one goroutine at a time.
package srtp

import (
	"errors"
	"fmt"

	"github.com/pion/srtp/v3"
)

// Suite is a crypto suite by its name in a=crypto lines.
type Suite string

// The suites of RFC 4568, RFC 6188 and RFC 7714 that are known here.
const (
	AES128CM80 Suite = "AES_CM_128_HMAC_SHA1_80"
	AES128CM32 Suite = "AES_CM_128_HMAC_SHA1_32"
	AES256CM80 Suite = "AES_256_CM_HMAC_SHA1_80"
	AES256CM32 Suite = "AES_256_CM_HMAC_SHA1_32"
	AES128GCM  Suite = "AEAD_AES_128_GCM"
	AES256GCM  Suite = "AEAD_AES_256_GCM"
)

// Suites returns all suites that are known.
func Suites() []Suite {
	return []Suite{AES128CM80, AES128CM32, AES128GCM, AES256GCM, AES256CM80, AES256CM32}
}

// Errors of this package, to be tested with errors.Is.
var (
	// ErrSuite means that a suite is not known here.
	ErrSuite = errors.New("no crypto suite of ours")
	// ErrKey means that a key is not of its suite's length.
	ErrKey = errors.New("not a key of the suite")
	// ErrAuth means that a packet is not from who has the key.
	ErrAuth = errors.New("not authentic")
	// ErrReplayed means that a packet was there before, or may have been.
	ErrReplayed = errors.New("replayed")
	// ErrStreams means that one far end has sent more streams than are kept.
	ErrStreams = errors.New("too many streams with one key")
	// ErrMalformed means that a packet is no RTP or RTCP packet.
	ErrMalformed = errors.New("malformed")
)

const (
	// maxStreams bounds the synchronisation sources that one key serves. Each keeps
	// its rollover counter, which must not be forgotten while the key is in use.
	maxStreams = 64
	// replayWindow is in packets; RFC 3711, section 3.3.2, wants 64 at least.
	replayWindow = 128
	// maxPlain is the largest packet that is taken, in bytes, and overhead what
	// encryption adds at most: a tag of 16, an index of 4, an identifier of the key.
	maxPlain = 2048
	overhead = 20 + MaxMKI
	// MaxMKI is the longest identifier of a key, in bytes (RFC 4568, section 6.1).
	MaxMKI = 128
)

func (s Suite) profile() (srtp.ProtectionProfile, error) {
	switch s {
	case AES128CM80:
		return srtp.ProtectionProfileAes128CmHmacSha1_80, nil
	case AES128CM32:
		return srtp.ProtectionProfileAes128CmHmacSha1_32, nil
	case AES256CM80:
		return srtp.ProtectionProfileAes256CmHmacSha1_80, nil
	case AES256CM32:
		return srtp.ProtectionProfileAes256CmHmacSha1_32, nil
	case AES128GCM:
		return srtp.ProtectionProfileAeadAes128Gcm, nil
	case AES256GCM:
		return srtp.ProtectionProfileAeadAes256Gcm, nil
	}
	return 0, fmt.Errorf("%w: %.40q", ErrSuite, string(s))
}

// lengths are those of a suite's master key and master salt, in bytes.
func (s Suite) lengths() (key, salt int, err error) {
	p, err := s.profile()
	if err != nil {
		return 0, 0, err
	}
	if key, err = p.KeyLen(); err != nil {
		return 0, 0, err
	}
	salt, err = p.SaltLen()
	return key, salt, err
}

// context makes a cryptographic context of a key.
func context(k Key) (*srtp.Context, error) {
	profile, err := k.Suite.profile()
	if err != nil {
		return nil, err
	}
	key, salt, err := k.split()
	if err != nil {
		return nil, err
	}
	c, err := srtp.CreateContext(key, salt, profile, srtp.MasterKeyIndicator([]byte(k.mki)),
		srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow))
	if err != nil {
		return nil, fmt.Errorf("srtp: %w", err)
	}
	return c, nil
}
