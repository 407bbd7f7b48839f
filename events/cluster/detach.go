package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"
	"github.com/nats-io/nats-server/v2/server"
)

// Detach makes the copy of a group's store in a data directory one that a node alone
// can open: this node's replica of each stream, as far as it goes. The store of a node
// alone it leaves as it is. It is for copies only: a replica may end before what the
// group has acknowledged.
func Detach(dir string) error {
	streams := filepath.Join(dir, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams")
	entries, err := os.ReadDir(streams)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("detach the store: %w", err)
	}
	for _, e := range entries {
		if err := detachStream(filepath.Join(streams, e.Name()), e.Name()); err != nil {
			return fmt.Errorf("detach stream %s: %w", e.Name(), err)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, server.JetStreamStoreDir, server.DEFAULT_SYSTEM_ACCOUNT)); err != nil {
		return fmt.Errorf("detach the store: %w", err)
	}
	return nil
}

// detachStream writes into a stream's meta file that it has one replica, and the sum of
// that file anew. A meta file that is damaged is left to the server, which says so.
func detachStream(dir, name string) error {
	path := filepath.Join(dir, server.JetStreamMetaFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	stored, err := os.ReadFile(filepath.Join(dir, server.JetStreamMetaFileSum))
	if err != nil || string(stored) != metaSum(name, text) {
		return nil //nolint:nilerr // see above
	}
	meta := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &meta); err != nil {
		return err
	}
	meta["num_replicas"] = json.RawMessage("1")
	if text, err = json.Marshal(meta); err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, server.JetStreamMetaFileSum), []byte(metaSum(name, text)), 0o600)
}

// metaSum is the server's checksum of a stream's meta file.
func metaSum(name string, text []byte) string {
	key := sha256.Sum256([]byte(name))
	sum, err := highwayhash.New64(key[:])
	if err != nil {
		panic("cluster: a key of 32 bytes is refused: " + err.Error())
	}
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil))
}
