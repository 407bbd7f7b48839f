package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Peers are the names of the servers that hold the group's streams or may, as this one
// knows; nil without a group.
func (s *Server) Peers() []string {
	if s.group == nil || !s.nats.JetStreamEnabled() {
		return nil
	}
	info, err := s.nats.Jsz(nil)
	if err != nil || info.Meta == nil {
		return nil
	}
	peers := []string{s.node}
	for _, p := range info.Meta.Replicas {
		peers = append(peers, p.Name)
	}
	slices.Sort(peers)
	return peers
}

// Refusing are those of some nodes, given with their addresses, whose programs are not
// there, by the word of their machines: there is no connection to them, and their addresses
// refuse one. That nothing is heard of a node says less.
func (s *Server) Refusing(ctx context.Context, nodes map[string]string) (refusing []string) {
	if s.group == nil {
		return nil
	}
	routes, err := s.nats.Routez(nil)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, knockWithin)
	defer cancel()
	var mu sync.Mutex
	var knocks sync.WaitGroup
	for name, address := range nodes {
		if slices.ContainsFunc(routes.Routes, func(r *server.RouteInfo) bool { return r.RemoteName == name }) {
			continue
		}
		knocks.Go(func() {
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				mu.Lock()
				defer mu.Unlock()
				refusing = append(refusing, name)
			}
		})
	}
	knocks.Wait()
	return refusing
}

// knockWithin is how long the machines of nodes may take to refuse a connection.
const knockWithin = 200 * time.Millisecond

// command has the server do something that its API says only yes or no to; a no is a
// *jetstream.APIError.
func command(ctx context.Context, nc *nats.Conn, subject string, body []byte) error {
	msg, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// Remove takes a server out of the group: it holds no stream any more and has no
// voice. It needs a majority of the others, and works on any of them; one that is not in
// the group is no error. The server itself should be stopped; one that comes back after
// removeFor with its certificate is a new member.
func (s *Server) Remove(ctx context.Context, node string) error {
	if s.group == nil {
		return errors.New("this node is alone: there is no other to remove")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s.nats), nats.UserInfo(systemUser, s.password))
	if err != nil {
		return fmt.Errorf("remove server %s: %w", node, err)
	}
	defer nc.Close()
	question, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Server: node})
	if err != nil {
		return fmt.Errorf("remove server %s: %w", node, err)
	}
	err = s.Patiently(ctx, func(ctx context.Context) error {
		err := command(ctx, nc, server.JSApiRemoveServer, question)
		var no *jetstream.APIError
		if errors.As(err, &no) && no.ErrorCode == jetstream.ErrorCode(server.JSClusterServerNotMemberErr) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove server %s: %w", node, err)
	}
	return nil
}

// Running says whether the store works. A server that cannot write, because the disk is
// full, gives its store up until it is started again.
func (s *Server) Running() bool { return s.nats.JetStreamEnabled() }

// Whole are the members of the group that have all that the streams hold, as their
// leaders know; with more than three nodes also those that hold none of a stream. It is
// empty while a stream has no leader.
func (s *Server) Whole(ctx context.Context) []string {
	whole := s.Peers()
	for _, cfg := range Streams(s.Replicas()) {
		ask, cancel := context.WithTimeout(ctx, askWithin/2)
		stream, err := s.js.Stream(ask, cfg.Name)
		cancel()
		if err != nil || stream.CachedInfo().Cluster == nil || stream.CachedInfo().Cluster.Leader == "" {
			return nil
		}
		for _, r := range stream.CachedInfo().Cluster.Replicas {
			if !r.Current || r.Offline {
				whole = slices.DeleteFunc(whole, func(name string) bool { return name == r.Name })
			}
		}
		if len(stream.CachedInfo().Cluster.Replicas)+1 < min(s.Replicas(), len(s.Peers())) {
			return nil // one that is to have it is not known yet
		}
	}
	return whole
}
