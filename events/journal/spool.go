package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
)

// errSpoolFull says that a spool takes no more until it was published.
var errSpoolFull = errors.New("spool is full: the store has not committed for too long")

// spool is a file of blocks that the stream has not taken yet: records of
// length, CRC-32 and the block's bytes. It is emptied when all are published; a
// restart before that finds the published ones in the stream.
type spool struct {
	file   *os.File
	size   int64
	limit  int64
	blocks []draft
}

// openSpool reads the spool of a journal that ends at end. A torn last record
// was never confirmed to anyone and is cut off.
func openSpool(dir, journal string, limit int64, end Cursor) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	path := filepath.Join(dir, journal+".spool")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &spool{limit: limit}
	if err := s.parse(text, journal, end); err != nil {
		return nil, fmt.Errorf("spool %s: %w; move the file away to go on without it", path, err)
	}
	if s.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := errors.Join(s.file.Truncate(s.size), syncDir(dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %w", err), s.file.Close())
	}
	return s, nil
}

// parse takes the blocks behind end, which must follow it.
func (s *spool) parse(text []byte, journal string, end Cursor) error {
	at := end
	for len(text) >= 8 {
		size, sum := binary.LittleEndian.Uint32(text), binary.LittleEndian.Uint32(text[4:])
		if uint64(len(text)-8) < uint64(size) {
			return nil
		}
		data := text[8 : 8+size]
		if crc32.ChecksumIEEE(data) != sum {
			if uint64(len(text)-8) == uint64(size) {
				return nil // The last record: torn.
			}
			return fmt.Errorf("the record at byte %d is damaged", s.size)
		}
		b, err := decode(data)
		if err != nil {
			return fmt.Errorf("the record at byte %d: %w", s.size, err)
		}
		if b.Number > end.Number {
			m := Message{Subject: journal, Sequence: at.Sequence + 1, ID: blockID(b), Data: data}
			if b, err = at.check(journal, m); err != nil {
				return fmt.Errorf("it does not continue the journal: %w", err)
			}
			at = b.Cursor()
			b.Sequence = 0
			s.blocks = append(s.blocks, draft{block: b, data: data, id: blockID(b)})
		}
		text = text[8+size:]
		s.size += 8 + int64(size)
	}
	return nil
}

// tail is the place behind the last block in the spool.
func (s *spool) tail(end Cursor) Cursor {
	if n := len(s.blocks); n > 0 {
		end = s.blocks[n-1].block.Cursor()
	}
	return end
}

// add writes a block to the end of the file and syncs.
func (s *spool) add(d draft) error {
	record := binary.LittleEndian.AppendUint32(nil, uint32(len(d.data)))
	record = binary.LittleEndian.AppendUint32(record, crc32.ChecksumIEEE(d.data))
	record = append(record, d.data...)
	if s.size+int64(len(record)) > s.limit {
		return errSpoolFull
	}
	if _, err := s.file.WriteAt(record, s.size); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.size += int64(len(record))
	s.blocks = append(s.blocks, d)
	return nil
}

// pop forgets the oldest block, which is published, and empties the file behind
// the last one.
func (s *spool) pop() error {
	s.blocks = s.blocks[1:]
	if len(s.blocks) > 0 {
		return nil
	}
	s.size, s.blocks = 0, nil
	return s.file.Truncate(0)
}

func (s *spool) close() error { return s.file.Close() }
