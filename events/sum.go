package events

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Sum is the hash of a set: the lane-wise sum of its members' SHA-256 hashes. A
// member is added or taken away without touching the others, in any order.
type Sum [4]uint64

// Add puts a member, given by its encoding, into the set.
func (s *Sum) Add(encoding []byte) {
	h := sha256.Sum256(encoding)
	for i := range s {
		s[i] += binary.BigEndian.Uint64(h[i*8:])
	}
}

// Remove takes a member that was added with the same encoding out of the set.
func (s *Sum) Remove(encoding []byte) {
	h := sha256.Sum256(encoding)
	for i := range s {
		s[i] -= binary.BigEndian.Uint64(h[i*8:])
	}
}

// SumOf is the hash of a set of one member.
func SumOf(encoding []byte) Sum {
	var s Sum
	s.Add(encoding)
	return s
}

// Subtract takes the members of another set, all of which it has, out of the set.
func (s *Sum) Subtract(t Sum) {
	for i := range s {
		s[i] -= t[i]
	}
}

// Merge adds the members of another set.
func (s *Sum) Merge(t Sum) {
	for i := range s {
		s[i] += t[i]
	}
}

// Bytes are the 32 bytes of the hash.
func (s Sum) Bytes() []byte {
	b := make([]byte, 32)
	for i := range s {
		binary.BigEndian.PutUint64(b[i*8:], s[i])
	}
	return b
}

// String writes the hash as 64 hexadecimal digits.
func (s Sum) String() string { return hex.EncodeToString(s.Bytes()) }
