package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/state"
	"github.com/tollbook/tollbook/events/wire"
)

// Rescue says what a cluster, or a node alone, is made from when most stores are lost.
type Rescue struct {
	// Data is the survivor's store, which stays as it is, and Key the file of the cluster
	// key that it was used with.
	Data, Key string
	// Heads are data directories of lost nodes in which heads.log can still be read: they
	// tell what the cluster had acknowledged.
	Heads []string
	// Reason is written down, and Actor, who did it.
	Reason, Actor string
}

// Make fills the empty store of a node from what the survivor's holds, after every block
// of it was checked, and writes down in the book where each journal was lost. In a
// cluster the other nodes are started with empty stores at the same time and wait.
func (r Rescue) Make(ctx context.Context, c Config, log *slog.Logger) (*wire.StoreRescued, error) {
	s, err := c.parse()
	if err != nil {
		return nil, err
	}
	if r.Key == "" {
		r.Key = filepath.Join(s.keyDir(), cluster.KeyFile)
	}
	if err := unused(s.Data); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(filepath.Clean(r.Data)), ".rescue-*")
	if err != nil {
		return nil, fmt.Errorf("rescue %s: %w", r.Data, err)
	}
	defer os.RemoveAll(dir)
	lost := &wire.StoreRescued{Node: c.Node, Reason: r.Reason}
	_, err = journal.OnCopy(ctx, r.Data, journal.VerifyOptions{Temp: dir, Logger: log}, func(server *cluster.Server, reports []journal.Report) error {
		if lost.Journals, err = r.journals(reports); err != nil {
			return err
		}
		_, err := backUp(ctx, server, r.Key, filepath.Join(dir, "saved"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("rescue %s: %w", r.Data, err)
	}
	_, err = restore(ctx, c, filepath.Join(dir, "saved"), log, func(ctx context.Context, store *journal.Stream) error {
		return r.record(ctx, store, lost, log)
	})
	if err != nil {
		return nil, err
	}
	return lost, bringSpools(r.Data, s.Data)
}

// bringSpools copies what the survivor had seen and could not write into the streams any
// more: ends of calls, and calls that were let through on allowances.
func bringSpools(from, to string) error {
	files, err := filepath.Glob(filepath.Join(from, "spool", "*"))
	if err != nil {
		return err
	}
	for _, path := range append(files, filepath.Join(from, "alone")) {
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			return fmt.Errorf("rescue: bring %s: %w", path, err)
		}
	}
	return nil
}

// journals tell where each journal ends, and how far it is known to have gone.
func (r Rescue) journals(reports []journal.Report) ([]*wire.RescuedJournal, error) {
	all := map[string]*wire.RescuedJournal{}
	for _, report := range reports {
		for _, j := range report.Journals {
			all[j.Journal] = &wire.RescuedJournal{
				Journal: j.Journal, Number: j.End.Number, Position: j.End.Position, Head: j.End.Head[:], TimeUs: j.End.Time,
				HeardNumber: j.End.Number, HeardPosition: j.End.Position,
			}
		}
	}
	for _, dir := range append([]string{r.Data}, r.Heads...) {
		heads, err := journal.ReadHeads(dir)
		if err != nil {
			return nil, err
		}
		for name, h := range heads.Last() {
			j := all[name]
			if j == nil {
				j = &wire.RescuedJournal{Journal: name}
				all[name] = j
			}
			j.HeardNumber, j.HeardPosition = max(j.HeardNumber, h.Number), max(j.HeardPosition, h.Position)
		}
	}
	var out []*wire.RescuedJournal
	for _, j := range all {
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b *wire.RescuedJournal) int { return strings.Compare(a.Journal, b.Journal) })
	return out, nil
}

// record has the rescue decided by a term of its own, the first one of the new book.
func (r Rescue) record(ctx context.Context, store *journal.Stream, lost *wire.StoreRescued, log *slog.Logger) error {
	st := state.New()
	end, err := book.Fold(ctx, store, st, journal.Cursor{}, nil)
	if err != nil {
		return err
	}
	w := journal.OpenWriterAt(store, journal.WriterOptions{Journal: book.Journal, Node: lost.Node}, end)
	keeper, err := book.Open(ctx, w, st, lost.Node, time.Now, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- keeper.Run(ctx) }()
	key := events.KeyOf("rescue", lost.Node, time.Now().String())
	reply, err := keeper.Execute(ctx, &wire.Command{
		Key: key[:], Actor: r.Actor, Node: lost.Node, Body: &wire.Command_RecordRescue{RecordRescue: lost},
	})
	cancel()
	if err == nil {
		err = events.FromRefusal(reply.Error)
	}
	if ran := <-ended; err == nil {
		err = ran
	}
	return err
}
