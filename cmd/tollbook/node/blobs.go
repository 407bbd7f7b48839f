package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/tollbook/tollbook/events"
)

// bucket is where blobs lie: large inputs that an event names by their SHA-256.
const bucket = "blobs"

// blobs keeps bytes under their SHA-256 in a JetStream object store.
type blobs struct{ store jetstream.ObjectStore }

func openBlobs(ctx context.Context, js jetstream.JetStream, replicas int) (*blobs, error) {
	store, err := js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: bucket, Description: "blobs by SHA-256", Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open the blobs: %w", err)
	}
	return &blobs{store}, nil
}

// Blobs keeps bytes under their SHA-256; it may be used from any goroutine.
type Blobs = blobs

// OpenBlobs opens the bucket of a server that a benchmark started.
func OpenBlobs(ctx context.Context, conn *nats.Conn) (*Blobs, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	return openBlobs(ctx, js, 1)
}

// Get gives the bytes of a digest.
func (b *blobs) Get(ctx context.Context, digest []byte) ([]byte, error) {
	data, err := b.store.GetBytes(ctx, hex.EncodeToString(digest))
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, events.NotFound("there is no blob %x", digest)
	}
	return data, err
}

// Names are the digests of all blobs, in hexadecimal digits.
func (b *blobs) Names(ctx context.Context) ([]string, error) {
	list, err := b.store.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil
	}
	var out []string
	for _, o := range list {
		out = append(out, o.Name)
	}
	return out, err
}

// Put keeps bytes under their digest; again is no error.
func (b *blobs) Put(ctx context.Context, digest [32]byte, data []byte) error {
	name := hex.EncodeToString(digest[:])
	if _, err := b.store.GetInfo(ctx, name); err == nil {
		return nil
	}
	if _, err := b.store.PutBytes(ctx, name, data); err != nil {
		return fmt.Errorf("keep blob %s: %w", name, err)
	}
	return nil
}
