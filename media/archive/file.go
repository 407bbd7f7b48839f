package archive

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
)

// File is one that is being written, by one goroutine at a time.
type File struct {
	store *Store
	name  Name
	file  *os.File
	// failed is the first error of the disk; nothing is written after it.
	failed error
	once   sync.Once
}

// Details are what the writer knows of a file.
type Details struct {
	// Codec is what is in it: "PCMU", "PCM", "pcap", …
	Codec string
	// Truncated says that it ends before the call did, Reason why. A file that the
	// disk refused is truncated in any case.
	Truncated bool
	Reason    string
	// From and To are the times of its first and last packet; zero if unknown.
	From, To time.Time
	// Paused is how long it was paused.
	Paused time.Duration
	// Lost counts packets that could not be written.
	Lost uint64
}

// Made is a finished file.
type Made struct {
	Name Name
	// Size is in bytes.
	Size      int64
	SHA256    [sha256.Size]byte
	Truncated bool
}

// Name is the name that it will have.
func (f *File) Name() Name { return f.name }

// Write appends. After an error of the disk it does nothing but give that error
// again: the file is then finished as truncated, and the call goes on.
func (f *File) Write(p []byte) (int, error) {
	if f.failed != nil {
		return 0, f.failed
	}
	n, err := f.file.Write(p)
	return n, f.check(err)
}

// WriteAt changes what was written, such as a header's sizes.
func (f *File) WriteAt(p []byte, at int64) (int, error) {
	if f.failed != nil {
		return 0, f.failed
	}
	n, err := f.file.WriteAt(p, at)
	return n, f.check(err)
}

// ReadAt reads what was written.
func (f *File) ReadAt(p []byte, at int64) (int, error) { return f.file.ReadAt(p, at) }

// Size is how many bytes it has.
func (f *File) Size() (int64, error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Truncate cuts the file: a repair takes off what was half written.
func (f *File) Truncate(size int64) error {
	if f.failed != nil {
		return f.failed
	}
	return f.check(f.file.Truncate(size))
}

// Sync waits until what was written is on the disk.
func (f *File) Sync() error {
	if f.failed != nil {
		return f.failed
	}
	return f.check(f.file.Sync())
}

func (f *File) check(err error) error {
	if err == nil {
		return nil
	}
	f.failed = fmt.Errorf("write %s: %w", f.name, err)
	f.store.refused(err)
	return f.failed
}

// Finish ends the file: it is hashed, and lies on the shelf when its event is
// durable, which takes a moment more. A file that cannot be read any more is given
// up, with an error.
func (f *File) Finish(d Details) (Made, error) {
	var made Made
	err := ErrClosed
	f.once.Do(func() {
		defer f.store.release(f.name)
		made, err = f.finish(d)
		err = errors.Join(err, f.file.Close())
	})
	return made, err
}

func (f *File) finish(d Details) (Made, error) {
	if err := f.Sync(); err != nil && !d.Truncated {
		d.Truncated, d.Reason = true, "disk"
	}
	hash := sha256.New()
	size, err := io.Copy(hash, io.NewSectionReader(f.file, 0, 1<<62))
	if err != nil {
		return Made{}, fmt.Errorf("hash %s: %w", f.name, err)
	}
	made := Made{Name: f.name, Size: size, SHA256: [32]byte(hash.Sum(nil)), Truncated: d.Truncated}
	return made, f.store.putUp(shelved{made, made.event(d)})
}

// Abandon removes the file; it leaves no trace.
func (f *File) Abandon() {
	f.once.Do(func() {
		defer f.store.release(f.name)
		if err := errors.Join(f.file.Close(), os.Remove(f.store.partOf(f.name))); err != nil {
			f.store.config.Log.Error("a file could not be given up", "file", f.name.String(), "err", err)
		}
	})
}

func (m Made) event(d Details) *wire.Event {
	made := &wire.FileMade{
		Call: m.Name.Call[:], Part: uint32(m.Name.Part), Kind: m.Name.Kind.wire(), Name: m.Name.Below(), Node: m.Name.Node,
		Size: uint64(m.Size), Sha256: m.SHA256[:], Codec: d.Codec, Truncated: d.Truncated, Reason: d.Reason,
		PausedMs: d.Paused.Milliseconds(), Lost: d.Lost,
	}
	if !d.From.IsZero() {
		made.FromUs = events.Micros(d.From)
	}
	if !d.To.IsZero() {
		made.ToUs = events.Micros(d.To)
	}
	return &wire.Event{Correlation: m.Name.Call[:], Body: &wire.Event_FileMade{FileMade: made}}
}

func (k Kind) wire() wire.FileKind {
	switch k {
	case Recording:
		return wire.FileKind_FILE_KIND_RECORDING
	case Capture:
		return wire.FileKind_FILE_KIND_CAPTURE
	default:
		return wire.FileKind_FILE_KIND_EXPORT
	}
}
