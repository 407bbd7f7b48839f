package journal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// snapshotMagic begins a snapshot file.
	snapshotMagic = "tollbook snapshot 1\n"
	// snapshotsKept is how many snapshots of a name stay.
	snapshotsKept = 2
)

// Snapshot is a fold's state at a place of a journal. It can always be made
// again from the journal, so one that does not fit is left aside.
type Snapshot struct {
	// Journal is the journal that was folded.
	Journal string `json:"journal"`
	// Identity is the stream's: a snapshot of another stream is of no use.
	Identity string `json:"identity"`
	// Fold is the version of the fold that made the payload.
	Fold string `json:"fold"`
	// At is the place to which the journal was folded.
	At Cursor `json:"at"`
	// Payload is the fold's own encoding of its state.
	Payload []byte `json:"-"`
}

// SaveSnapshot puts a snapshot in dir under a name (a file name's characters),
// whole or not at all, and removes all of that name but the newest two.
//
// The file: a magic line, the length and text of the snapshot's fields in JSON,
// the payload, and the SHA-256 of all before it.
func SaveSnapshot(dir, name string, s Snapshot) error {
	if name == "" || strings.ContainsAny(name, "/*?[\\") {
		return fmt.Errorf("save snapshot: %q is no name for a file", name)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save snapshot %s: %w", name, err)
	}
	header, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save snapshot %s: %w", name, err)
	}
	data := make([]byte, 0, len(snapshotMagic)+4+len(header)+len(s.Payload)+sha256.Size)
	data = append(data, snapshotMagic...)
	data = binary.BigEndian.AppendUint32(data, uint32(len(header)))
	data = append(append(data, header...), s.Payload...)
	sum := sha256.Sum256(data)
	path := filepath.Join(dir, fmt.Sprintf("%s-%020d.snap", name, s.At.Number))
	if err := writeFile(path, append(data, sum[:]...)); err != nil {
		return fmt.Errorf("save snapshot %s: %w", name, err)
	}
	paths, err := snapshotPaths(dir, name)
	if err != nil {
		return err
	}
	for _, old := range paths[min(snapshotsKept, len(paths)):] {
		if err := os.Remove(old); err != nil {
			return fmt.Errorf("remove an old snapshot: %w", err)
		}
	}
	return nil
}

// RemoveSnapshots removes all of a name.
func RemoveSnapshots(dir, name string) error {
	paths, err := snapshotPaths(dir, name)
	for _, path := range paths {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// snapshotPaths are the files of a name, the newest first.
func snapshotPaths(dir, name string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, name+"-"+strings.Repeat("[0-9]", 20)+".snap"))
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return paths, nil
}

// ErrNoSnapshot says that no snapshot fits; the text says why. The journal is
// then folded from its beginning.
var ErrNoSnapshot = errors.New("no snapshot fits")

// LoadSnapshot gives the newest snapshot of a name that is whole and fits the
// stream's identity, the journal, the version of the fold, and the journal
// itself: the block at its place must be there with the same hash. The error is
// ErrNoSnapshot when there is none.
func LoadSnapshot(ctx context.Context, dir, name string, store Store, journal, fold string) (Snapshot, error) {
	paths, err := snapshotPaths(dir, name)
	if err != nil {
		return Snapshot{}, err
	}
	return loadSnapshot(ctx, paths, name, store, journal, fold)
}

// LoadOldestSnapshot gives the oldest one instead.
func LoadOldestSnapshot(ctx context.Context, dir, name string, store Store, journal, fold string) (Snapshot, error) {
	paths, err := snapshotPaths(dir, name)
	if err != nil {
		return Snapshot{}, err
	}
	slices.Reverse(paths)
	return loadSnapshot(ctx, paths, name, store, journal, fold)
}

func loadSnapshot(ctx context.Context, paths []string, name string, store Store, journal, fold string) (Snapshot, error) {
	var reasons []error
	for _, path := range paths {
		s, err := readSnapshot(path)
		if err == nil {
			err = s.fits(store, journal, fold)
		}
		if err == nil {
			err = CheckCursor(ctx, store, journal, s.At)
		}
		if err == nil {
			return s, nil
		}
		reasons = append(reasons, fmt.Errorf("%s: %w", filepath.Base(path), err))
	}
	if len(reasons) == 0 {
		reasons = append(reasons, errors.New("there is none"))
	}
	return Snapshot{}, fmt.Errorf("load snapshot %s: %w: %w", name, ErrNoSnapshot, errors.Join(reasons...))
}

func (s Snapshot) fits(store Store, journal, fold string) error {
	switch {
	case s.Journal != journal:
		return fmt.Errorf("it is of journal %s", s.Journal)
	case s.Identity != store.Identity():
		return errors.New("it is of another stream")
	case s.Fold != fold:
		return fmt.Errorf("it is of fold version %s, this is %s", s.Fold, fold)
	}
	return nil
}

func readSnapshot(path string) (Snapshot, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Snapshot{}, err
	}
	end := len(data) - sha256.Size
	if end < len(snapshotMagic)+4 || string(data[:len(snapshotMagic)]) != snapshotMagic {
		return Snapshot{}, errors.New("it does not begin like a snapshot")
	}
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return Snapshot{}, errors.New("its SHA-256 is wrong")
	}
	rest := data[len(snapshotMagic):end]
	size := binary.BigEndian.Uint32(rest)
	if rest = rest[4:]; uint64(size) > uint64(len(rest)) {
		return Snapshot{}, errors.New("it is cut short")
	}
	var s Snapshot
	if err := json.Unmarshal(rest[:size], &s); err != nil {
		return Snapshot{}, err
	}
	s.Payload = rest[size:]
	return s, nil
}

// CheckCursor proves that a journal still has the block before a place, with the
// same hash. A block that was trimmed is proved by the one that follows it.
func CheckCursor(ctx context.Context, store Store, journal string, at Cursor) error {
	if at.Number == 0 {
		return nil
	}
	m, err := store.Next(ctx, journal, at.Sequence)
	if errors.Is(err, ErrNoMessage) {
		return fmt.Errorf("block %d is not in the stream", at.Number)
	}
	if err != nil {
		return err
	}
	b, err := decode(m.Data)
	switch {
	case err != nil:
		return fmt.Errorf("block at sequence %d: %w", m.Sequence, err)
	case m.Sequence == at.Sequence && b.Number == at.Number && b.Hash == at.Head:
		return nil
	case m.Sequence > at.Sequence && b.Number == at.Number+1 && b.Previous == at.Head:
		return nil
	}
	return fmt.Errorf("the stream has block %d with hash %s at sequence %d, not block %d with %s",
		b.Number, b.Hash.Short(), m.Sequence, at.Number, at.Head.Short())
}
