// Package cluster runs the NATS server that lives inside a Tollbook node and
// holds its streams.
//
// A node alone runs unclustered: the server has no listener at all, and the
// process talks to it over an in-process connection. JetStream syncs every
// message to disk before it acknowledges it (SyncAlways), because an
// acknowledged block is a promise about money. The data directory is locked, so
// that two processes can never write one store. Nodes of a Group replicate the
// streams, over connections on which both sides prove who they are.
//
// Layout of the data directory:
//
//	lock         held by the running process, names its pid
//	cluster      the name of the group, if there is one
//	jetstream/   JetStream's own files, written by nobody else
package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options say how to start a server. Dir and Node are required.
type Options struct {
	// Dir is the data directory. It is made when it does not exist.
	Dir string
	// Node is the node's name: a token of letters, digits, '-' and '_'.
	Node string
	// Logger takes the server's own messages, at most 20 a second. Nil is
	// slog's default logger.
	Logger *slog.Logger
	// ReadyTimeout bounds the start, recovery of the streams included. The
	// default is 5 minutes: about a second for each million blocks is usual.
	ReadyTimeout time.Duration
	// NoCreate leaves streams that are missing missing: for checking a copy.
	NoCreate bool
	// Group are the nodes to replicate with; nil is a node alone.
	Group *Group
	// Bring says that the group is to begin with what this node brings: the others
	// wait until EndBringing.
	Bring bool
}

// Server is an embedded NATS server with its data directory and one in-process
// connection. Its methods are safe for concurrent use.
type Server struct {
	node  string
	group *Group
	dir   string
	log   *slog.Logger
	lock  *lock
	// password opens the server to this process.
	password string
	nats     *server.Server
	conn     *nats.Conn
	js       jetstream.JetStream
	// refused are the nodes that are not let in, by name.
	refused atomic.Pointer[[]string]
	// stage is how far it has come, for others of the group: a stage's text.
	stage atomic.Value
	// brings is set where this node brings the streams, brought where another does.
	brings, brought bool
}

// syncQueue is the room for one answer of many messages: a batch of a journal's
// reader has at most half of it. The default's 64k take half a megabyte each time.
const syncQueue = 8192

