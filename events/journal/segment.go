package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// segmentMagic begins a segment file.
const segmentMagic = "tollbook segment 1\n"

// A segment is closed when it holds so many blocks, or bytes of them.
const (
	segmentBlocks = 4096
	segmentBytes  = 32 << 20
)

// segment is a run of a journal's blocks in a file: the magic, the length and
// text of this header in JSON, a zstd frame of records (sequence, length,
// block), and the SHA-256 of all before it.
type segment struct {
	Stream   string `json:"stream"`
	Identity string `json:"identity"`
	Journal  string `json:"journal"`
	// From is the place before the first block, To behind the last one.
	From Cursor `json:"from"`
	To   Cursor `json:"to"`

	path string
}

// fileName sorts by journal and first block.
func (s segment) fileName() string {
	return fmt.Sprintf("%s-%012d-%012d.seg", s.Journal, s.From.Number+1, s.To.Number)
}

// writeSegment puts a segment file in place.
func writeSegment(dir string, s segment, messages []Message) error {
	header, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var records []byte
	for _, m := range messages {
		records = binary.BigEndian.AppendUint64(records, m.Sequence)
		records = binary.BigEndian.AppendUint32(records, uint32(len(m.Data)))
		records = append(records, m.Data...)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer func() { _ = enc.Close() }() // writes nothing: EncodeAll has
	data := append([]byte(segmentMagic), binary.BigEndian.AppendUint32(nil, uint32(len(header)))...)
	data = append(data, header...)
	data = enc.EncodeAll(records, data)
	sum := sha256.Sum256(data)
	return writeFile(filepath.Join(dir, s.fileName()), append(data, sum[:]...))
}

// readSegment reads a segment file and checks all of it: the sum, and the chain
// from the place that it says it follows.
func readSegment(path string) (segment, []Message, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return segment{}, nil, fmt.Errorf("read segment: %w", err)
	}
	s, records, err := openSegment(data)
	if err != nil {
		return segment{}, nil, fmt.Errorf("segment %s is damaged, restore it from a replica or a backup: %w", path, err)
	}
	s.path = path
	messages, at, err := s.messages(records)
	if err != nil {
		return segment{}, nil, fmt.Errorf("segment %s: %w", path, err)
	}
	if at != s.To {
		return segment{}, nil, fmt.Errorf("segment %s ends at block %d, its header says %d", path, at.Number, s.To.Number)
	}
	return s, messages, nil
}

func openSegment(data []byte) (segment, []byte, error) {
	s, body, err := parseSegmentHeader(data)
	if err != nil {
		return segment{}, nil, err
	}
	if len(body) < sha256.Size {
		return segment{}, nil, errors.New("it is cut short")
	}
	end := len(data) - sha256.Size
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return segment{}, nil, errors.New("its SHA-256 is wrong")
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(segmentBytes+2*MaxBlock))
	if err != nil {
		return segment{}, nil, err
	}
	defer dec.Close()
	records, err := dec.DecodeAll(body[:len(body)-sha256.Size], nil)
	return s, records, err
}

// parseSegmentHeader gives the header and what follows it.
func parseSegmentHeader(data []byte) (segment, []byte, error) {
	rest, ok := bytes.CutPrefix(data, []byte(segmentMagic))
	if !ok || len(rest) < 4 {
		return segment{}, nil, errors.New("it does not begin like a segment")
	}
	size := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	if uint64(size) > uint64(len(rest)) {
		return segment{}, nil, errors.New("it is cut short")
	}
	var s segment
	if err := json.Unmarshal(rest[:size], &s); err != nil {
		return segment{}, nil, fmt.Errorf("its header: %w", err)
	}
	return s, rest[size:], nil
}

// messages splits the records and checks the chain.
func (s segment) messages(records []byte) ([]Message, Cursor, error) {
	at := s.From
	var out []Message
	for len(records) > 0 {
		if len(records) < 12 {
			return nil, at, at.broken(s.Journal, at.Sequence, "the record is cut short")
		}
		seq, size := binary.BigEndian.Uint64(records), binary.BigEndian.Uint32(records[8:])
		records = records[12:]
		if uint64(size) > uint64(len(records)) {
			return nil, at, at.broken(s.Journal, seq, "the record is cut short")
		}
		m := Message{Subject: s.Journal, Sequence: seq, Data: records[:size:size]}
		b, err := decode(m.Data)
		if err != nil {
			return nil, at, at.broken(s.Journal, seq, "%v", err)
		}
		m.ID = blockID(b)
		if b, err = at.check(s.Journal, m); err != nil {
			return nil, at, err
		}
		at = b.Cursor()
		out = append(out, m)
		records = records[size:]
	}
	return out, at, nil
}
