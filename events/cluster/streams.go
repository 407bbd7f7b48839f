package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// The two streams, one for each kind of fact.
const (
	// StreamBook holds what is decided, in the one journal "book".
	StreamBook = "BOOK"
	// StreamLog holds what is observed, in journals "log.calls.<node>" and
	// the like, each written by one node.
	StreamLog = "LOG"
)

// IdentityKey is the key in a stream's metadata under which its identity
// stands: 32 hex digits, drawn when the stream is made. A stream made anew is
// another stream, and what was remembered about the old one does not hold.
const IdentityKey = "tollbook.identity"

// DonePrefix stands before a journal's name in the subject on which its
// committed blocks are republished.
const DonePrefix = "done."

// Streams are the configurations of the streams, held by so many nodes each.
//
// Messages are never dropped or deleted: the streams are trimmed only by a
// purge, after the archive has been checked. DenyPurge is therefore not set; it
// could never be taken back.
func Streams(replicas int) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		stream(replicas, StreamBook, "book", "book", DonePrefix+"book"),
		stream(replicas, StreamLog, "log.>", "log.>", DonePrefix+"log.>"),
	}
}

func stream(replicas int, name, subject, source, done string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        name,
		Subjects:    []string{subject},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Discard:     jetstream.DiscardNew,
		Replicas:    replicas,
		MaxMsgs:     -1,
		MaxBytes:    -1,
		DenyDelete:  true,
		AllowDirect: true,
		RePublish:   &jetstream.RePublish{Source: source, Destination: done},
	}
}

// ensureStreams makes the streams that are missing. One that lies on the disk of a
// node alone but was not recovered is an error: making it anew would bury its blocks.
func (s *Server) ensureStreams(ctx context.Context) error {
	for _, cfg := range Streams(s.Replicas()) {
		if err := s.Patiently(ctx, func(ctx context.Context) error { return s.ensureStream(ctx, cfg) }); err != nil {
			return err
		}
	}
	return nil
}

// Patiently asks the store for something. In a group nobody may answer because a
// leader is being elected, or one node's question crosses another's: then each
// question waits askWithin, and it is asked again until ctx ends.
func (s *Server) Patiently(ctx context.Context, ask func(context.Context) error) error {
	if s.group == nil {
		return ask(ctx)
	}
	for {
		one, cancel := context.WithTimeout(ctx, askWithin)
		err := ask(one)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(askAgain):
		}
	}
}

const (
	askWithin = 2 * time.Second
	askAgain  = 100 * time.Millisecond
)

func (s *Server) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	there, err := s.js.Stream(ctx, cfg.Name)
	if err == nil {
		if _, bringing := there.CachedInfo().Config.Metadata[bringingKey]; bringing && !s.brings {
			return fmt.Errorf("stream %s is still being brought", cfg.Name)
		}
		return nil
	}
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("look up stream %s: %w", cfg.Name, err)
	}
	if dir := streamDir(s.dir, cfg.Name); s.group == nil && exists(dir) {
		return fmt.Errorf("stream %s lies in %s but cannot be opened, its meta file may be damaged: restore the directory from a replica or the archive", cfg.Name, dir)
	}
	if s.brought {
		return fmt.Errorf("stream %s is brought by another node, which has not begun", cfg.Name)
	}
	if s.brings {
		return nil // Bring makes it
	}
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("draw an identity: %w", err)
	}
	cfg.Metadata = map[string]string{IdentityKey: hex.EncodeToString(id)}
	_, err = s.js.CreateStream(ctx, cfg)
	if err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was first
		return fmt.Errorf("make stream %s: %w", cfg.Name, err)
	}
	return nil
}

func streamDir(dir, name string) string {
	return filepath.Join(dir, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams", name)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
