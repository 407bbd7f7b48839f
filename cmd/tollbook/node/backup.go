package node

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/tollbook/tollbook/events/backup"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

// Backup writes a backup of the book, the logs of all nodes, the price lists and the
// cluster key as a tar archive. It is made in the data directory first, so that a slow
// reader holds up nothing.
func (n *Node) Backup(ctx context.Context, w io.Writer) (err error) {
	dir, err := os.MkdirTemp(n.settings.Data, ".backup-*")
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from := backup.Source{
		Node: n.settings.Node, Book: journal.Gentle(n.bookStore), Log: journal.Gentle(n.logStore), Blobs: n.blobs,
		Key: filepath.Join(n.settings.keyDir(), cluster.KeyFile),
	}
	m, err := backup.Make(ctx, dir, from, time.Now())
	if err != nil {
		return err
	}
	n.log.Info("a backup is given out", "streams", m.Streams, "blobs", m.Blobs)
	out := tar.NewWriter(w)
	if err := out.AddFS(os.DirFS(dir)); err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return out.Close()
}

// BackupDir backs up the store of a node alone that is stopped.
func BackupDir(ctx context.Context, data, to string, log *slog.Logger) (m backup.Manifest, err error) {
	if cluster.IsReplica(data) {
		return m, fmt.Errorf("the store in %s is one replica of a cluster's, which may lag: back up through a running node", data)
	}
	server, err := cluster.Start(ctx, cluster.Options{Dir: data, Node: "backup", Logger: log, NoCreate: true})
	if err != nil {
		return m, journal.Explain(data, err)
	}
	defer server.Stop()
	return backUp(ctx, server, filepath.Join(data, cluster.KeyFile), to)
}

// backUp makes a backup of what a server's store holds.
func backUp(ctx context.Context, server *cluster.Server, key, to string) (m backup.Manifest, err error) {
	from := backup.Source{Node: "backup", Key: key}
	if from.Book, err = journal.OpenStream(ctx, server.Conn(), cluster.StreamBook); err != nil {
		return m, err
	}
	if from.Log, err = journal.OpenStream(ctx, server.Conn(), cluster.StreamLog); err != nil {
		return m, err
	}
	if from.Blobs, err = openBlobs(ctx, server.JetStream(), 1); err != nil {
		return m, err
	}
	return backup.Make(ctx, to, from, time.Now())
}

// Restore fills the empty store of a node from a backup. In a cluster, whose other nodes
// are started with empty stores at the same time and wait, it fills that of all.
func Restore(ctx context.Context, c Config, from string, log *slog.Logger) (m backup.Manifest, err error) {
	return restore(ctx, c, from, log, nil)
}

// unused refuses a store that a node has worked with; one that is being filled is none.
func unused(data string) error {
	used, err := journal.ReadHeads(data)
	if err == nil && len(used.Last()) > 0 {
		err = errors.New("a node has worked with this store: name an empty data directory in the configuration")
	}
	if err != nil {
		return fmt.Errorf("restore into %s: %w", data, err)
	}
	return nil
}

// restore does so, and has something appended to the book before the nodes may begin.
func restore(ctx context.Context, c Config, from string, log *slog.Logger, then func(context.Context, *journal.Stream) error) (m backup.Manifest, err error) {
	s, err := c.parse()
	if err != nil {
		return m, err
	}
	if err := unused(s.Data); err != nil {
		return m, err
	}
	if m, err = backup.Check(from); err != nil {
		return m, err
	}
	if err := backup.CheckKey(from, filepath.Join(s.keyDir(), cluster.KeyFile)); err != nil {
		return m, err
	}
	server, err := cluster.Start(ctx, cluster.Options{
		Dir: s.Data, Node: s.Node, Logger: log, Group: s.group, ReadyTimeout: s.wait, Bring: true,
	})
	if err != nil {
		return m, err
	}
	defer server.Stop()
	var store *blobs
	err = server.Patiently(ctx, func(ctx context.Context) (err error) {
		store, err = openBlobs(ctx, server.JetStream(), server.Replicas())
		return err
	})
	if err != nil {
		return m, err
	}
	return backup.Restore(ctx, from, server, store, log, then)
}
