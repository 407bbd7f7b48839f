// Package backup copies what a node's store holds into a directory, and fills a new
// store from one: for disasters, and for growing a node alone to a cluster.
//
// The directory holds
//
//	manifest.json        what it is, and where each stream ends
//	journals/*.seg       the blocks of both streams, in segments that check themselves
//	blobs/SHA-256        what events name by digest: price lists
//	cluster.key          the key that opens the secrets in events: guard the directory
//
// Recordings and captures are files of their own and are not in it, and neither are the
// registrations of devices, which come again by themselves.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

// The names in the directory.
const (
	manifestFile = "manifest.json"
	journalsDir  = "journals"
	blobsDir     = "blobs"
)

// version is that of the layout.
const version = 1

// Blobs are bytes under their SHA-256.
type Blobs interface {
	// Names are the digests in hexadecimal digits.
	Names(ctx context.Context) ([]string, error)
	Get(ctx context.Context, digest []byte) ([]byte, error)
	Put(ctx context.Context, digest [32]byte, data []byte) error
}

// Manifest says what a backup is.
type Manifest struct {
	Version int       `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	Node    string    `json:"node"`
	Streams []Stream  `json:"streams"`
	Blobs   int       `json:"blobs"`
}

// Stream is how far a backup has a stream.
type Stream struct {
	Name     string `json:"name"`
	Identity string `json:"identity"`
	// Last is the sequence up to which everything is there.
	Last uint64 `json:"last"`
}

// Source is what is copied.
type Source struct {
	Node      string
	Book, Log journal.Store
	Blobs     Blobs
	// Key is the file of the cluster key.
	Key string
}

// Make writes a backup into a directory that is empty or not there. What is observed is
// copied before what was decided, so that whatever the one tells of stands in the other.
func Make(ctx context.Context, dir string, from Source, now time.Time) (Manifest, error) {
	m := Manifest{Version: version, MadeAt: now.UTC(), Node: from.Node}
	fail := func(err error) (Manifest, error) { return m, fmt.Errorf("back up into %s: %w", dir, err) }
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fail(errors.New("the directory is not empty"))
	}
	if err := os.MkdirAll(filepath.Join(dir, blobsDir), 0o700); err != nil {
		return fail(err)
	}
	archive, err := journal.OpenArchive(filepath.Join(dir, journalsDir))
	if err != nil {
		return fail(err)
	}
	for _, store := range []journal.Store{from.Log, from.Book} {
		s, err := seal(ctx, archive, store)
		if err != nil {
			return fail(err)
		}
		m.Streams = append(m.Streams, s)
	}
	if m.Blobs, err = copyBlobs(ctx, dir, from.Blobs); err != nil {
		return fail(err)
	}
	key, err := os.ReadFile(from.Key)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, cluster.KeyFile), key, 0o600)
	}
	if err != nil {
		return fail(err)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil { // The last file: a directory without it is no backup.
		err = os.WriteFile(filepath.Join(dir, manifestFile), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fail(err)
	}
	return m, nil
}

// seal copies a stream up to where it ends now, and of journals that go on meanwhile
// perhaps a little more.
func seal(ctx context.Context, archive *journal.Archive, store journal.Store) (Stream, error) {
	s := Stream{Name: store.Name(), Identity: store.Identity()}
	state, err := store.State(ctx)
	if err != nil {
		return s, err
	}
	s.Last = state.Last
	names, err := store.Subjects(ctx)
	if err != nil {
		return s, err
	}
	for _, name := range names {
		end, err := journal.End(ctx, store, name)
		if err != nil {
			return s, err
		}
		if _, err := archive.Seal(ctx, store, name, end.Number); err != nil {
			return s, err
		}
	}
	return s, nil
}

func copyBlobs(ctx context.Context, dir string, blobs Blobs) (int, error) {
	names, err := blobs.Names(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		digest, err := hex.DecodeString(name)
		if err != nil || len(digest) != sha256.Size {
			return 0, fmt.Errorf("the blob %q has no digest for a name", name)
		}
		data, err := blobs.Get(ctx, digest)
		if err != nil {
			return 0, err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != name {
			return 0, fmt.Errorf("the blob %s is damaged", name)
		}
		if err := os.WriteFile(filepath.Join(dir, blobsDir, name), data, 0o600); err != nil {
			return 0, err
		}
	}
	return len(names), nil
}

// Check reads all of a backup before anything is changed for it.
func Check(dir string) (Manifest, error) {
	m, err := Read(dir)
	if err != nil {
		return m, err
	}
	archive, err := journal.OpenArchive(filepath.Join(dir, journalsDir))
	if err == nil {
		err = archive.Check()
	}
	if err != nil {
		return m, fmt.Errorf("check backup %s: %w", dir, err)
	}
	return m, nil
}

// Read reads what a backup is.
func Read(dir string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return m, fmt.Errorf("%s is no backup, or one that was not finished: it has no %s", dir, manifestFile)
	}
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		return m, fmt.Errorf("read backup %s: %w", dir, err)
	}
	if m.Version != version {
		return m, fmt.Errorf("backup %s has layout %d, this program reads %d", dir, m.Version, version)
	}
	return m, nil
}
