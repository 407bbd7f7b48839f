package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tollbook/tollbook/events/alone"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
)

// snapshotName names the book's snapshots in their directory.
const snapshotName = "book"

// foldVersion is the version of the book's fold as snapshots name it.
func foldVersion() string { return strconv.Itoa(state.FoldVersion) }

// openBook folds the book to its end, and keeps it whenever that falls to this node.
func (n *Node) openBook(ctx context.Context) error {
	var st *state.State
	var at journal.Cursor
	err := n.patient(ctx, func() (err error) {
		st, at, err = n.foldBook(ctx)
		return err
	})
	if err == nil {
		err = n.upgrade.judge(n)
	}
	if err != nil {
		return err
	}
	n.follower = book.NewFollower(st, at)
	n.terms = book.NewTerms(book.TermsConfig{
		Server: n.server, Store: n.bookStore, Follower: n.follower, Node: n.settings.Node, Heads: n.heads, Clock: time.Now, Log: n.log,
		May: n.mayKeep,
	})
	n.book = n.terms.Book()
	n.task("keeper", n.terms.Run)
	n.desk, err = alone.Open(alone.Config{
		Book: n.book, Follower: n.follower, Node: n.settings.Node, Soon: n.hearsMajority, Path: filepath.Join(n.settings.Data, "alone"), Now: time.Now, Log: n.log,
	})
	if err != nil {
		return errors.Join(err, n.endTasks())
	}
	n.onClose(n.desk.Close)
	n.onClose(n.endTasks)
	return nil
}

// foldBook starts from the newest snapshot that the journal vouches for, and reads on
// from there. Where another program made the snapshot it reads the last day again, and
// the whole book where another state of it is to be accepted.
func (n *Node) foldBook(ctx context.Context) (*state.State, journal.Cursor, error) {
	st, from := state.New(), journal.Cursor{}
	u, err := n.beginUpgrade(ctx)
	if err != nil {
		return nil, from, err
	}
	n.upgrade = u
	load, name := journal.LoadSnapshot, snapshotName
	if u.is() {
		load, name = journal.LoadOldestSnapshot, dayName
	}
	snap, err := load(ctx, n.snapshotDir(), name, n.bookStore, book.Journal, foldVersion())
	switch {
	case u.is() && n.settings.AcceptFold:
		n.log.Info("the book is folded from its beginning", "why", "its state was made by another program, and a difference is accepted")
	case errors.Is(err, journal.ErrNoSnapshot):
		n.log.Info("the book is folded from its beginning", "why", err)
	case err != nil:
		return nil, from, err
	default:
		if st, err = state.Restore(snap.Payload); err != nil {
			return nil, from, err
		}
		from = snap.At
	}
	end, err := book.Fold(ctx, n.bookStore, st, from, u.see)
	if err != nil {
		return nil, end, fmt.Errorf("fold the book: %w", err)
	}
	return st, end, nil
}

func (n *Node) snapshotDir() string { return filepath.Join(n.settings.Data, "snapshots") }

// saveBook writes the follower's state.
func (n *Node) saveBook() error {
	payload, at, err := n.follower.Snapshot()
	if err != nil {
		return err
	}
	if err := n.saveSnapshot(snapshotName, foldVersion(), at, payload); err != nil {
		return err
	}
	return n.savePast(payload, at)
}

// saveSnapshot writes what this node made of the book up to a place.
func (n *Node) saveSnapshot(name, fold string, at journal.Cursor, payload []byte) error {
	return journal.SaveSnapshot(n.snapshotDir(), name, journal.Snapshot{
		Journal: book.Journal, Identity: n.bookStore.Identity(), Fold: fold, At: at, Payload: payload,
	})
}

const (
	// startPatience is how long a start asks again for what nobody answers.
	startPatience = time.Minute
	startAgain    = 200 * time.Millisecond
)

// patient does a step of the start, and does it again while the streams or the book do
// not answer: leaders are elected while other nodes come and go. What asking again does
// not mend is an error at once.
func (n *Node) patient(ctx context.Context, step func() error) error {
	begun := time.Now()
	for {
		err := step()
		if err == nil || n.settings.group == nil || journal.Lasting(err) || ctx.Err() != nil || time.Since(begun) > startPatience {
			return err
		}
		n.log.Warn("a step of the start is repeated", "err", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(startAgain):
		}
	}
}
