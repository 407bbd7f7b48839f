package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
)

const (
	// viewsName names the snapshots of the views in memory, viewsVersion their form.
	viewsName    = "views"
	viewsVersion = "1"
	// checkAgain is how long a check waits for a store that does not answer.
	checkAgain = 10 * time.Second
)

// viewing guards how far the views in memory have come: no snapshot sees half a block.
type viewing struct {
	mu sync.Mutex
	at map[string]journal.Cursor
}

// viewsSnapshot is what a node's views in memory know, and to which places of the
// journals. Checked are the ends of the journals that no view follows.
type viewsSnapshot struct {
	// Log is the identity of the stream of logs; that of the book's stands outside.
	Log                  string
	At, Checked          map[string]journal.Cursor
	Live, Quality, Guard json.RawMessage
}

// saveSnapshots writes what makes the next start short.
func (n *Node) saveSnapshots() error {
	return errors.Join(n.saveBook(), n.saveViews())
}

func (n *Node) saveViews() error {
	s := viewsSnapshot{Log: n.logStore.Identity(), Checked: map[string]journal.Cursor{}}
	audit := auditJournal(n.settings.Node)
	if head, ok := n.heads.Last(audit); ok {
		s.Checked[audit] = head.Cursor()
	}
	if err := n.copyViews(&s); err != nil || s.At[book.Journal].Number == 0 {
		return err
	}
	payload, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the snapshot of the views: %w", err)
	}
	return n.saveSnapshot(viewsName, viewsVersion, s.At[book.Journal], payload)
}

func (n *Node) copyViews(s *viewsSnapshot) error {
	n.viewing.mu.Lock()
	defer n.viewing.mu.Unlock()
	s.At = maps.Clone(n.viewing.at)
	for _, view := range []struct {
		into *json.RawMessage
		of   interface{ Snapshot() ([]byte, error) }
	}{{&s.Live, n.live}, {&s.Quality, n.quality}, {&s.Guard, n.guard}} {
		text, err := view.of.Snapshot()
		if err != nil {
			return err
		}
		*view.into = text
	}
	return nil
}

// loadViews finds the newest snapshot of the views that fits both streams; nil means
// that all is read from its beginning.
func (n *Node) loadViews(ctx context.Context) (*viewsSnapshot, error) {
	snap, err := journal.LoadSnapshot(ctx, n.snapshotDir(), viewsName, n.bookStore, book.Journal, viewsVersion)
	if errors.Is(err, journal.ErrNoSnapshot) {
		n.log.Info("the journals are read from their beginning", "why", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s := new(viewsSnapshot)
	if err := json.Unmarshal(snap.Payload, s); err != nil {
		return nil, fmt.Errorf("read the snapshot of the views: %w", err)
	}
	if s.Log != n.logStore.Identity() {
		n.log.Info("the journals are read from their beginning", "why", "the snapshot is of another stream of logs")
		return nil, nil
	}
	for name, at := range s.At {
		if name == book.Journal {
			continue
		}
		if err := journal.CheckCursor(ctx, n.logStore, name, at); err != nil {
			n.log.Info("the journals are read from their beginning", "why", err, "journal", name)
			return nil, nil
		}
	}
	return s, nil
}

// trusted are the places up to which a snapshot vouches for the journals.
func (s *viewsSnapshot) trusted() map[string]journal.Cursor {
	if s == nil {
		return nil
	}
	places := maps.Clone(s.At)
	maps.Copy(places, s.Checked)
	return places
}

// restoreViews puts the views where a snapshot has them. One that cannot be used is
// left aside, and the views are folded from the journals' beginning.
func (n *Node) restoreViews(s *viewsSnapshot) {
	n.viewing.at = map[string]journal.Cursor{}
	if s == nil {
		return
	}
	err := n.live.Restore(s.Live)
	if err == nil {
		err = n.quality.Restore(s.Quality)
	}
	if err == nil {
		err = n.guard.Restore(s.Guard)
	}
	if err != nil {
		n.log.Info("the views are folded from the journals' beginning", "why", err)
		n.newViews()
		return
	}
	n.viewing.at = s.At
}

// checkRest checks the part of the journals that a snapshot vouched for, while calls
// go on. What is found then ends the node: nothing may be built on it.
func (n *Node) checkRest(ctx context.Context) error {
	if n.snapshot == nil {
		return nil
	}
	n.snapshot = nil // its memory is of no more use
	n.task("check of the journals", func(ctx context.Context) error {
		for _, store := range []journal.Store{n.bookStore, n.logStore} {
			if err := n.checkStream(ctx, journal.Gentle(store)); err != nil {
				return err
			}
		}
		return nil
	})
	return ctx.Err()
}

func (n *Node) checkStream(ctx context.Context, store journal.Store) error {
	for {
		heads, err := n.heads.Set()
		if err != nil {
			return err
		}
		report, err := journal.Verify(ctx, store, heads)
		switch {
		case err == nil:
			n.tellChecked(report)
			return nil
		case journal.Lasting(err):
			return fmt.Errorf("the store in %s cannot be trusted: %w", n.settings.Data, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(checkAgain):
		}
	}
}

// openStreams opens both streams, if they are what was acknowledged: whole, or as
// far as no snapshot vouches for them.
func (n *Node) openStreams(ctx context.Context) error {
	var err error
	for _, s := range []struct {
		name string
		to   **journal.Stream
	}{{cluster.StreamBook, &n.bookStore}, {cluster.StreamLog, &n.logStore}} {
		err = n.server.Patiently(ctx, func(ctx context.Context) (err error) {
			*s.to, err = journal.OpenStream(ctx, n.server.Conn(), s.name)
			return err
		})
		if err != nil {
			return err
		}
	}
	err = n.server.Patiently(ctx, func(ctx context.Context) (err error) {
		n.snapshot, err = n.loadViews(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(n.verifyStream(ctx, n.bookStore), n.verifyStream(ctx, n.logStore))
}

func (n *Node) verifyStream(ctx context.Context, store *journal.Stream) error {
	var report journal.Report
	var verdict error
	err := n.server.Patiently(ctx, func(context.Context) error { // it takes as long as what is read
		if report, verdict = journal.OpenFrom(ctx, store, n.heads, n.snapshot.trusted()); journal.Lasting(verdict) {
			return nil // to ask again would change nothing
		}
		return verdict
	})
	if err = errors.Join(err, verdict); err != nil {
		return fmt.Errorf("the store in %s cannot be trusted: %w", n.settings.Data, err)
	}
	n.tellChecked(report)
	return nil
}

func (n *Node) tellChecked(r journal.Report) {
	for _, j := range r.Journals {
		n.log.Info("journal checked", "journal", j.Journal, "from", j.Base.Number, "blocks", j.Blocks, "events", j.Events)
	}
}
