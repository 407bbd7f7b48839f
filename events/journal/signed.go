package journal

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// thinBlocks is how far apart the signed heads are that heads.log keeps of old
// times: a proof has at most so many headers.
const thinBlocks = 1000

// SignedHead is a head that a node vouches for with its key.
type SignedHead struct {
	Head
	// TimeUS is when it was signed: UTC microseconds since 1970.
	TimeUS int64
	// Signature is the ed25519 signature over Statement.
	Signature []byte
}

// Statement is what the signature of a head covers, one line of text:
//
//	tollbook head 1 <stream> <journal> <number> <sequence> <position> <hash> <µs>
func (g SignedHead) Statement() []byte {
	return fmt.Appendf(nil, "tollbook head 1 %s %s %d %d %d %x %d\n",
		g.Stream, g.Journal, g.Number, g.Sequence, g.Position, g.Hash[:], g.TimeUS)
}

func signHead(key ed25519.PrivateKey, h Head, us int64) SignedHead {
	g := SignedHead{Head: h, TimeUS: us}
	g.Signature = ed25519.Sign(key, g.Statement())
	return g
}

func (g SignedHead) line() []byte {
	return seal(fmt.Appendf(nil, "g %s %s %d %d %d %x %d %s", g.Stream, g.Journal, g.Number, g.Sequence, g.Position,
		g.Hash[:], g.TimeUS, base64.StdEncoding.EncodeToString(g.Signature)))
}

func parseSignedHead(fields [][]byte, public ed25519.PublicKey) (SignedHead, error) {
	head, err := parseHead(fields[:7])
	if err != nil {
		return SignedHead{}, err
	}
	us, err := strconv.ParseInt(string(fields[7]), 10, 64)
	if err != nil {
		return SignedHead{}, errors.New("time")
	}
	sig, err := base64.StdEncoding.DecodeString(string(fields[8]))
	g := SignedHead{Head: head, TimeUS: us, Signature: sig}
	if err != nil || public == nil || !ed25519.Verify(public, g.Statement(), sig) {
		return SignedHead{}, errSignature
	}
	return g, nil
}

// thin leaves signed heads out that are closer than thinBlocks to the one kept
// before, but for each journal's last.
func thin(all []SignedHead) []SignedHead {
	final, kept := map[string]uint64{}, map[string]uint64{}
	for _, g := range all {
		final[g.Journal] = g.Number
	}
	var out []SignedHead
	for _, g := range all {
		if g.Number == final[g.Journal] || g.Number >= kept[g.Journal]+thinBlocks {
			kept[g.Journal] = g.Number
			out = append(out, g)
		}
	}
	return out
}

// moved are the journals whose last head has no signature of its own.
func (s HeadSet) moved() map[string]bool {
	out, last := map[string]bool{}, s.last()
	for journal := range last {
		out[journal] = true
	}
	for _, g := range s.signed {
		if last[g.Journal].Number == g.Number {
			delete(out, g.Journal)
		}
	}
	return out
}

// vouching is the first signed head of a journal at or after a block.
func (s HeadSet) vouching(journal string, number uint64) (SignedHead, bool) {
	for _, g := range s.signed {
		if g.Journal == journal && g.Number >= number {
			return g, true
		}
	}
	return SignedHead{}, false
}
