package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/tollbook/tollbook/cmd/tollbook/node"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/wire"
)

// importRows is the list of prices that comes in while calls do.
const importRows = 1_000_000

// latencyDuringImport is the 99th percentile of 1000 holds a second in milliseconds
// while a large list of prices is imported again and again: read, checked, stored,
// put in force.
func (b *ledgerBench) latencyDuringImport(ctx context.Context, server *cluster.Server) (float64, error) {
	blobs, err := node.OpenBlobs(ctx, server.Conn())
	if err != nil {
		return 0, err
	}
	if err := b.put(ctx, &wire.Deck{Id: largeDeckID, Currency: "USD", Decimals: 6}); err != nil {
		return 0, err
	}
	file, _ := largeDeck(rand.New(rand.NewPCG(1, 1)), importRows)
	importing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- b.importing(importing, file, blobs) }()
	_, p99, err := b.latency(ctx, 1000)
	stop()
	if err := <-failed; err != nil {
		return 0, err
	}
	return p99, err
}

// importing imports until ctx ends.
func (b *ledgerBench) importing(ctx context.Context, file []byte, blobs *node.Blobs) error {
	for n := uint64(1); ctx.Err() == nil; n++ {
		version, err := storeDeck(ctx, file, blobs, n)
		if err == nil {
			version.EffectiveFromUs = time.Now().UnixMicro()
			err = b.put(ctx, version)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}
