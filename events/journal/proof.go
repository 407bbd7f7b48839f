package journal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/wire"
)

// ProofFormat names the format of a proof's file.
const ProofFormat = "tollbook proof 1"

// maxChain bounds the headers of one proof.
const maxChain = 200_000

// ErrNotSigned says that no signed head vouches for a position yet.
var ErrNotSigned = errors.New("no signed head vouches for this position yet: the node signs every minute, and when it stops")

// ErrProof says that a proof does not hold.
var ErrProof = errors.New("the proof does not hold")

// Proof shows that an event lies in a journal, to somebody who has the public
// key of its node and nothing else. As a file it is JSON with these fields, bytes
// in base64 (RFC 4648, padded), hashes in lower-case hex, 64-bit numbers as
// decimal strings:
//
//   - the event's SHA-256(0x00 || event) and path lead to the Merkle root
//     (RFC 6962) in the first header; position is the header's first position
//     and the event's place in the block;
//   - headers are BlockHeader messages (block.proto) as stored, from the
//     event's block on: each names the SHA-256 of the one before;
//   - the last header's SHA-256 is the hash in the signed head, whose signature
//     (ed25519) covers the line that SignedHead.Statement describes.
//
// The file is written in one way only, so a changed byte, even one that changes
// no value, is noticed.
type Proof struct {
	Format   string    `json:"format"`
	Position uint64    `json:"position,string"`
	Event    []byte    `json:"event"`
	Path     []string  `json:"path"`
	Headers  [][]byte  `json:"headers"`
	Head     ProofHead `json:"head"`
}

// ProofHead is a proof's signed head and the key that signed it.
type ProofHead struct {
	Stream    string `json:"stream"`
	Journal   string `json:"journal"`
	Number    uint64 `json:"number,string"`
	Sequence  uint64 `json:"sequence,string"`
	Position  uint64 `json:"position,string"`
	Hash      string `json:"hash"`
	SignedUS  int64  `json:"signedAtUs,string"`
	Signature []byte `json:"signature"`
	PublicKey string `json:"publicKey"`
}

// Proven is what a proof shows.
type Proven struct {
	Journal  string
	Position uint64
	// Recorded is the time of the event's block.
	Recorded time.Time
	Event    []byte
	// Signed is the head that vouches for it, Key the public key that signed it.
	Signed SignedHead
	Key    ed25519.PublicKey
}

// Prove makes the proof for one event of a journal. It reads the blocks from the
// event's on and checks them.
func Prove(ctx context.Context, store Store, heads HeadSet, journal string, position uint64) (*Proof, error) {
	b, err := BlockAt(ctx, store, journal, func(b Block) bool { return b.First+uint64(len(b.Events)) > position })
	if errors.Is(err, ErrNoMessage) || err == nil && b.First > position {
		return nil, fmt.Errorf("journal %s has no position %d: %w", journal, position, ErrNoMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("prove position %d of journal %s: %w", position, journal, err)
	}
	head, ok := heads.vouching(journal, b.Number)
	if !ok {
		return nil, ErrNotSigned
	}
	if head.Number-b.Number > maxChain {
		return nil, fmt.Errorf("the next signed head is %d blocks on", head.Number-b.Number)
	}
	leaf := int(position - b.First)
	p := &Proof{
		Format: ProofFormat, Position: position, Event: b.Events[leaf], Path: []string{}, Headers: [][]byte{b.Header},
		Head: ProofHead{
			Stream: head.Stream, Journal: journal, Number: head.Number, Sequence: head.Sequence, Position: head.Position,
			Hash: head.Hash.String(), SignedUS: head.TimeUS, Signature: head.Signature, PublicKey: hex.EncodeToString(heads.public),
		},
	}
	for _, h := range auditPath(leafHashes(b.Events), leaf) {
		p.Path = append(p.Path, h.String())
	}
	enough := errors.New("enough")
	_, err = Read(ctx, store, journal, b.Cursor(), func(b Block) error {
		if b.Number > head.Number {
			return enough
		}
		p.Headers = append(p.Headers, b.Header)
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	// Pair assertion: what is handed out was checked as its reader will.
	if _, err := p.check(); err != nil {
		return nil, err
	}
	return p, nil
}

// ProveDir makes a proof from a data directory, on a copy as VerifyDir does.
func ProveDir(ctx context.Context, dir string, opts VerifyOptions, journal string, position uint64) (p *Proof, err error) {
	err = onCopy(ctx, dir, opts, func(srv *cluster.Server, heads HeadSet) error {
		stream, err := OpenStream(ctx, srv.Conn(), cluster.StreamBook)
		if err != nil {
			return fmt.Errorf("open the book: %w", err)
		}
		p, err = Prove(ctx, stream, heads, journal, position)
		return err
	})
	return p, err
}

// BlockAt finds the first block of a journal for which is is true, if it is false
// for all blocks before it and true for all behind. ErrNoMessage: for none.
func BlockAt(ctx context.Context, store Store, journal string, is func(Block) bool) (Block, error) {
	last, err := store.Last(ctx, journal)
	if err != nil {
		return Block{}, err
	}
	found, err := decode(last.Data)
	if err != nil {
		return Block{}, err
	}
	if !is(found) {
		return Block{}, ErrNoMessage
	}
	found.Sequence = last.Sequence
	for low, high := uint64(1), last.Sequence; low < high; {
		middle := low + (high-low)/2
		m, err := store.Next(ctx, journal, middle)
		if err != nil {
			return Block{}, err
		}
		b, err := decode(m.Data)
		if err != nil {
			return Block{}, err
		}
		b.Sequence = m.Sequence
		if is(b) {
			found, high = b, middle
		} else {
			low = m.Sequence + 1
		}
	}
	return found, nil
}

// Bytes is the proof as a file.
func (p *Proof) Bytes() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write proof: %w", err)
	}
	return append(b, '\n'), nil
}

// CheckProof verifies a proof's file with nothing but itself and, if it is not
// nil, the public key that its reader trusts. Without one it shows only that the
// owner of the key that it names signed it. The error is ErrProof with the reason.
func CheckProof(file []byte, trusted ed25519.PublicKey) (Proven, error) {
	p := new(Proof)
	if err := json.Unmarshal(file, p); err != nil {
		return Proven{}, refuse("it is not readable: %v", err)
	}
	again, err := p.Bytes()
	if err != nil || !bytes.Equal(again, file) {
		return Proven{}, refuse("the file is not as it was written")
	}
	proven, err := p.check()
	if err == nil && trusted != nil && !trusted.Equal(proven.Key) {
		return Proven{}, refuse("it is signed with another key than the given one, %x", []byte(proven.Key))
	}
	return proven, err
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrProof}, args...)...)
}

