package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A node whose store is empty must not vote as the member that it was: what it once
// acknowledged is gone, and with its voice a node that lacks the same could be
// elected. So it first greets the others without a store. If they know it as a member
// they forget it, which takes a majority that has all there is; then it comes as a new
// one and is given everything. If all members greet with empty stores this is the
// first start of the group.

// The subjects of the first words between nodes.
const (
	greetSubject  = "tollbook.greet"
	forgetSubject = "tollbook.forget"
)

// stage is how far a server of a group has come.
type stage string

const (
	// stageEmpty has no store yet and runs none; stageFirst makes its first.
	stageEmpty stage = "empty"
	stageFirst stage = "first"
	// stageBrings brings the store that the group is to begin with.
	stageBrings stage = "brings"
	// stageStored has a store, and hears no majority yet.
	stageStored  stage = "stored"
	stageRunning stage = "running"
)

// greeting is what a server says to one that greets.
type greeting struct {
	Node  string `json:"node"`
	Stage stage  `json:"stage"`
	// Leads says that it leads the group of all servers, and speaks for it. Peers are
	// the members of that by name.
	Leads bool     `json:"leads"`
	Peers []string `json:"peers"`
}

const (
	greetWithin = 500 * time.Millisecond
	greetEvery  = 250 * time.Millisecond
)

// answerGreetings answers those who greet, and forgets a member that asks for it.
func (s *Server) answerGreetings() error {
	_, err := s.conn.Subscribe(greetSubject, func(m *nats.Msg) {
		text, err := json.Marshal(s.greeting())
		if err != nil {
			panic("cluster: a greeting cannot be written: " + err.Error())
		}
		_ = m.Respond(text) // one that left needs no answer
	})
	if err != nil {
		return fmt.Errorf("answer greetings: %w", err)
	}
	if _, err = s.conn.Subscribe(forgetSubject, func(m *nats.Msg) { go s.forget(string(m.Data)) }); err != nil {
		return fmt.Errorf("answer greetings: %w", err)
	}
	return nil
}

func (s *Server) greeting() greeting {
	g := greeting{Node: s.node, Stage: stage(s.stage.Load().(string))} //nolint:forcetypeassert // only strings are stored
	g.Leads = s.nats.JetStreamIsLeader()
	g.Peers = s.Peers()
	return g
}

// forget has the member that greeted with an empty store forgotten, if this server
// speaks for the group.
func (s *Server) forget(node string) {
	if node == s.node || !s.nats.JetStreamIsLeader() || !slices.Contains(s.Peers(), node) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*askWithin)
	defer cancel()
	// The one that asked asks again: an error here is told and no more.
	if err := s.Remove(ctx, node); err != nil {
		s.log.Warn("a member with an empty store could not be forgotten yet", "member", node, "err", err)
		return
	}
	s.log.Info("a member came with an empty store: it is forgotten and comes anew", "member", node)
}

// introduce greets the others with an empty store until it is known how it starts.
func (s *Server) introduce(ctx context.Context, opts Options) error {
	stop, err := s.runBare(ctx, opts)
	if err != nil {
		return err
	}
	defer stop()
	told := time.Now()
	for {
		answers, err := s.greet(ctx)
		if err != nil {
			return err
		}
		why := s.mayJoin(answers)
		if why == "" {
			return nil
		}
		if time.Since(told) > waiting {
			told = time.Now()
			opts.Logger.Info("waiting for the other nodes: the store is empty", "cluster", s.group.Name, "why", why)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cluster %s: this node's store is empty and it could not join: %s: %w", s.group.Name, why, ctx.Err())
		case <-time.After(greetEvery):
		}
	}
}

// mayJoin says why a server with an empty store must wait, or nothing. That the others
// do not know it any more is believed when more than half of them say so: one that leads
// alone drops a member before that is decided.
func (s *Server) mayJoin(answers []greeting) (why string) {
	empty, others := map[string]bool{s.node: true}, map[string]bool{}
	for name := range s.group.Members {
		others[name] = true
	}
	running, known := 0, false
	for _, a := range answers {
		switch a.Stage {
		case stageRunning:
			running++
			for _, name := range a.Peers {
				others[name] = true
			}
			if !slices.Contains(a.Peers, s.node) {
				continue
			}
			if known = true; a.Leads {
				_ = s.conn.Publish(forgetSubject, []byte(s.node)) // lost, it is asked again
			}
		case stageBrings:
			s.brought = true
			empty[a.Node] = true
		case stageEmpty, stageFirst:
			empty[a.Node] = true
		case stageStored:
		}
	}
	delete(others, s.node)
	switch {
	case known:
		return "others still know it as the member that it was"
	case 2*running > len(others):
		return ""
	case running > 0:
		return fmt.Sprintf("only %d of %d other nodes answer", running, len(others))
	}
	for name := range s.group.Members {
		if !empty[name] {
			return "node " + name + " is not there, or has a store and hears no majority"
		}
	}
	return ""
}

// greet asks all who are there.
func (s *Server) greet(ctx context.Context) ([]greeting, error) {
	inbox := s.conn.NewInbox()
	sub, err := s.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("greet the other nodes: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := s.conn.PublishRequest(greetSubject, inbox, nil); err != nil {
		return nil, fmt.Errorf("greet the other nodes: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, greetWithin)
	defer cancel()
	var all []greeting
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return all, nil //nolint:nilerr // the time is over: these are all
		}
		var g greeting
		if len(msg.Data) > 0 && json.Unmarshal(msg.Data, &g) == nil && g.Node != s.node {
			all = append(all, g)
		}
	}
}

// runBare starts the server without a store.
func (s *Server) runBare(ctx context.Context, opts Options) (stop func(), err error) {
	s.setStage(stageEmpty)
	if opts.Bring {
		s.setStage(stageBrings)
	}
	o, err := s.options()
	if err != nil {
		return nil, err
	}
	o.JetStream, o.StoreDir = false, ""
	if err := s.run(ctx, o, opts); err != nil {
		return nil, err
	}
	return func() {
		s.conn.Close()
		s.nats.Shutdown()
		s.nats.WaitForShutdown()
		s.conn, s.nats = nil, nil
	}, nil
}

func (s *Server) setStage(g stage) { s.stage.Store(string(g)) }

// hasStore says whether a data directory holds a store.
func hasStore(dir string) bool { return exists(filepath.Join(dir, server.JetStreamStoreDir)) }

// first says how a server without a store begins one.
func (o Options) first() stage {
	if o.Bring {
		return stageBrings
	}
	return stageFirst
}
