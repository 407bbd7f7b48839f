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
	return fold(leafHashes(leaves))
}

func leafHashes(leaves [][]byte) []Hash {
	hashes := make([]Hash, len(leaves))
	var buf []byte
	for i, leaf := range leaves {
		buf = append(append(buf[:0], 0), leaf...)
		hashes[i] = sha256.Sum256(buf)
	}
	return hashes
}

// fold splits as the RFC says: the left side is the largest power of two
// smaller than the number of leaves.
func fold(hashes []Hash) Hash {
	n := len(hashes)
	if n == 1 {
		return hashes[0]
	}
	split := splitAt(n)
	return join(fold(hashes[:split]), fold(hashes[split:]))
}

// splitAt is how many of n > 1 leaves lie on the left.
func splitAt(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func join(left, right Hash) Hash {
	var node [1 + 2*sha256.Size]byte
	node[0] = 1
	copy(node[1:], left[:])
	copy(node[1+sha256.Size:], right[:])
	return sha256.Sum256(node[:])
}

// auditPath is the RFC 6962 audit path of one leaf: the hashes beside its way to
// the root, from the leaf up.
func auditPath(hashes []Hash, leaf int) []Hash {
	if len(hashes) == 1 {
		return nil
	}
	split := splitAt(len(hashes))
	if leaf < split {
		return append(auditPath(hashes[:split], leaf), fold(hashes[split:]))
	}
	return append(auditPath(hashes[split:], leaf-split), fold(hashes[:split]))
}

// rootOf is the root that an audit path leads to from a leaf of so many. It is
// false for a path of the wrong length.
func rootOf(at Hash, leaf, leaves int, path []Hash) (Hash, bool) {
	if leaves == 1 {
		return at, len(path) == 0
	}
	if len(path) == 0 {
		return Hash{}, false
	}
	split, last := splitAt(leaves), len(path)-1
	if leaf < split {
		below, ok := rootOf(at, leaf, split, path[:last])
		return join(below, path[last]), ok
	}
	below, ok := rootOf(at, leaf-split, leaves-split, path[:last])
	return join(path[last], below), ok
}
