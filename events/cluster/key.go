package cluster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// KeyFile is the name of the cluster key in the data directory.
const KeyFile = "cluster.key"

// Key wraps the secrets that stand in events: passwords for vendors and
// registrars. Every node of a cluster has the same one, and the store alone is of
// no use to whoever finds it.
type Key struct {
	aead cipher.AEAD
	raw  []byte
}

// OpenKey reads the cluster key of a data directory, and makes one at the first
// start. The file holds 32 bytes in hexadecimal digits and is its owner's only.
func OpenKey(dir string) (*Key, error) {
	path := filepath.Join(dir, KeyFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text, err = makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cluster key: %w", err)
	}
	return newKey(path, text)
}

// ReadKey reads a key like OpenKey, from a file that must be there.
func ReadKey(path string) (*Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a key: %w", err)
	}
	return newKey(path, text)
}

func newKey(path string, text []byte) (*Key, error) {
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("open the cluster key: %s does not hold 64 hexadecimal digits: restore it from a backup", path)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("open the cluster key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("open the cluster key: %w", err)
	}
	return &Key{aead, raw}, nil
}

func makeKey(path string) ([]byte, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	text := []byte(hex.EncodeToString(raw) + "\n")
	return text, os.WriteFile(path, text, 0o600)
}

// Derive is a secret of 32 bytes for one purpose: the same from the same key, and of
// no use for finding that or the secret of another purpose (HKDF, RFC 5869).
func (k *Key) Derive(purpose string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.raw, nil, "tollbook "+purpose, 32)
}

// Wrap encrypts a secret under the name of what it belongs to (AES-256-GCM; the
// nonce stands before the rest). A wrapped secret is good under that name only.
func (k *Key) Wrap(name string, secret []byte) ([]byte, error) {
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("wrap the secret of %s: %w", name, err)
	}
	return k.aead.Seal(nonce, nonce, secret, []byte(name)), nil
}

// Unwrap decrypts what Wrap made under the same name.
func (k *Key) Unwrap(name string, wrapped []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(wrapped) < n {
		return nil, fmt.Errorf("the secret of %s is too short to be one", name)
	}
	secret, err := k.aead.Open(nil, wrapped[:n], wrapped[n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("the secret of %s was wrapped by another cluster key: enter it again, or restore %s", name, KeyFile)
	}
	return secret, nil
}
