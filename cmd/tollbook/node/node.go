// Package node puts the rooms of one Tollbook node together: it opens the store
// and checks it, folds the book, follows the journals into the views, closes what
// a crash left open, and opens the doors for calls and for people.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollbook/tollbook/events/alone"
	"github.com/tollbook/tollbook/events/book"
	"github.com/tollbook/tollbook/events/cluster"
	"github.com/tollbook/tollbook/events/journal"
	"github.com/tollbook/tollbook/graphql/auth"
	"github.com/tollbook/tollbook/graphql/console"
	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/graphql/server"
	"github.com/tollbook/tollbook/media/archive"
	"github.com/tollbook/tollbook/media/evidence"
	"github.com/tollbook/tollbook/media/relay"
	"github.com/tollbook/tollbook/projections/guard"
	"github.com/tollbook/tollbook/projections/history"
	"github.com/tollbook/tollbook/projections/live"
	"github.com/tollbook/tollbook/projections/lookup"
	"github.com/tollbook/tollbook/projections/mirror"
	"github.com/tollbook/tollbook/projections/quality"
	"github.com/tollbook/tollbook/projections/sinks"
	"github.com/tollbook/tollbook/sip/b2bua"
	"github.com/tollbook/tollbook/sip/gate"
	"github.com/tollbook/tollbook/sip/locate"
	"github.com/tollbook/tollbook/sip/outbound"
	"github.com/tollbook/tollbook/sip/overload"
	"github.com/tollbook/tollbook/sip/registrar"
)

// Version is the program's; a build may say another (-ldflags -X).
var Version = "0.1.0"

// closeWithin bounds each step of the stop.
const closeWithin = 10 * time.Second

// logPace is how long what was observed may wait for more of it. Money does not
// wait for it: that is the book's.
const logPace = 40 * time.Millisecond

// Node is a running node.
type Node struct {
	settings settings
	log      *slog.Logger

	server     *cluster.Server
	key        *cluster.Key
	heads      *journal.Heads
	bookStore  *journal.Stream
	logStore   *journal.Stream
	blobs      *blobs
	terms      *book.Terms
	members    members
	sharing    sharing
	book       *book.Book
	follower   *book.Follower
	desk       *alone.Desk
	tables     *lookup.Tables
	history    *history.Store
	clickhouse *sinks.ClickHouse // nil without one
	mirror     *mirror.Mirror    // nil without one
	live       *live.View
	quality    *quality.View
	guard      *guard.View
	viewing    viewing
	upgrade    *upgrade
	snapshot   *viewsSnapshot // what the node starts from, nil once it has started
	earlier    earlier
	calls      *recorder
	audit      *recorder
	files      *archive.Store
	evidence   *evidence.Keeper
	engine     *relay.Engine
	gate       *gate.Gate
	locate     *locate.Locator
	outbound   *outbound.Outbound
	door       *registrar.Door
	registrar  *registrar.Registrar
	sw         *b2bua.Switch
	last       []b2bua.Lost                 // calls of the last run that can go on
	serving    atomic.Pointer[b2bua.Switch] // the same, for who follows the journals meanwhile
	load       *overload.Controller
	started    time.Time
	http       *http.Server
	streams    server.Streams
	listener   net.Listener
	historyAt  atomic.Pointer[reached]
	past       past
	told       told
	cuttings   sync.Map // *cutting by profile
	sendings   sync.Map // *sending by webhook
	feed       *server.Feed
	exports    *server.Exports
	people     *auth.Door
	working    sync.Map // jobs that this node works on, by id

	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	failed chan error
	once   sync.Once
	// closers undo the start, the last one first.
	closers []func() error
}

