package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/projections/history"
)

// rebuildBatch is how many events are applied at once.
const rebuildBatch = 2000

// rebuilt is a history that is made anew from the events, beside a copy of the
// one that a node made.
type rebuilt struct {
	temp     string
	have     *history.Store
	want     *history.Store
	progress []history.Progress
	batch    []events.Recorded
}

// rebuild begins; the node's history is copied, since opening it may change it.
func rebuild(ctx context.Context, dir string) (r *rebuilt, err error) {
	r = &rebuilt{}
	defer func() {
		if err != nil {
			r.remove()
		}
	}()
	if r.temp, err = os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), "tollbook-verify-*"); err != nil {
		return r, err
	}
	kept := filepath.Join(dir, "history")
	if _, err = os.Stat(kept); err != nil {
		return r, fmt.Errorf("verify the history: %w", err)
	}
	if err = os.CopyFS(filepath.Join(r.temp, "have"), os.DirFS(kept)); err != nil {
		return r, fmt.Errorf("copy the history: %w", err)
	}
	if r.have, err = history.Open(filepath.Join(r.temp, "have"), history.Options{}); err != nil {
		return r, err
	}
	if r.want, err = history.Open(filepath.Join(r.temp, "want"), history.Options{}); err != nil {
		return r, err
	}
	r.progress, err = r.have.AsOf(ctx)
	return r, err
}

// take applies a block's events, as far as the node's history has come.
func (r *rebuilt) take(ctx context.Context, b journal.Block) error {
	if r == nil {
		return nil
	}
	evs, err := b.Decode()
	if err != nil {
		return err
	}
	r.batch = append(r.batch, b.Recorded(evs)...)
	if len(r.batch) < rebuildBatch {
		return nil
	}
	return r.flush(ctx)
}

func (r *rebuilt) flush(ctx context.Context) error {
	err := r.want.Apply(ctx, history.Until(r.progress, r.batch), nil)
	r.batch = nil
	return err
}

func (r *rebuilt) compare(ctx context.Context) (history.Compared, error) {
	if err := r.flush(ctx); err != nil {
		return history.Compared{}, err
	}
	return history.Compare(ctx, r.have, r.want)
}

func (r *rebuilt) remove() {
	var err error
	for _, s := range []*history.Store{r.have, r.want} {
		if s != nil {
			err = errors.Join(err, s.Close())
		}
	}
	_ = errors.Join(err, os.RemoveAll(r.temp)) // copies: nothing is lost with them
}
