package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

// CheckKey puts a backup's cluster key where a node's is, or refuses a node that has
// another: the secrets in the events would stay closed.
func CheckKey(dir, to string) error {
	key, err := os.ReadFile(filepath.Join(dir, cluster.KeyFile))
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	there, err := os.ReadFile(to)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		return os.WriteFile(to, key, 0o600)
	case err != nil:
		return fmt.Errorf("restore: %w", err)
	case !bytes.Equal(bytes.TrimSpace(key), bytes.TrimSpace(there)):
		return fmt.Errorf("restore: the key in %s is not the backup's, which the secrets in the events are wrapped with: make the cluster's secrets with \"tollbook node init -key %s\"",
			to, filepath.Join(dir, cluster.KeyFile))
	}
	return nil
}

// Restore fills the streams of a server that was started to bring them, and its blobs.
// One that was interrupted is gone on with. Before the nodes may begin, then is called
// with the stream of the book, unless it is nil; what it appends stands behind what was
// restored.
func Restore(ctx context.Context, dir string, server *cluster.Server, blobs Blobs, log *slog.Logger, then func(context.Context, *journal.Stream) error) (Manifest, error) {
	m, err := Read(dir)
	if err != nil {
		return m, err
	}
	fail := func(err error) (Manifest, error) { return m, fmt.Errorf("restore %s: %w", dir, err) }
	archive, err := journal.OpenArchive(filepath.Join(dir, journalsDir))
	if err != nil {
		return fail(err)
	}
	if err := restoreBlobs(ctx, dir, m, server, blobs); err != nil {
		return fail(err)
	}
	for _, s := range m.Streams {
		store, last, err := restoreStream(ctx, server, archive, s, log)
		if err != nil {
			return fail(err)
		}
		mayGoOn := then != nil && s.Name == cluster.StreamBook
		if last < s.Last || last > s.Last && !mayGoOn {
			return fail(fmt.Errorf("stream %s ends with sequence %d, the manifest says %d: a file is missing", s.Name, last, s.Last))
		}
		if mayGoOn {
			if err := then(ctx, store); err != nil {
				return fail(err)
			}
		}
	}
	if err := server.EndBringing(ctx); err != nil {
		return fail(err)
	}
	return m, nil
}

// restoreStream fills a stream, and gives the sequence that it ends with.
func restoreStream(ctx context.Context, server *cluster.Server, archive *journal.Archive, s Stream, log *slog.Logger) (store *journal.Stream, last uint64, err error) {
	if _, err := server.Bring(ctx, s.Name, s.Identity); err != nil {
		return nil, 0, err
	}
	err = server.Patiently(ctx, func(ctx context.Context) (err error) {
		store, err = journal.OpenStream(ctx, server.Conn(), s.Name)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	last, err = archive.Fill(ctx, store, s.Last, func(sequence uint64) {
		log.Info("a stream is being restored", "stream", s.Name, "sequence", sequence, "of", s.Last)
	})
	return store, last, err
}

func restoreBlobs(ctx context.Context, dir string, m Manifest, server *cluster.Server, blobs Blobs) error {
	entries, err := os.ReadDir(filepath.Join(dir, blobsDir))
	if err != nil {
		return err
	}
	if len(entries) != m.Blobs {
		return fmt.Errorf("there are %d blobs, the manifest says %d", len(entries), m.Blobs)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, blobsDir, e.Name()))
		if err != nil {
			return err
		}
		digest := sha256.Sum256(data)
		if hex.EncodeToString(digest[:]) != e.Name() {
			return fmt.Errorf("the blob %s is damaged", e.Name())
		}
		// The bucket was made a moment ago: its leader may not be there yet.
		err = server.Patiently(ctx, func(ctx context.Context) error { return blobs.Put(ctx, digest, data) })
		if err != nil {
			return err
		}
	}
	return nil
}
