package registrar

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrConflict says that somebody else has written meanwhile.
var ErrConflict = errors.New("the bindings have changed meanwhile")

// Store keeps each subscriber's bindings, for all nodes.
type Store interface {
	// Get gives a subscriber's bytes and their revision, nil and 0 if there are none.
	Get(ctx context.Context, user string) ([]byte, uint64, error)
	// Put replaces the bytes of a revision; nil removes them. ErrConflict says that
	// the revision is not the newest one.
	Put(ctx context.Context, user string, data []byte, revision uint64) error
	// Watch tells of all that is there and of each change, nil bytes for a removal,
	// until ctx ends. It returns when all that was there has been told.
	Watch(ctx context.Context, tell func(user string, data []byte)) error
}

// Bucket is the name of the bindings' bucket.
const Bucket = "bindings"

// KV keeps bindings in a JetStream bucket.
type KV struct{ kv jetstream.KeyValue }

// OpenKV opens the bucket with so many replicas, or makes it.
func OpenKV(ctx context.Context, js jetstream.JetStream, replicas int) (*KV, error) {
	kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: Bucket, Description: "contacts of subscribers", History: 1, Storage: jetstream.FileStorage, Replicas: replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("open the bindings: %w", err)
	}
	return &KV{kv}, nil
}

func keyOf(user string) string { return hex.EncodeToString([]byte(user)) }

// Get gives a subscriber's bytes. A removal leaves a revision that the next write
// stands on.
func (k *KV) Get(ctx context.Context, user string) ([]byte, uint64, error) {
	e, err := k.kv.Get(ctx, keyOf(user))
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the bindings of %s: %w", user, err)
	}
	return e.Value(), e.Revision(), nil
}

// Put replaces a subscriber's bytes.
func (k *KV) Put(ctx context.Context, user string, data []byte, revision uint64) error {
	var err error
	switch {
	case data == nil && revision == 0:
		return nil
	case data == nil:
		err = k.kv.Purge(ctx, keyOf(user), jetstream.LastRevision(revision))
	case revision == 0:
		_, err = k.kv.Create(ctx, keyOf(user), data)
	default:
		_, err = k.kv.Update(ctx, keyOf(user), data, revision)
	}
	var api *jetstream.APIError
	if errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return ErrConflict
	}
	if err != nil {
		return fmt.Errorf("write the bindings of %s: %w", user, err)
	}
	return nil
}

// Watch follows the bucket.
func (k *KV) Watch(ctx context.Context, tell func(user string, data []byte)) error {
	w, err := k.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("follow the bindings: %w", err)
	}
	told := make(chan struct{})
	go func() {
		for e := range w.Updates() {
			if e == nil {
				close(told)
				continue
			}
			user, err := hex.DecodeString(e.Key())
			if err != nil {
				continue // not ours
			}
			data := e.Value()
			if e.Operation() != jetstream.KeyValuePut {
				data = nil
			}
			tell(string(user), data)
		}
	}()
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