// Start locks the data directory, starts the server, waits until it serves,
// and makes the streams that are missing. A directory that another process uses
// is a *LockedError; one whose files are damaged is a *DamagedError.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := checkName(opts.Node); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.ReadyTimeout == 0 {
		opts.ReadyTimeout = 5 * time.Minute
	}
	if err := checkDir(opts.Dir); err != nil {
		return nil, err
	}
	if opts.Group != nil {
		if err := opts.Group.check(opts.Node); err != nil {
			return nil, err
		}
	}
	held, err := takeLock(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{node: opts.Node, group: opts.Group, dir: opts.Dir, log: opts.Logger, lock: held, brings: opts.Bring}
	if err := errors.Join(checkGroup(opts.Dir, opts.Group), s.recallRefused()); err != nil {
		s.Stop()
		return nil, err
	}
	if err := s.scan(); err != nil {
		s.Stop()
		return nil, err
	}
	if err := s.start(ctx, opts); err != nil {
		s.Stop()
		return nil, fmt.Errorf("start the store in %s: %w", opts.Dir, err)
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, opts Options) error {
	ctx, cancel := context.WithTimeout(ctx, opts.ReadyTimeout)
	defer cancel()
	begin := stageStored
	if s.group != nil && !hasStore(s.dir) {
		if err := s.introduce(ctx, opts); err != nil {
			return err
		}
		begin = opts.first()
	}
	s.setStage(begin)
	options, err := s.options()
	if err != nil {
		return err
	}
	if err := s.run(ctx, options, opts); err != nil {
		return err
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	if s.group != nil {
		if err := s.waitQuorum(ctx, opts); err != nil {
			return err
		}
		if !s.brings {
			s.setStage(stageRunning)
		}
	}
	if opts.NoCreate {
		return nil
	}
	return s.ensureStreams(ctx)
}

// run starts a server with the options, and connects to it.
func (s *Server) run(ctx context.Context, o *server.Options, opts Options) error {
	srv, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	s.nats = srv
	log := newLogger(opts.Logger)
	srv.SetLoggerV2(log, false, false, false)
	go srv.Start()
	if err := s.waitReady(ctx, opts.ReadyTimeout, o.JetStream, log); err != nil {
		return err
	}
	if s.conn, err = s.Connect(opts.Node); err != nil {
		return err
	}
	if s.group == nil {
		return nil
	}
	return s.answerGreetings()
}

// options are those of the server. Nobody but this process talks to it as a client:
// a node alone has no listener at all, and one of a group, whose connections to
// others wait for a listener, has one on loopback that nobody knows the password of.
func (s *Server) options() (*server.Options, error) {
	o := &server.Options{
		ServerName: s.node, NoSigs: true, JetStream: true, StoreDir: s.dir, SyncAlways: true, DontListen: s.group == nil,
	}
	if s.group == nil {
		return o, nil
	}
	s.password = rand.Text()
	o.Host, o.Port = "127.0.0.1", server.RANDOM_PORT
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	o.Accounts, o.SystemAccount = []*server.Account{system}, server.DEFAULT_SYSTEM_ACCOUNT
	o.Users = []*server.User{{Username: s.node, Password: s.password}, {Username: systemUser, Password: s.password, Account: system}}
	if err := s.group.apply(s.node, o); err != nil {
		return nil, err
	}
	o.Cluster.TLSConfig = o.Cluster.TLSConfig.Clone()
	o.Cluster.TLSConfig.VerifyConnection = s.letIn
	return o, nil
}

// systemUser is who may change the group of servers; no node has the name.
const systemUser = "$system"

// waitQuorum waits until enough of the group are there to answer.
func (s *Server) waitQuorum(ctx context.Context, opts Options) error {
	told := time.Now()
	for {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		_, err := s.js.AccountInfo(ask)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("cluster %s: too few of its %d nodes were there after %v: %w", s.group.Name, len(s.group.Members), opts.ReadyTimeout, ctx.Err())
		case time.Since(told) > waiting:
			told = time.Now()
			opts.Logger.Info("waiting for the other nodes", "cluster", s.group.Name, "connected", s.nats.NumRoutes() > 0, "why", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// waitReady waits until the server takes connections and its streams are
// recovered.
func (s *Server) waitReady(ctx context.Context, limit time.Duration, store bool, log *logger) error {
	deadline := time.Now().Add(limit)
	for {
		if s.nats.ReadyForConnections(50 * time.Millisecond) {
			if store && !s.nats.JetStreamEnabled() {
				return errors.New("JetStream did not start: see the server's messages above; the disk may be full or not writable")
			}
			return nil
		}
		if why := log.gaveUp(); why != "" {
			return fmt.Errorf("the server gave up: %s", why)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.nats.Running() && time.Now().Add(-10*time.Second).After(deadline.Add(-limit)) {
			return errors.New("the server stopped while starting: see its messages above")
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server was not ready after %v", limit)
		}
	}
}

// Stop closes the connection, stops the server, waits for its files to be
// written, and gives the data directory free. It may be called more than once.
func (s *Server) Stop() {
	if s.conn != nil {
		s.conn.Close()
	}
	if s.nats != nil {
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
	}
	s.lock.release()
}

// Conn is the node's in-process connection. It is closed by Stop.
func (s *Server) Conn() *nats.Conn { return s.conn }

// Connect opens a further in-process connection, which the caller closes: for
// work whose volume should not stand in the way of others.
func (s *Server) Connect(name string) (*nats.Conn, error) {
	options := []nats.Option{nats.InProcessServer(s.nats), nats.Name(name), nats.MaxReconnects(-1), nats.SyncQueueLen(syncQueue)}
	if s.group != nil {
		options = append(options, nats.UserInfo(s.node, s.password))
	}
	nc, err := nats.Connect("", options...)
	if err != nil {
		return nil, fmt.Errorf("connect %s in process: %w", name, err)
	}
	return nc, nil
}

// JetStream is the JetStream context of Conn.
func (s *Server) JetStream() jetstream.JetStream { return s.js }

// Node is the node's name.
func (s *Server) Node() string { return s.node }

// Dir is the data directory.
func (s *Server) Dir() string { return s.dir }

// Clustered says whether the server is one of several that replicate.
func (s *Server) Clustered() bool { return s.nats.JetStreamIsClustered() }

// Replicas is how many nodes hold each stream.
func (s *Server) Replicas() int { return s.group.Replicas() }

// Leads says whether this node's server leads the stream. A node alone leads
// all of them. In a cluster it is a hint: only a committed block is proof.
func (s *Server) Leads(stream string) bool {
	if !s.Clustered() {
		return true
	}
	return s.nats.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream)
}

// StepDown has another node lead a stream: the preferred one, if one is named that has a
// replica; else the server that leads it now may be elected again. Alone there is nobody
// else: then it is an error.
func (s *Server) StepDown(ctx context.Context, stream, preferred string) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	var body []byte
	if preferred != "" {
		body = fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, preferred)
	}
	if err := command(ctx, s.conn, "$JS.API.STREAM.LEADER.STEPDOWN."+stream, body); err != nil {
		return fmt.Errorf("give up the lead of stream %s: %w", stream, err)
	}
	return nil
}

// checkName refuses names that could not stand in a subject.
func checkName(name string) error {
	if name == "" || len(name) > 64 {
		return fmt.Errorf("node name %q: give 1 to 64 letters, digits, '-' or '_'", name)
	}
	for _, r := range name {
		ok := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
		if !ok {
			return fmt.Errorf("node name %q: %q is not a letter, digit, '-' or '_'", name, r)
		}
	}
	return nil
}

// checkDir makes the directory and proves that it can be written.
func checkDir(dir string) error {
	if dir == "" {
		return errors.New("data directory: none given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: cannot be made: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("data directory: cannot be written; check owner and mode of %s: %w", filepath.Clean(dir), err)
	}
	probe.Close()
	return os.Remove(probe.Name())
}
