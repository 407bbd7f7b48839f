package journal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// HeadsFile is the name of the file of heads in the data directory.
	HeadsFile = "heads.log"
	// KeyFile is the name of the node's signing key in the data directory.
	KeyFile = "node.key"

	// A signature is due after so many lines, or so long.
	signLines = 1000
	signEvery = time.Minute
	// headsLimit is the size in bytes at which the older half of the lines
	// is dropped: about half a million blocks. The chain vouches for them.
	headsLimit = 64 << 20
)

// Head is what a node remembers of an acknowledged block.
type Head struct {
	Stream, Journal string
	// Number, Sequence and Position are those of the block's Cursor.
	Number, Sequence, Position uint64
	Hash                       Hash
}

// Cursor is the place behind the block, without its time and epoch.
func (h Head) Cursor() Cursor {
	return Cursor{Sequence: h.Sequence, Number: h.Number, Position: h.Position, Head: h.Hash}
}

// Heads is the file heads.log: one line for each acknowledged block, kept
// outside JetStream because a damaged stream can come back shorter and look
// whole. A line is written when the block is acknowledged, so the file is never
// ahead of the stream; it is synced with each signature, so after a loss of
// power it may be behind, and Open catches up.
//
// A nil *Heads remembers nothing. The methods are safe for concurrent use.
type Heads struct {
	dir   string
	key   ed25519.PrivateKey
	limit int64

	mu       sync.Mutex
	file     *os.File
	size     int64
	sum      hash.Hash
	last     map[string]Head
	moved    map[string]bool // journals with a head that no signature of its own vouches for
	unsigned int
	signed   time.Time
	failed   error
}

// OpenHeads opens heads.log in the data directory, and makes it and the node's
// key at the first start. A torn end is cut off; damage before a signature is an
// error.
func OpenHeads(dir string) (*Heads, error) {
	key, err := openKey(filepath.Join(dir, KeyFile))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", HeadsFile, err)
	}
	h := &Heads{dir: dir, key: key, limit: headsLimit}
	if err := h.open(); err != nil {
		return nil, fmt.Errorf("open %s: %w", HeadsFile, err)
	}
	return h, nil
}

func (h *Heads) path() string { return filepath.Join(h.dir, HeadsFile) }

// open reads the file, cuts a torn end off, and stands ready to append.
func (h *Heads) open() error {
	text, err := os.ReadFile(h.path())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	set, sound, err := parseHeads(text)
	if err != nil {
		return err
	}
	h.file, err = os.OpenFile(h.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := h.file.Truncate(int64(sound)); err != nil {
		return errors.Join(err, h.file.Close())
	}
	h.size = int64(sound)
	h.sum = sha256.New()
	h.sum.Write(text[:sound])
	h.last, h.moved = set.last(), set.moved()
	h.unsigned = set.unsigned
	h.signed = time.Now()
	if public := h.public(); !bytes.Equal(set.public, public) {
		if err := h.write(keyLine(public)); err != nil {
			return errors.Join(err, h.file.Close())
		}
	}
	return nil
}

func (h *Heads) public() ed25519.PublicKey { return h.key.Public().(ed25519.PublicKey) }

// write appends a line. After an error nothing more is written: a torn line in
// the middle could not be told from damage.
func (h *Heads) write(line []byte) error {
	if h.failed != nil {
		return h.failed
	}
	if _, err := h.file.WriteAt(line, h.size); err != nil {
		h.failed = fmt.Errorf("write %s: %w", h.path(), err)
		return h.failed
	}
	h.size += int64(len(line))
	h.sum.Write(line)
	return nil
}

// Record remembers an acknowledged block. A block that is not after the last
// one remembered changes nothing.
func (h *Heads) Record(stream, journal string, c Cursor) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if last, ok := h.last[journal]; ok && c.Number <= last.Number {
		return nil
	}
	head := Head{Stream: stream, Journal: journal, Number: c.Number, Sequence: c.Sequence, Position: c.Position, Hash: c.Head}
	if err := h.write(headLine('h', head)); err != nil {
		return err
	}
	h.last[journal], h.moved[journal] = head, true
	h.unsigned++
	if h.unsigned < signLines && time.Since(h.signed) < signEvery {
		return nil
	}
	if h.size > h.limit {
		return h.compact()
	}
	return h.sign()
}

