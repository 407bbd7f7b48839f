package srtp

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Key is the master key and the master salt of one direction. It is not printed
// nor logged, not even as a part of something else: what it holds is behind a
// pointer. The zero Key is none.
type Key struct {
	Suite  Suite
	master *[]byte // key and salt in one, as in an a=crypto line
	mki    string  // master key identifier at the end of each packet, "" for none
}

// NewKey draws a key. It fails with ErrSuite, or with random's error.
func NewKey(suite Suite, random io.Reader) (Key, error) {
	key, salt, err := suite.lengths()
	if err != nil {
		return Key{}, err
	}
	master := make([]byte, key+salt)
	if _, err := io.ReadFull(random, master); err != nil {
		return Key{}, fmt.Errorf("srtp: no randomness: %w", err)
	}
	return Key{Suite: suite, master: &master}, nil
}

// ParseKey reads the key and salt of an a=crypto line (RFC 4568, section 6.1). It
// fails with ErrSuite or ErrKey; padding may be left out.
func ParseKey(suite Suite, inline string) (Key, error) {
	key, salt, err := suite.lengths()
	if err != nil {
		return Key{}, err
	}
	encoding := base64.StdEncoding
	if len(inline)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	master, err := encoding.DecodeString(inline)
	if err != nil || len(master) != key+salt {
		return Key{}, fmt.Errorf("%w: %s takes %d bytes in base64", ErrKey, suite, key+salt)
	}
	return Key{Suite: suite, master: &master}, nil
}

// WithMKI is the key whose packets bear an identifier (RFC 3711, section 3.1).
func (k Key) WithMKI(mki []byte) Key {
	k.mki = string(mki)
	return k
}

// Inline is the key as an a=crypto line has it: for descriptions, nothing else.
func (k Key) Inline() string {
	if k.master == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(*k.master)
}

// IsZero tells that there is no key.
func (k Key) IsZero() bool { return k.master == nil }

// Equal compares keys in constant time.
func (k Key) Equal(other Key) bool {
	if k.IsZero() || other.IsZero() {
		return k.IsZero() == other.IsZero()
	}
	return k.Suite == other.Suite && k.mki == other.mki && subtle.ConstantTimeCompare(*k.master, *other.master) == 1
}

// String names the suite alone.
func (k Key) String() string {
	if k.IsZero() {
		return "no key"
	}
	return "a key of " + string(k.Suite)
}

// GoString is String.
func (k Key) GoString() string { return k.String() }

// LogValue is String.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

func (k Key) split() (key, salt []byte, err error) {
	size, _, err := k.Suite.lengths()
	if err != nil {
		return nil, nil, err
	}
	if k.IsZero() {
		return nil, nil, ErrKey
	}
	return (*k.master)[:size], (*k.master)[size:], nil
}
