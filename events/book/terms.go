package book

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

const (
	// lookEvery is how often a node looks whether it leads the book's stream.
	lookEvery = 50 * time.Millisecond
	// reopenAfter is the wait after a term that could not begin or broke off.
	reopenAfter = 200 * time.Millisecond
)

// TermsConfig says what a node needs to keep the book. All but Heads and May is
// required.
type TermsConfig struct {
	Server *cluster.Server
	Store  journal.Store
	// Follower is the node's fold, with which a term begins.
	Follower *Follower
	Node     string
	Heads    *journal.Heads
	Clock    func() time.Time
	Log      *slog.Logger
	// May says why the node must not keep now: it then leaves the lead to another.
	May func() error
}

// Terms keeps the book whenever this node's server leads its stream. To lead is a
// hint only: a term begins with a block of its own behind all that is committed, and
// each block says behind which one it stands, so that of two who believe to keep
// only one commits.
type Terms struct {
	TermsConfig
	book *Book

	mu     sync.Mutex
	failed error // why the last term broke off, nil while one runs
}

// NewTerms makes the terms of a node; Run begins them.
func NewTerms(c TermsConfig) *Terms {
	return &Terms{TermsConfig: c, book: Remote(c.Server, c.Node), failed: errors.New("no term has begun")}
}

// Book is the way to the keeper, be it this node or another.
func (t *Terms) Book() *Book { return t.book }

// Keeps says whether this node keeps the book now.
func (t *Terms) Keeps() bool { return t.book.keeper.Load() != nil }

// Err says why this node does not keep, nil if it does.
func (t *Terms) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// Run keeps until ctx ends. A node alone ends with its first term that breaks off:
// nobody else can go on.
func (t *Terms) Run(ctx context.Context) error {
	for {
		if !t.await(ctx) {
			return nil
		}
		err := t.term(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what a term that was told to end says of it is no error
		}
		t.note(err)
		if !t.Server.Clustered() {
			return err
		}
		t.Log.Warn("a term of the book's keeper is over", "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reopenAfter):
		}
	}
}

func (t *Terms) note(err error) {
	t.mu.Lock()
	t.failed = err
	t.mu.Unlock()
}

// await returns when this node leads and may keep, false when ctx ends first.
func (t *Terms) await(ctx context.Context) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for !t.Server.Leads(cluster.StreamBook) || !t.may(ctx) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return ctx.Err() == nil
}

// may says whether a leader may keep. One that may not has another elected.
func (t *Terms) may(ctx context.Context) bool {
	if t.May == nil {
		return true
	}
	why := t.May()
	if why == nil {
		return true
	}
	t.Log.Error("this node leads the book and must not keep it", "why", why)
	t.note(why)
	if err := t.Server.StepDown(ctx, cluster.StreamBook, ""); err != nil {
		t.Log.Error("the lead could not be given up", "err", err)
	}
	return false
}

// term keeps for as long as this node leads and its blocks are committed.
func (t *Terms) term(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		t.watch(ctx, cancel)
	}()
	defer func() {
		cancel()
		<-watched
	}()
	k, err := t.open(ctx)
	if err != nil {
		return err
	}
	stop, err := t.Server.Answer(ctx, "book", subject, t.book.answer)
	if err != nil {
		return fmt.Errorf("answer the book's commands: %w", err)
	}
	t.book.keeper.Store(k)
	t.note(nil)
	t.Log.Info("this node keeps the book", "epoch", k.epoch)
	err = k.Run(ctx)
	t.book.keeper.Store(nil)
	if err == nil {
		err = errors.New("another node leads the book")
	}
	return errors.Join(err, stop())
}

// watch ends the term when this node leads no more. What is on its way then stays
// unanswered, and the next keeper's fold says what became of it.
func (t *Terms) watch(ctx context.Context, end context.CancelFunc) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !t.Server.Leads(cluster.StreamBook) || t.May != nil && t.May() != nil {
				end()
				return
			}
		}
	}
}

// open folds the book to its end, on a copy of the follower's state, and begins.
func (t *Terms) open(ctx context.Context) (*Keeper, error) {
	st, at, err := t.Follower.Fork()
	if err != nil {
		return nil, err
	}
	at, err = Fold(ctx, t.Store, st, at, nil)
	if err != nil {
		return nil, fmt.Errorf("read the book to its end: %w", err)
	}
	w := journal.OpenWriterAt(t.Store, journal.WriterOptions{Journal: Journal, Node: t.Node, Heads: t.Heads}, at)
	return Open(ctx, w, st, t.Node, t.Clock, t.Log)
}