// Start opens a node. It returns when the node serves.
func Start(ctx context.Context, c Config, log *slog.Logger) (*Node, error) {
	s, err := c.parse()
	if err != nil {
		return nil, err
	}
	n := &Node{settings: s, started: time.Now(), log: log.With("node", c.Node), members: members{of: map[string]*member{}, addresses: named(s.group)}, failed: make(chan error, 16)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.collect()
	steps := []func(context.Context) error{
		n.bindHTTP, n.bindSIP, n.openStore, n.openBook, n.openViews, n.openLogs, n.openFiles, n.followAll, n.checkRest, n.recover, n.openRegistrar, n.openShares, n.openSwitch, n.answerOthers, n.openZone, n.serveHTTP,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// Failed gives the first error that ends the node's work.
func (n *Node) Failed() <-chan error { return n.failed }

// Address is where the console and the API listen.
func (n *Node) Address() string { return n.listener.Addr().String() }

// fail reports an error after which the node cannot go on.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

func (n *Node) onClose(fn func() error) { n.closers = append(n.closers, fn) }

// task runs fn until the node closes; an error before that ends the node.
func (n *Node) task(name string, fn func(context.Context) error) {
	n.tasks.Add(1)
	go func() {
		defer n.tasks.Done()
		if err := fn(n.ctx); err != nil && n.ctx.Err() == nil {
			n.fail(fmt.Errorf("%s: %w", name, err))
		}
	}()
}

// bindHTTP takes the port first: a port in use must change nothing.
func (n *Node) bindHTTP(context.Context) error {
	var err error
	if n.listener, err = net.Listen("tcp", n.settings.HTTP); err != nil {
		return fmt.Errorf("open the console: %w", err)
	}
	n.onClose(func() error {
		if err := n.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// openStore starts the embedded server and checks both streams against the heads.
func (n *Node) openStore(ctx context.Context) error {
	var err error
	n.server, err = cluster.Start(ctx, cluster.Options{
		Dir: n.settings.Data, Node: n.settings.Node, Logger: n.log, Group: n.settings.group, ReadyTimeout: n.settings.wait,
	})
	if err != nil {
		return journal.Explain(n.settings.Data, err)
	}
	n.onClose(func() error { n.server.Stop(); return nil })
	if g := n.settings.group; g != nil && len(g.Members) == 2 {
		n.log.Warn("the cluster has two members: when either is away nothing can be decided; a third that is a witness mends that (tollbook witness)")
	}
	if n.key, err = cluster.OpenKey(n.settings.keyDir()); err != nil {
		return err
	}
	if n.heads, err = journal.OpenHeads(n.settings.Data); err != nil {
		return err
	}
	n.onClose(n.heads.Close)
	if err := n.openStreams(ctx); err != nil {
		return err
	}
	return n.server.Patiently(ctx, func(ctx context.Context) (err error) {
		n.blobs, err = openBlobs(ctx, n.server.JetStream(), n.server.Replicas())
		return err
	})
}

// openViews opens what is built from the events.
func (n *Node) openViews(ctx context.Context) error {
	if err := n.openHistory(); err != nil {
		return err
	}
	n.onClose(n.history.Close)
	if err := errors.Join(n.openClickHouse(), n.openEventStore()); err != nil {
		return err
	}
	n.newViews()
	n.restoreViews(n.snapshot)
	n.tables = lookup.New(n.blobs, n.log)
	n.onClose(func() error { n.tables.Close(); return nil })
	if err := n.tables.Follow(ctx, n.follower.Catalog(), time.Now()); err != nil {
		n.log.Error("some decks have no prices yet", "err", err) // tried again every second
	}
	return nil
}

// newViews makes the views in memory, before the first event.
func (n *Node) newViews() {
	n.live, n.quality, n.guard = live.New(), quality.New(), guard.New(n.settings.Node, n.log, guard.Usual())
}

// openHistory opens the history. One that another version's rules made is made anew
// from the journals, which have all that it had.
func (n *Node) openHistory() error {
	dir := filepath.Join(n.settings.Data, "history")
	var err error
	options := history.Options{Feed: len(n.settings.ClickHouse.Addresses) > 0}
	n.history, err = history.Open(dir, options)
	if errors.Is(err, history.ErrFoldVersion) {
		n.log.Warn("the history was made by another version and is made anew from the journals", "err", err)
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the history of another version: %w", err)
		}
		n.history, err = history.Open(dir, options)
	}
	return err
}

// openLogs opens the node's own journals of what it observes.
func (n *Node) openLogs(ctx context.Context) error {
	for _, j := range []struct {
		name string
		to   **recorder
	}{{callsJournal(n.settings.Node), &n.calls}, {auditJournal(n.settings.Node), &n.audit}} {
		var l *journal.Log
		err := n.patient(ctx, func() (err error) {
			l, err = journal.OpenLog(ctx, n.logStore, journal.LogOptions{
				Journal: j.name, Node: n.settings.Node, Heads: n.heads, SpoolDir: filepath.Join(n.settings.Data, "spool"), Pace: logPace,
			})
			return err
		})
		if err != nil {
			return err
		}
		*j.to = &recorder{log: l, logger: n.log, node: n.settings.Node, fail: n.fail}
		n.onClose(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
			defer cancel()
			return l.Close(ctx)
		})
	}
	// Nobody may write into logs and views that are closed.
	n.onClose(n.endTasks)
	return nil
}

func callsJournal(node string) string { return "log.calls." + node }
func auditJournal(node string) string { return "log.audit." + node }

// openSwitch opens the door for calls.
func (n *Node) openSwitch(context.Context) error {
	var err error
	n.engine, err = relay.Open(relay.Config{
		Addresses: n.settings.media, Coming: n.settings.addresses(), Engine: n.settings.Media.Engine, Interfaces: n.settings.Media.Interfaces,
		PortMin: n.settings.portMin, PortMax: n.settings.portMax, Log: n.log,
	})
	if err != nil {
		return fmt.Errorf("open the media relay: %w", err)
	}
	n.onClose(func() error { n.engine.Close(); return nil })
	n.openEvidence()
	n.makeOutbound()
	n.load = n.controller()
	n.sw = b2bua.New(b2bua.Config{
		Node: n.settings.Node, Gate: n.gate, World: n.tables.World, Book: n.desk, Log: n.calls, Media: n.engine,
		Door: n.door, Devices: n.registrar, Evidence: n.evidence,
		Secrets: n.key, Quality: n.quality.Of, InUse: n.desk.VendorCalls, VendorOut: n.vendorOut, Serves: n.serves, Guard: n.guard.Judge,
		Load: n.load, Locate: n.locate, Down: n.outbound.Down, Registered: n.outbound.Owner,
		Survivable: n.settings.takeover > 0, Holds: n.holds, Redirect: n.redirect,
		MaxCalls: n.settings.MaxCalls, MediaTimeout: n.settings.timeout, Logger: n.log,
	})
	n.serving.Store(n.sw)
	n.onClose(func() error {
		n.drain()
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		err := n.sw.Close(ctx)
		n.leaveShared()
		// With the gate closed here the last of what strangers sent is recorded.
		return errors.Join(err, n.gate.Close(ctx))
	})
	n.gate.Serve()
	if err := n.share(); err != nil {
		return err
	}
	n.askOthers()
	if err := n.goOn(); err != nil {
		return err
	}
	n.task("signs of life", n.signs)
	n.task("sweep", n.sweep)
	n.copyHistory()
	n.copyBook()
	n.task("write up", n.desk.Run)
	if n.settings.takeover > 0 {
		n.task("take over", n.takeOvers)
	}
	n.task("forecast", n.forecast)
	n.task("CDR files", n.cdrFiles)
	n.task("history", n.keepDays)
	return nil
}

func (n *Node) serveHTTP(context.Context) error {
	door := auth.New(auth.Config{Catalog: n.follower.Catalog, Now: time.Now, Unwrap: n.unwrapFactor, Record: n.recordAudit, Log: n.log})
	resolver := &resolve.Resolver{Backend: n, History: n.history, CDRs: n.stores(), Door: door, Now: time.Now}
	stopping := make(chan struct{})
	api := server.Config{
		Resolver: resolver, Door: door, Console: console.Files(), Ready: n.ready, Metrics: n.metrics(), Backup: n.Backup,
		Streams: &n.streams, Stopping: stopping, Log: n.log,
	}
	n.feed = server.NewFeed(api)
	n.task("webhooks", n.webhooks)
	n.exports, n.people = server.NewExports(api), door
	n.task("jobs", n.jobs)
	n.http = &http.Server{
		Handler:           server.New(api),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	n.http.RegisterOnShutdown(func() { close(stopping) })
	n.task("console", func(context.Context) error {
		if err := n.http.Serve(n.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	n.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
		defer cancel()
		return errors.Join(n.http.Shutdown(ctx), n.streams.Wait(ctx))
	})
	return nil
}

// Close stops the node: doors first, then views, then the store. What is
// acknowledged is in the store before it returns.
func (n *Node) Close() error {
	var err error
	n.once.Do(func() {
		for i := len(n.closers) - 1; i >= 0; i-- {
			err = errors.Join(err, n.closers[i]())
		}
		n.cancel()
		n.tasks.Wait()
	})
	return err
}

// endTasks stops the goroutines. It is among the closers: the doors close before
// it, while the book still answers, the store after it.
func (n *Node) endTasks() error {
	n.cancel()
	n.tasks.Wait()
	return nil
}
