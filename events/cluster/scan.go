package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"
)

// DamagedError says that a stream's file holds a message that is not what was
// written. The server is not started on it.
type DamagedError struct {
	// Stream is the stream's name.
	Stream string
	// File is the path of the file, Offset the byte at which the message
	// begins.
	File   string
	Offset int
	// Sequence is the first stream sequence that is damaged.
	Sequence uint64
	// Reason says what is wrong.
	Reason string
}

// Error names file and place.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("stream %s is damaged at sequence %d (%s, byte %d): %s; restore the data directory from a replica, the archive or a backup",
		e.Stream, e.Sequence, e.File, e.Offset, e.Reason)
}

// The layout of a message in a file of JetStream's file store: length (its top
// bit says that there are headers), sequence (its two top bits say that the
// message was removed), time, length of the subject; then subject, headers,
// data, and a HighwayHash.
const (
	recordHead   = 22
	recordSum    = 8
	recordMost   = 32 << 20
	bitHeaders   = 1 << 31
	bitErased    = 1 << 63
	bitTombstone = 1 << 62
	// leap is how far a torn message at the end of a file may seem to be
	// ahead.
	leap = 1 << 16
)

// Scan checks the checksum of every message in the files of a data directory,
// before a server opens them.
//
// It is not only for naming damage exactly. A server of 2.15 fills a hole in the
// sequences entry by entry before it looks at checksums, so one flipped bit in
// the upper bytes of a sequence takes all memory. A torn message at the very end
// is left to the server, which cuts it off: it was never acknowledged, or else
// heads.log knows.
func Scan(dir string) error {
	for _, cfg := range Streams(1) {
		if err := scanStream(dir, cfg.Name); err != nil {
			return err
		}
	}
	return nil
}

// scan scans the node's files. Alone, damage is an error. In a group the damaged store is
// laid aside: the others have it all, and the node comes to them as one whose store is
// empty.
func (s *Server) scan() error {
	err := Scan(s.dir)
	var damage *DamagedError
	if s.group == nil || !errors.As(err, &damage) {
		return err
	}
	aside := filepath.Join(s.dir, fmt.Sprintf("damaged-%d", time.Now().Unix()))
	if err := os.Rename(filepath.Join(s.dir, server.JetStreamStoreDir), aside); err != nil {
		return fmt.Errorf("lay the damaged store aside: %w", err)
	}
	s.log.Error("the store is damaged: it is laid aside and fetched anew from the other nodes", "aside", aside, "err", err)
	return nil
}

func scanStream(dir, name string) error {
	base := filepath.Join(streamDir(dir, name), "msgs")
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("scan stream %s: %w", name, err)
	}
	var files []int
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if n, err := strconv.Atoi(number); ok && err == nil {
			files = append(files, n)
		}
	}
	slices.Sort(files)
	var last uint64
	for i, n := range files {
		path := filepath.Join(base, strconv.Itoa(n)+".blk")
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("scan stream %s: %w", name, err)
		}
		key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", name, n))
		sum, err := highwayhash.New64(key[:])
		if err != nil {
			return fmt.Errorf("scan stream %s: %w", name, err)
		}
		f := blockFile{stream: name, path: path, text: text, sum: sum, final: i == len(files)-1}
		if last, err = f.scan(last); err != nil {
			return err
		}
	}
	return nil
}

// blockFile is one file of messages.
type blockFile struct {
	stream, path string
	text         []byte
	sum          hash.Hash64
	final        bool
}

// scan goes through the messages behind a sequence and gives the last one.
func (f blockFile) scan(last uint64) (uint64, error) {
	first := true
	for at := 0; at < len(f.text); {
		size, seq, reason := f.record(at)
		if reason == "" && seq&(bitErased|bitTombstone) == 0 && seq <= last && !first {
			reason = fmt.Sprintf("sequence %d does not rise", seq)
		}
		if reason == "" {
			if seq&(bitErased|bitTombstone) == 0 {
				last, first = seq, false
			}
			at += size
			continue
		}
		torn := f.final && (size == 0 || at+size >= len(f.text)) && (size == 0 || seq <= last+leap)
		if torn {
			return last, nil
		}
		return last, &DamagedError{Stream: f.stream, File: f.path, Offset: at, Sequence: last + 1, Reason: reason}
	}
	return last, nil
}

// record reads the message at a byte. Size is 0 when it cannot be framed.
func (f blockFile) record(at int) (size int, seq uint64, reason string) {
	rest := f.text[at:]
	if len(rest) < recordHead {
		return 0, 0, "the message is cut short"
	}
	length := binary.LittleEndian.Uint32(rest)
	seq = binary.LittleEndian.Uint64(rest[4:])
	subject := int(binary.LittleEndian.Uint16(rest[20:]))
	size = int(length &^ bitHeaders)
	skip := subject
	if length&bitHeaders != 0 {
		skip += 4
	}
	if size < recordHead+skip+recordSum || size > len(rest) || size > recordMost {
		return 0, seq, fmt.Sprintf("a message of %d bytes with a subject of %d does not fit in the %d that remain", size, subject, len(rest))
	}
	if seq&bitErased != 0 {
		return size, seq, "" // Its content is gone and its checksum with it.
	}
	data := rest[recordHead:size]
	f.sum.Reset()
	f.sum.Write(rest[4:20])
	f.sum.Write(data[:subject])
	f.sum.Write(data[skip : len(data)-recordSum])
	if !bytes.Equal(f.sum.Sum(nil), data[len(data)-recordSum:]) {
		return size, seq, "the message's checksum is wrong"
	}
	return size, seq, ""
}
