package alone

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/tollbook/tollbook/events/wire"
)

// file keeps what was decided here until the book has it: records of length, CRC-32
// and an OfflineCall. The last record of a call counts.
type file struct {
	f    *os.File
	size int64
}

// mostRecord bounds a record: eight candidates with their prices are some kilobytes.
const mostRecord = 1 << 20

// openFile reads the records of the last run. A torn last one was never acted upon, and
// is cut off; other damage is an error.
func openFile(path string) (*file, []*wire.OfflineCall, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	var calls []*wire.OfflineCall
	at := 0
	for len(text)-at >= 8 {
		size := int(binary.LittleEndian.Uint32(text[at:]))
		if size > mostRecord || size > len(text)-at-8 {
			break
		}
		data := text[at+8 : at+8+size]
		o := &wire.OfflineCall{}
		if crc32.ChecksumIEEE(data) != binary.LittleEndian.Uint32(text[at+4:]) || proto.Unmarshal(data, o) != nil {
			if at+8+size == len(text) {
				break
			}
			return nil, nil, fmt.Errorf("%s is damaged at byte %d: calls that were served while the book was silent are not in the book; keep the file, and move it away to start without them", path, at)
		}
		calls = append(calls, o)
		at += 8 + size
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	return &file{f, int64(at)}, calls, f.Truncate(int64(at))
}

// add writes a record and syncs.
func (f *file) add(o *wire.OfflineCall) error {
	data, err := proto.Marshal(o)
	if err != nil {
		return err
	}
	record := binary.LittleEndian.AppendUint32(nil, uint32(len(data)))
	record = binary.LittleEndian.AppendUint32(record, crc32.ChecksumIEEE(data))
	if _, err := f.f.WriteAt(append(record, data...), f.size); err != nil {
		return err
	}
	if err := f.f.Sync(); err != nil {
		return err
	}
	f.size += int64(len(record) + len(data))
	return nil
}

// empty forgets all records: the book has them.
func (f *file) empty() error {
	f.size = 0
	return f.f.Truncate(0)
}
