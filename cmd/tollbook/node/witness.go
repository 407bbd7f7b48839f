package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/events/lease"
)

// Witness is a member of a cluster that holds the streams and has a voice, and nothing
// else: no calls, no views, no console. With it two nodes that serve calls stay able to
// decide when one of them dies.
type Witness struct {
	settings settings
	log      *slog.Logger
	server   *cluster.Server
	promises *lease.Promises
	stop     []func() error

	mu    sync.Mutex
	hears map[string]standing // what the full nodes told of themselves last
	at    map[string]time.Time
}

// lookForKeeper is how soon a witness that leads the book gives the lead up.
const lookForKeeper = 50 * time.Millisecond

// StartWitness starts a witness: of the configuration only node, data and cluster are
// read, and shared.
func StartWitness(ctx context.Context, c Config, log *slog.Logger) (*Witness, error) {
	s, err := c.parse()
	if err != nil {
		return nil, err
	}
	if s.group == nil {
		return nil, errors.New("node configuration: cluster is empty: a witness is a member of one")
	}
	w := &Witness{settings: s, log: log.With("node", c.Node), hears: map[string]standing{}, at: map[string]time.Time{}}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *Witness) start(ctx context.Context) error {
	var err error
	w.server, err = cluster.Start(ctx, cluster.Options{
		Dir: w.settings.Data, Node: w.settings.Node, Logger: w.log, Group: w.settings.group, ReadyTimeout: w.settings.wait,
	})
	if err != nil {
		return journal.Explain(w.settings.Data, err)
	}
	w.stop = append(w.stop, func() error { w.server.Stop(); return nil })
	w.promises = lease.NewPromises(w.settings.term(), time.Now())
	for verb, h := range map[string]cluster.Handler{"standing": w.answerStanding, "lease": w.answerLease} {
		stop, err := w.server.Answer(ctx, verb, nodeSubject(w.settings.Node, verb), h)
		if err != nil {
			return err
		}
		w.stop = append(w.stop, stop)
	}
	return nil
}

// Run leaves the lead of the book's stream to a full node whenever it falls to this one,
// until ctx ends.
func (w *Witness) Run(ctx context.Context) error {
	look, lead := time.NewTicker(lookEvery), time.NewTicker(lookForKeeper)
	defer look.Stop()
	defer lead.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			if err := w.keepOut(); err != nil {
				return err
			}
			go w.lookAround(ctx)
		case <-lead.C:
			if !w.server.Leads(cluster.StreamBook) {
				continue
			}
			to := w.best()
			w.log.Info("a witness leads the book and leaves it", "to", to)
			if err := w.server.StepDown(ctx, cluster.StreamBook, to); err != nil {
				w.log.Warn("the book could not be left", "to", to, "err", err)
			}
			time.Sleep(lookWithin / 4) // for the others to elect one
		}
	}
}

// best is the full node that has read furthest of those that answered just now, "" if
// there is none.
func (w *Witness) best() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	best := ""
	for name, s := range w.hears {
		if justNow(w.at[name]) && !s.Witness && (best == "" || s.Position > w.hears[best].Position) {
			best = name
		}
	}
	return best
}

// keepOut refuses the nodes that the one which has read furthest tells to be removed, and
// ends this one if it is one of them. A witness folds no book.
func (w *Witness) keepOut() error {
	from := w.best()
	if from == "" {
		return nil // those that are remembered stay refused
	}
	w.mu.Lock()
	removed := w.hears[from].Removed
	w.mu.Unlock()
	if err := w.server.Refuse(removed); err != nil {
		w.log.Error("a node that was removed may be let in for a moment at the next start", "err", err)
	}
	if slices.Contains(removed, w.settings.Node) {
		return errRemoved
	}
	return nil
}

// lookAround asks the members how they stand.
func (w *Witness) lookAround(ctx context.Context) {
	data, err := json.Marshal(question{Node: w.settings.Node, Address: w.settings.group.Members[w.settings.Node]})
	if err != nil {
		panic("node: a question cannot be written: " + err.Error())
	}
	names := w.server.Peers()
	for name := range w.settings.group.Members {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	var all sync.WaitGroup
	for _, name := range names {
		if name == w.settings.Node {
			continue
		}
		all.Go(func() {
			answer, err := w.server.Ask(ctx, nodeSubject(name, "standing"), data)
			var s standing
			if err != nil || json.Unmarshal(answer, &s) != nil {
				return // it is not there, or no node
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.hears[name], w.at[name] = s, time.Now()
		})
	}
	all.Wait()
}

func (w *Witness) answerStanding(context.Context, []byte) ([]byte, error) {
	now := time.Now().UnixMicro()
	return json.Marshal(standing{
		Version: Version, Witness: true, Members: w.settings.group.Members, HeardUS: now, ToldUS: now,
	})
}

func (w *Witness) answerLease(_ context.Context, data []byte) ([]byte, error) {
	var q lease.Question
	if err := json.Unmarshal(data, &q); err != nil {
		return nil, fmt.Errorf("read which address is asked for: %w", err)
	}
	return json.Marshal(w.promises.Answer(q, time.Now()))
}

// Close stops the witness.
func (w *Witness) Close() error {
	var err error
	for i := len(w.stop) - 1; i >= 0; i-- {
		err = errors.Join(err, w.stop[i]())
	}
	return err
}
