package server_test

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/graphql/resolve"
)

func (s *fakeSwitch) Members() []resolve.Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []resolve.Member{
		{Draining: s.drained, Holds: []netip.Addr{netip.MustParseAddr("192.0.2.100")}, Name: "n1", Up: true, Seen: noon(), Version: "1", SIP: "192.0.2.1:5060", Keeps: true, Calls: 3, MaxCalls: 10, Position: 12},
		{Name: "n2", Address: "192.0.2.2:7422", Seen: noon(), Ahead: -20 * time.Millisecond, EqualTo: 7, DiffersAt: 9},
		{Name: "n3", Address: "192.0.2.3:7422"},
	}
}

// Drain drains n1, and nobody else answers.
func (s *fakeSwitch) Drain(_ context.Context, node string, on bool, _ string) error {
	if node != "n1" {
		return events.Refuse(events.CodeUnavailable, "node %s does not answer", node)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = on
	return nil
}

func (s *fakeSwitch) RemoveNode(_ context.Context, node, _ string) error {
	if node == "n2" {
		return events.Refuse(events.CodeUnavailable, "no majority answers")
	}
	return nil
}
