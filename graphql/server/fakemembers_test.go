package server_test

import (
	"context"
	"net/netip"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
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

// Places is that of n1, which may have another port.
func (s *fakeSwitch) Rescues() []*wire.RescueRecorded { return s.state.Rescues }

func (s *fakeSwitch) Places() []*wire.NodePlace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []*wire.NodePlace{{
		Node: "n1", Media: []string{"192.0.2.1"}, MediaFrom: 20000, MediaTo: 20999, Zone: "sip.test",
		Listeners: []*wire.NodeListener{
			{Name: "edge", Address: "192.0.2.1", Ports: []*wire.NodePort{{Transport: "udp", Port: 5060 + s.moved}}},
			{Name: "shared", Address: "192.0.2.100", Ports: []*wire.NodePort{{Transport: "tls", Port: 5061}}, Shared: true},
		},
	}}
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
