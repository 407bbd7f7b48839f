package journal

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// Archive is a directory of sealed segments: old blocks, compressed and checked,
// that stand behind the streams. It is safe for concurrent use.
type Archive struct {
	dir string

	mu       sync.Mutex
	segments map[string][]segment // by journal, in order, without gaps
	cached   string
	messages []Message
}

// OpenArchive reads the headers of the segments in a directory, which is made
// when it does not exist. Their content is checked when it is read.
func OpenArchive(dir string) (*Archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	slices.Sort(paths) // By journal and first block.
	a := &Archive{dir: dir, segments: map[string][]segment{}}
	for _, path := range paths {
		s, err := readSegmentHeader(path)
		if err != nil {
			return nil, fmt.Errorf("open archive: segment %s: %w", path, err)
		}
		if err := a.add(s); err != nil {
			return nil, fmt.Errorf("open archive: %w", err)
		}
	}
	return a, nil
}

func readSegmentHeader(path string) (segment, error) {
	file, err := os.Open(path)
	if err != nil {
		return segment{}, err
	}
	defer file.Close()
	head := make([]byte, len(segmentMagic)+4)
	if _, err := io.ReadFull(file, head); err != nil {
		return segment{}, errors.New("it is cut short")
	}
	size := binary.BigEndian.Uint32(head[len(segmentMagic):])
	if size > 64<<10 {
		return segment{}, errors.New("its header is damaged")
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(file, text); err != nil {
		return segment{}, errors.New("it is cut short")
	}
	s, _, err := parseSegmentHeader(append(head, text...))
	s.path = path
	return s, err
}

// add takes a segment that follows those before it.
func (a *Archive) add(s segment) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if end := a.end(s.Journal); end != s.From {
		return end.broken(s.Journal, end.Sequence, "archive segment %s begins with block %d", s.path, s.From.Number+1)
	}
	a.segments[s.Journal] = append(a.segments[s.Journal], s)
	return nil
}

func (a *Archive) end(journal string) Cursor {
	if list := a.segments[journal]; len(list) > 0 {
		return list[len(list)-1].To
	}
	return Cursor{}
}

// End is the place behind the last sealed block of a journal.
func (a *Archive) End(journal string) Cursor {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end(journal)
}

// Seal copies a journal's blocks behind the last sealed one, up to and with the
// given block number, from the stream into segments. Each is verified as a
// continuation of the archive when it is cut. The stream stays as it is: see
// Trim.
func (a *Archive) Seal(ctx context.Context, store Store, journal string, upTo uint64) (Cursor, error) {
	s := segment{Stream: store.Name(), Identity: store.Identity(), Journal: journal, From: a.End(journal)}
	s.To = s.From
	var messages []Message
	size := 0
	cut := func() error {
		if len(messages) == 0 {
			return nil
		}
		if err := a.cut(s, messages); err != nil {
			return err
		}
		s.From, messages, size = s.To, nil, 0
		return nil
	}
	for from := s.From.Sequence + 1; s.To.Number < upTo; {
		batch, err := store.Read(ctx, journal, from)
		if err != nil {
			return s.From, fmt.Errorf("seal journal %s: %w", journal, err)
		}
		if len(batch) == 0 { // the end, or a replica that lags: the leader knows
			m, err := store.Next(ctx, journal, from)
			if err != nil {
				return s.From, fmt.Errorf("seal journal %s: the stream ends with block %d, asked for %d: %w", journal, s.To.Number, upTo, err)
			}
			batch = []Message{m}
		}
		for _, m := range batch {
			b, err := s.To.check(journal, m)
			if err != nil {
				return s.From, fmt.Errorf("seal: %w", err)
			}
			s.To, messages, size = b.Cursor(), append(messages, m), size+len(m.Data)
			if b.Number == upTo || len(messages) == segmentBlocks || size >= segmentBytes {
				if err := cut(); err != nil {
					return s.From, err
				}
			}
			if b.Number == upTo {
				return s.To, nil
			}
		}
		from = s.To.Sequence + 1
	}
	return s.To, nil
}

