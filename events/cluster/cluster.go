// Package cluster runs the NATS server that lives inside a Tollbook node and
// holds its streams.
//
// A node alone runs unclustered: the server has no listener at all, and the
// process talks to it over an in-process connection. JetStream syncs every
// message to disk before it acknowledges it (SyncAlways), because an
// acknowledged block is a promise about money. The data directory is locked, so
// that two processes can never write one store.
//
// Layout of the data directory:
//
//	lock         held by the running process, names its pid
//	jetstream/   JetStream's own files, written by nobody else
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
}

// Server is an embedded NATS server with its data directory and one in-process
// connection. Its methods are safe for concurrent use.
type Server struct {
	node string
	dir  string
	lock *lock
	nats *server.Server
	conn *nats.Conn
	js   jetstream.JetStream
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
	held, err := takeLock(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{node: opts.Node, dir: opts.Dir, lock: held}
	if err := Scan(opts.Dir); err != nil {
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
	srv, err := server.NewServer(&server.Options{
		ServerName: opts.Node,
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   opts.Dir,
		SyncAlways: true,
	})
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	s.nats = srv
	srv.SetLoggerV2(newLogger(opts.Logger), false, false, false)
	go srv.Start()
	if err := s.waitReady(ctx, opts.ReadyTimeout); err != nil {
		return err
	}
	s.conn, err = nats.Connect("", nats.InProcessServer(srv), nats.Name(opts.Node), nats.MaxReconnects(-1), nats.SyncQueueLen(syncQueue))
	if err != nil {
		return fmt.Errorf("connect in process: %w", err)
	}
	if s.js, err = jetstream.New(s.conn); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	if opts.NoCreate {
		return nil
	}
	return s.ensureStreams(ctx)
}

// waitReady waits until the server takes connections and its streams are
// recovered.
func (s *Server) waitReady(ctx context.Context, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		if s.nats.ReadyForConnections(50 * time.Millisecond) {
			if !s.nats.JetStreamEnabled() {
				return errors.New("JetStream did not start: see the server's messages above; the disk may be full or not writable")
			}
			return nil
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
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.Name(name), nats.MaxReconnects(-1), nats.SyncQueueLen(syncQueue))
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

// Leads says whether this node's server leads the stream. A node alone leads
// all of them. In a cluster it is a hint: only a committed block is proof.
func (s *Server) Leads(stream string) bool {
	if !s.Clustered() {
		return true
	}
	return s.nats.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream)
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
