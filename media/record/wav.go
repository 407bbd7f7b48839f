package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The format tags of WAVE that are written.
const (
	tagPCM   = 1
	tagALaw  = 6
	tagMuLaw = 7
)

// format is how the samples of both sides lie in a file.
type format struct {
	// Codec names it: "PCMU", "PCMA", "PCM" or "PCM16K".
	codec string
	tag   uint16
	rate  int
	width int  // bytes a sample
	rest  byte // what silence is made of
}

var (
	formatMuLaw = format{"PCMU", tagMuLaw, 8000, 1, 0xff}
	formatALaw  = format{"PCMA", tagALaw, 8000, 1, 0xd5}
	formatPCM   = format{"PCM", tagPCM, 8000, 2, 0}
	formatWide  = format{"PCM16K", tagPCM, 16000, 2, 0}
)

// frame is the bytes of one instant: left is side A, right is side B.
func (f format) frame() int { return 2 * f.width }

// headerSize is the length of every header that is written: RIFF, fmt with an empty
// extension, fact and the head of data.
const headerSize = 12 + 8 + 18 + 8 + 4 + 8

// header is a WAVE file's, for so many bytes of samples.
func (f format) header(data uint32) []byte {
	h := make([]byte, 0, headerSize)
	le := binary.LittleEndian
	h = le.AppendUint32(append(h, "RIFF"...), headerSize-8+data)
	h = le.AppendUint32(append(h, "WAVEfmt "...), 18)
	h = le.AppendUint16(h, f.tag)
	h = le.AppendUint16(h, 2)
	h = le.AppendUint32(h, uint32(f.rate))
	h = le.AppendUint32(h, uint32(f.rate*f.frame()))
	h = le.AppendUint16(h, uint16(f.frame()))
	h = le.AppendUint16(h, uint16(8*f.width))
	h = le.AppendUint16(h, 0)
	h = le.AppendUint32(append(h, "fact"...), 4)
	h = le.AppendUint32(h, data/uint32(f.frame()))
	return le.AppendUint32(append(h, "data"...), data)
}

// ErrNoSound says that a file has no sound in it.
var ErrNoSound = errors.New("record: no sound")

// errForeign says that a header is not one of those written here.
var errForeign = errors.New("record: not a recording's header")

// Repairable is an unfinished recording.
type Repairable interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Truncate(size int64) error
}

// Repair puts the header of a recording right that a killed program left, so that it
// tells all that was written, and gives its codec. ErrNoSound is for a file with
// nothing behind the header.
func Repair(file Repairable) (codec string, err error) {
	size, err := file.Size()
	if err != nil {
		return "", fmt.Errorf("repair a recording: %w", err)
	}
	if size <= headerSize {
		return "", ErrNoSound
	}
	var head [headerSize]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return "", fmt.Errorf("repair a recording: %w", err)
	}
	for _, f := range []format{formatMuLaw, formatALaw, formatPCM, formatWide} {
		written := binary.LittleEndian.Uint32(head[headerSize-4:])
		if string(f.header(written)) != string(head[:]) {
			continue
		}
		frames := (size - headerSize) / int64(f.frame())
		if frames == 0 {
			return "", ErrNoSound
		}
		if err := file.Truncate(headerSize + frames*int64(f.frame())); err != nil {
			return "", fmt.Errorf("repair a recording: %w", err)
		}
		if _, err := file.WriteAt(f.header(uint32(frames)*uint32(f.frame())), 0); err != nil {
			return "", fmt.Errorf("repair a recording: %w", err)
		}
		return f.codec, nil
	}
	return "", errForeign
}