// cut writes a segment, reads it again, and takes it in.
func (a *Archive) cut(s segment, messages []Message) error {
	if err := writeSegment(a.dir, s, messages); err != nil {
		return fmt.Errorf("seal journal %s: %w", s.Journal, err)
	}
	back, _, err := readSegment(filepath.Join(a.dir, s.fileName()))
	if err != nil {
		return fmt.Errorf("seal journal %s: %w", s.Journal, err)
	}
	return a.add(back)
}

// Trim removes a journal's blocks up to and with a number from the stream, after
// all segments that hold them were read again and checked, and the first block
// that stays was found to follow them. The journal's last block always stays.
// heads remembers the place first, so that a crash between leaves more than is
// needed, never less.
func (a *Archive) Trim(ctx context.Context, store Store, heads *Heads, journal string, upTo uint64) (Cursor, error) {
	last, err := End(ctx, store, journal)
	if err != nil {
		return Cursor{}, fmt.Errorf("trim journal %s: %w", journal, err)
	}
	upTo = min(upTo, last.Number-min(last.Number, 1))
	if sealed := a.End(journal); upTo > sealed.Number {
		return Cursor{}, fmt.Errorf("trim journal %s: block %d is not sealed, the archive ends with %d", journal, upTo, sealed.Number)
	}
	at, err := a.reread(journal, upTo)
	if err != nil || at.Number == 0 {
		return at, err
	}
	next, err := store.Next(ctx, journal, at.Sequence+1)
	if err != nil {
		return at, fmt.Errorf("trim journal %s: %w", journal, err)
	}
	if _, err := at.check(journal, next); err != nil {
		return at, fmt.Errorf("trim: the stream does not follow the archive: %w", err)
	}
	if err := heads.Trimmed(store.Name(), journal, at); err != nil {
		return at, fmt.Errorf("trim journal %s: %w", journal, err)
	}
	return at, store.Purge(ctx, journal, at.Sequence+1)
}

// reread reads the segments from the first up to a block and checks the chain.
func (a *Archive) reread(journal string, upTo uint64) (Cursor, error) {
	a.mu.Lock()
	list := slices.Clone(a.segments[journal])
	a.mu.Unlock()
	at := Cursor{}
	for _, s := range list {
		_, sealed, err := readSegment(s.path)
		if err != nil {
			return at, fmt.Errorf("trim journal %s: %w", journal, err)
		}
		for _, m := range sealed {
			if at.Number == upTo {
				return at, nil
			}
			b, err := at.check(journal, m)
			if err != nil {
				return at, fmt.Errorf("trim: %w", err)
			}
			at = b.Cursor()
		}
	}
	if at.Number != upTo {
		return at, fmt.Errorf("trim journal %s: the archive ends with block %d", journal, at.Number)
	}
	return at, nil
}

// find gives the sealed messages from a sequence on that lie in one segment,
// none when the archive has no such block.
func (a *Archive) find(journal string, from uint64) ([]Message, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.holding(journal, from)
	if !ok {
		return nil, nil
	}
	if a.cached != s.path {
		_, messages, err := readSegment(s.path)
		if err != nil {
			return nil, err
		}
		a.cached, a.messages = s.path, messages
	}
	return since(a.messages, from), nil
}

// holding is the first segment that goes as far as a sequence; the lock is held.
func (a *Archive) holding(journal string, from uint64) (segment, bool) {
	for _, s := range a.segments[journal] {
		if s.To.Sequence >= from {
			return s, true
		}
	}
	return segment{}, false
}

// since are the messages from a sequence on.
func since(messages []Message, from uint64) []Message {
	i, _ := slices.BinarySearchFunc(messages, from, func(m Message, seq uint64) int { return cmp.Compare(m.Sequence, seq) })
	return messages[i:]
}

// journals are those with segments of a stream.
func (a *Archive) journals(stream string) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for journal, list := range a.segments {
		if list[0].Stream == stream {
			out = append(out, journal)
		}
	}
	slices.Sort(out)
	return out
}
