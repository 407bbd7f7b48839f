package cluster

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// bringingKey stands in a stream's metadata while it is being brought from elsewhere.
const bringingKey = "tollbook.bringing"

// Bring makes a stream with the identity of the one that it continues, for a caller who
// fills it. Other nodes of the group wait until EndBringing. A stream that is there
// already is an error unless it is one that is being brought with the same identity,
// which may be gone on with.
func (s *Server) Bring(ctx context.Context, name, identity string) (jetstream.Stream, error) {
	for _, cfg := range Streams(s.Replicas()) {
		if cfg.Name != name {
			continue
		}
		cfg.Metadata = map[string]string{IdentityKey: identity, bringingKey: s.node}
		var stream jetstream.Stream
		err := s.Patiently(ctx, func(ctx context.Context) (err error) {
			stream, err = s.js.CreateStream(ctx, cfg)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("bring stream %s: %w", name, err)
		}
		return stream, nil
	}
	return nil, fmt.Errorf("bring stream %s: no such stream", name)
}

// EndBringing lets the group begin with the streams that were brought.
func (s *Server) EndBringing(ctx context.Context) error {
	for _, cfg := range Streams(s.Replicas()) {
		err := s.Patiently(ctx, func(ctx context.Context) error {
			stream, err := s.js.Stream(ctx, cfg.Name)
			if err != nil {
				return err
			}
			now := stream.CachedInfo().Config
			delete(now.Metadata, bringingKey)
			_, err = s.js.UpdateStream(ctx, now)
			return err
		})
		if err != nil {
			return fmt.Errorf("end the bringing of stream %s: %w", cfg.Name, err)
		}
	}
	return nil
}
