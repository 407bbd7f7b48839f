package journal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// HeadSet is what heads.log remembers.
//
// The file has one fact a line, each ending in the CRC-32 of what stands before
// it: "k <public key>", "h <stream> <journal> <number> <sequence> <position>
// <hash>", "t" with the same for the last block trimmed, "g" with the same, a time
// in µs and a signature over this head alone (see SignedHead), and "s <µs>
// <signature>" with ed25519 over the SHA-256 of all bytes before the line.
type HeadSet struct {
	heads    []Head
	signed   []SignedHead
	trims    []Head
	public   ed25519.PublicKey
	unsigned int
	// replica says that they are compared with one replica of a cluster's stream, which
	// may end before what the cluster has acknowledged.
	replica bool
}

// ReadHeads reads heads.log in a data directory and changes nothing. A torn end
// is left out. A file that is not there is an empty set.
func ReadHeads(dir string) (HeadSet, error) {
	text, err := os.ReadFile(filepath.Join(dir, HeadsFile))
	if errors.Is(err, os.ErrNotExist) {
		return HeadSet{}, nil
	}
	if err != nil {
		return HeadSet{}, fmt.Errorf("read %s: %w", HeadsFile, err)
	}
	set, _, err := parseHeads(text)
	if err != nil {
		return HeadSet{}, fmt.Errorf("read %s: %w", HeadsFile, err)
	}
	return set, nil
}

var (
	errTorn      = errors.New("line is torn")
	errSignature = errors.New("signature does not fit the lines before it")
)

// parseHeads reads lines and says how many bytes are sound. What follows the
// first line that is not sound is a torn end, unless a signature comes later.
func parseHeads(text []byte) (set HeadSet, sound int, err error) {
	sum := sha256.New()
	number := 0
	for rest := text; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		number++
		bad := errTorn
		if whole {
			bad = set.add(line, sum.Sum(nil))
		}
		if bad != nil {
			if errors.Is(bad, errSignature) || signedLater(after) {
				return HeadSet{}, 0, fmt.Errorf("line %d is damaged: restore the file from a backup, or move it away to start without a memory of the stream's end", number)
			}
			return set, sound, nil
		}
		sum.Write(rest[:len(line)+1])
		sound += len(line) + 1
		rest = after
	}
	return set, sound, nil
}

// signedLater says whether an unbroken signature line follows.
func signedLater(rest []byte) bool {
	for line := range bytes.SplitSeq(rest, []byte{'\n'}) {
		if fields, ok := unseal(line); ok && len(fields) == 3 && string(fields[0]) == "s" {
			return true
		}
	}
	return false
}

func (s *HeadSet) add(line, sum []byte) error {
	fields, ok := unseal(line)
	if !ok {
		return errors.New("checksum")
	}
	switch kind := string(fields[0]); {
	case kind == "k" && len(fields) == 2:
		key, err := hex.DecodeString(string(fields[1]))
		if err != nil || len(key) != ed25519.PublicKeySize {
			return errors.New("public key")
		}
		s.public = key
	case kind == "s" && len(fields) == 3:
		sig, err := base64.StdEncoding.DecodeString(string(fields[2]))
		if err != nil || s.public == nil || !ed25519.Verify(s.public, sum, sig) {
			return errSignature
		}
		s.unsigned = 0
	case kind == "g" && len(fields) == 9:
		head, err := parseSignedHead(fields, s.public)
		if err != nil {
			return err
		}
		s.signed = append(s.signed, head)
	case (kind == "h" || kind == "t") && len(fields) == 7:
		head, err := parseHead(fields)
		if err != nil {
			return err
		}
		if kind == "t" {
			s.trims = slices.DeleteFunc(s.trims, func(t Head) bool { return t.Journal == head.Journal })
			s.trims = append(s.trims, head)
			return nil
		}
		s.heads = append(s.heads, head)
		s.unsigned++
	default:
		return errors.New("unknown line")
	}
	return nil
}

func parseHead(fields [][]byte) (Head, error) {
	head := Head{Stream: string(fields[1]), Journal: string(fields[2])}
	for i, into := range []*uint64{&head.Number, &head.Sequence, &head.Position} {
		n, err := strconv.ParseUint(string(fields[3+i]), 10, 64)
		if err != nil {
			return Head{}, err
		}
		*into = n
	}
	sum, err := hex.DecodeString(string(fields[6]))
	if err != nil || len(sum) != len(head.Hash) {
		return Head{}, errors.New("hash")
	}
	copy(head.Hash[:], sum)
	return head, nil
}

func keyLine(public ed25519.PublicKey) []byte { return seal(fmt.Appendf(nil, "k %x", []byte(public))) }

func headLine(kind byte, h Head) []byte {
	return seal(fmt.Appendf(make([]byte, 0, 160), "%c %s %s %d %d %d %x", kind, h.Stream, h.Journal, h.Number, h.Sequence, h.Position, h.Hash[:]))
}

// seal ends a line with its checksum.
func seal(line []byte) []byte {
	return fmt.Appendf(line, " %08x\n", crc32.ChecksumIEEE(line))
}

// unseal splits a line whose checksum is right.
func unseal(line []byte) ([][]byte, bool) {
	i := bytes.LastIndexByte(line, ' ')
	if i < 1 || len(line)-i != 9 {
		return nil, false
	}
	want, err := strconv.ParseUint(string(line[i+1:]), 16, 32)
	if err != nil || crc32.ChecksumIEEE(line[:i]) != uint32(want) {
		return nil, false
	}
	return bytes.Split(line[:i], []byte{' '}), true
}

// last is each journal's last head.
func (s HeadSet) last() map[string]Head {
	out := map[string]Head{}
	for _, h := range s.heads {
		out[h.Journal] = h
	}
	return out
}

// Last are the last blocks that are remembered, by journal.
func (s HeadSet) Last() map[string]Head { return s.last() }

// Journals are the names that are remembered for a stream, sorted.
func (s HeadSet) Journals(stream string) []string {
	var out []string
	for _, h := range slices.Concat(s.heads, s.trims) {
		if h.Stream == stream {
			out = append(out, h.Journal)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Base is the place behind the last block that was trimmed from the stream, the
// zero Cursor for a journal that is whole there.
func (s HeadSet) Base(journal string) Cursor {
	for _, t := range s.trims {
		if t.Journal == journal {
			return t.Cursor()
		}
	}
	return Cursor{}
}

// of gives a journal's heads by block number, and the last one.
func (s HeadSet) of(journal string) (byNumber map[uint64]Head, last Head) {
	byNumber = map[uint64]Head{}
	for _, h := range s.heads {
		if h.Journal == journal {
			byNumber[h.Number] = h
			last = h
		}
	}
	return byNumber, last
}