// Trimmed remembers that a journal's blocks up to a place are about to be
// removed from the stream: its first block there may be the next one. It is on
// disk when the call returns.
func (h *Heads) Trimmed(stream, journal string, c Cursor) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	head := Head{Stream: stream, Journal: journal, Number: c.Number, Sequence: c.Sequence, Position: c.Position, Hash: c.Head}
	if err := h.write(headLine('t', head)); err != nil {
		return err
	}
	return h.sign()
}

// Sign signs now what is not signed yet, so that a proof can be made of it.
func (h *Heads) Sign() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.moved) == 0 {
		return h.failed
	}
	return h.sign()
}

// sign signs the last head of each journal that moved, then writes a signature
// over all bytes before it, and syncs.
func (h *Heads) sign() error {
	for _, journal := range slices.Sorted(maps.Keys(h.moved)) {
		if err := h.write(signHead(h.key, h.last[journal], time.Now().UnixMicro()).line()); err != nil {
			return err
		}
	}
	clear(h.moved)
	sig := ed25519.Sign(h.key, h.sum.Sum(nil))
	if err := h.write(seal(fmt.Appendf(nil, "s %d %s", time.Now().UnixMicro(), base64.StdEncoding.EncodeToString(sig)))); err != nil {
		return err
	}
	h.unsigned, h.signed = 0, time.Now()
	if err := h.file.Sync(); err != nil {
		h.failed = fmt.Errorf("sync %s: %w", h.path(), err)
	}
	return h.failed
}

// compact writes the file anew without the older half of its lines, except for
// each journal's last line and what is remembered of trimming.
func (h *Heads) compact() error {
	set, err := ReadHeads(h.dir)
	if err != nil {
		return err
	}
	next := &Heads{dir: h.dir, key: h.key, sum: sha256.New(), last: h.last, moved: h.moved}
	next.file, err = os.CreateTemp(h.dir, HeadsFile+".tmp-*")
	if err != nil {
		return fmt.Errorf("compact %s: %w", HeadsFile, err)
	}
	err = next.fill(set)
	if err == nil {
		err = os.Rename(next.file.Name(), h.path())
	}
	if err == nil {
		err = syncDir(h.dir)
	}
	if err != nil {
		return fmt.Errorf("compact %s: %w", HeadsFile, errors.Join(err, next.file.Close(), os.Remove(next.file.Name())))
	}
	old := h.file
	h.file, h.size, h.sum, h.unsigned, h.signed = next.file, next.size, next.sum, 0, next.signed
	return old.Close()
}

func (h *Heads) fill(set HeadSet) error {
	if err := h.write(keyLine(h.public())); err != nil {
		return err
	}
	for _, t := range set.trims {
		if err := h.write(headLine('t', t)); err != nil {
			return err
		}
	}
	for _, g := range thin(set.signed) {
		if err := h.write(g.line()); err != nil {
			return err
		}
	}
	last := set.last()
	for i, head := range set.heads {
		if i < len(set.heads)/2 && last[head.Journal] != head {
			continue
		}
		if err := h.write(headLine('h', head)); err != nil {
			return err
		}
	}
	return h.sign()
}

// Last is the last block remembered of a journal.
func (h *Heads) Last(journal string) (Head, bool) {
	if h == nil {
		return Head{}, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	head, ok := h.last[journal]
	return head, ok
}

// Set reads what the file holds.
func (h *Heads) Set() (HeadSet, error) {
	if h == nil {
		return HeadSet{}, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return ReadHeads(h.dir)
}

// Close signs what is not signed yet and closes the file.
func (h *Heads) Close() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.file == nil {
		return nil
	}
	var err error
	if h.unsigned > 0 && h.failed == nil {
		err = h.sign()
	}
	h.failed = fmt.Errorf("%s: %w", HeadsFile, ErrClosed)
	err = errors.Join(err, h.file.Close())
	h.file = nil
	return err
}
