package rsync

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// What a frame may be; all others but data are messages for people.
const (
	tagBase  = 7
	tagData  = 0
	tagError = 1
	maxTold  = 500
)

// demux takes the data out of the frames that a daemon sends: four bytes with the
// length and, in the highest, the kind.
type demux struct {
	from *bufio.Reader
	left int
	// said is the last of the daemon's messages.
	said string
}

func (d *demux) Read(p []byte) (int, error) {
	for d.left == 0 {
		if err := d.frame(); err != nil {
			return 0, err
		}
	}
	n, err := d.from.Read(p[:min(len(p), d.left)])
	d.left -= n
	return n, err
}

func (d *demux) frame() error {
	var head [4]byte
	if _, err := io.ReadFull(d.from, head[:]); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint32(head[:]) & 0xffffff)
	switch {
	case head[3] == tagBase+tagData:
		d.left = n
		return nil
	case head[3] < tagBase:
		return errProtocol
	}
	text := make([]byte, min(n, maxTold))
	if _, err := io.ReadFull(d.from, text); err != nil {
		return err
	}
	if _, err := d.from.Discard(n - len(text)); err != nil {
		return err
	}
	d.said = strings.TrimSpace(string(text))
	return nil
}

// told adds the daemon's last words to an error.
func (d *demux) told(err error) error {
	if err == nil || d.said == "" {
		return err
	}
	return fmt.Errorf("%w (it says %q)", err, d.said)
}

func (d *demux) byte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(d, b[:])
	return b[0], noEnd(err)
}

func (d *demux) int() (int32, error) {
	var b [4]byte
	_, err := io.ReadFull(d, b[:])
	return int32(binary.LittleEndian.Uint32(b[:])), noEnd(err)
}

// long is an int, or -1 and eight bytes.
func (d *demux) long() (int64, error) {
	short, err := d.int()
	if err != nil || short != -1 {
		return int64(short), err
	}
	var b [8]byte
	_, err = io.ReadFull(d, b[:])
	return int64(binary.LittleEndian.Uint64(b[:])), noEnd(err)
}

// noEnd tells that the connection ended where it must not.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