func (p *Proof) check() (Proven, error) {
	if p.Format != ProofFormat {
		return Proven{}, refuse("its format is %.40q, this program knows %q", p.Format, ProofFormat)
	}
	head, key, err := p.Head.check()
	if err != nil {
		return Proven{}, err
	}
	first, err := p.checkChain(head)
	if err != nil {
		return Proven{}, err
	}
	leaf, count := p.Position-first.FirstPosition, uint64(first.EventCount)
	if p.Position < first.FirstPosition || leaf >= count {
		return Proven{}, refuse("the block does not hold position %d", p.Position)
	}
	path := make([]Hash, len(p.Path))
	for i, text := range p.Path {
		if path[i], err = parseHash(text); err != nil {
			return Proven{}, refuse("step %d of the path: %v", i+1, err)
		}
	}
	root, ok := rootOf(leafHashes([][]byte{p.Event})[0], int(leaf), int(count), path)
	if !ok || !bytes.Equal(root[:], first.MerkleRoot) {
		return Proven{}, refuse("the event is not in the block")
	}
	return Proven{
		Journal: first.Journal, Position: p.Position, Recorded: time.UnixMicro(first.TimeUs).UTC(),
		Event: p.Event, Signed: head, Key: key,
	}, nil
}

// check verifies the signature.
func (h ProofHead) check() (SignedHead, ed25519.PublicKey, error) {
	sum, err := parseHash(h.Hash)
	if err != nil {
		return SignedHead{}, nil, refuse("the head's hash: %v", err)
	}
	key, err := ParsePublicKey(h.PublicKey)
	if err != nil {
		return SignedHead{}, nil, refuse("%v", err)
	}
	g := SignedHead{
		Head:   Head{Stream: h.Stream, Journal: h.Journal, Number: h.Number, Sequence: h.Sequence, Position: h.Position, Hash: sum},
		TimeUS: h.SignedUS, Signature: h.Signature,
	}
	if !ed25519.Verify(key, g.Statement(), g.Signature) {
		return SignedHead{}, nil, refuse("the signature is not that of the head")
	}
	return g, key, nil
}

// checkChain verifies that the headers lead to the head, and gives the first.
func (p *Proof) checkChain(head SignedHead) (*wire.BlockHeader, error) {
	var first, last *wire.BlockHeader
	var hash Hash
	for i, text := range p.Headers {
		h := new(wire.BlockHeader)
		if err := proto.Unmarshal(text, h); err != nil {
			return nil, refuse("header %d is not readable", i+1)
		}
		if last == nil {
			first = h
		} else if !bytes.Equal(h.PreviousHash, hash[:]) || h.Number != last.Number+1 || h.Journal != last.Journal {
			return nil, refuse("header %d does not follow the one before", i+1)
		}
		last, hash = h, sha256.Sum256(text)
	}
	switch {
	case first == nil:
		return nil, refuse("it has no header")
	case hash != head.Hash || last.Number != head.Number || last.Journal != head.Journal:
		return nil, refuse("the headers do not lead to the signed head")
	}
	return first, nil
}

func parseHash(text string) (h Hash, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != text {
		return h, fmt.Errorf("%s is not a SHA-256", strconv.Quote(text))
	}
	return Hash(b), nil
}

// ParsePublicKey reads a public key: 64 hex digits.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != ed25519.PublicKeySize || hex.EncodeToString(b) != text {
		return nil, errors.New("a public key is 64 hex digits in lower case")
	}
	return b, nil
}

// PublicKey is the key that the heads are signed with, nil if there is none yet.
func (s HeadSet) PublicKey() ed25519.PublicKey { return s.public }
