package journal

import (
	"crypto/sha256"
	"math/bits"
)

// Root is the root of the RFC 6962 Merkle tree over the leaves: leaf hash
// SHA-256(0x00 || leaf), node hash SHA-256(0x01 || left || right), and SHA-256
// of nothing for no leaves.
func Root(leaves [][]byte) Hash {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	hashes := make([]Hash, len(leaves))
	var buf []byte
	for i, leaf := range leaves {
		buf = append(append(buf[:0], 0), leaf...)
		hashes[i] = sha256.Sum256(buf)
	}
	return fold(hashes)
}

// fold splits as the RFC says: the left side is the largest power of two
// smaller than the number of leaves.
func fold(hashes []Hash) Hash {
	n := len(hashes)
	if n == 1 {
		return hashes[0]
	}
	split := 1 << (bits.Len(uint(n-1)) - 1)
	left, right := fold(hashes[:split]), fold(hashes[split:])
	var node [1 + 2*sha256.Size]byte
	node[0] = 1
	copy(node[1:], left[:])
	copy(node[1+sha256.Size:], right[:])
	return sha256.Sum256(node[:])
}
