package journal

import (
	"context"
	"time"
)

// gentleRest is how many times as long as a batch took Gentle rests behind it.
const gentleRest = 9

// Gentle reads a store for somebody who has time: after each batch it rests for nine
// times as long as the batch took, so that it costs others a tenth of a processor.
func Gentle(store Store) Store { return &gentle{Store: store} }

type gentle struct {
	Store
	rest time.Duration
}

// Read rests before the next batch and not after the last one: one reader at a time.
func (g *gentle) Read(ctx context.Context, subject string, from uint64) ([]Message, error) {
	select {
	case <-time.After(g.rest):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	begun := time.Now()
	out, err := g.Store.Read(ctx, subject, from)
	g.rest = gentleRest * time.Since(begun)
	return out, err
}
