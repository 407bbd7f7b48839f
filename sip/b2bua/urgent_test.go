package b2bua

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/tollbook/tollbook/events"
	"github.com/tollbook/tollbook/events/wire"
	"github.com/tollbook/tollbook/sip/overload"
)

// A node that is slow, full or about to stop takes emergency calls and no others; one
// that has closed takes none.
func TestRoomForEmergencies(t *testing.T) {
	load := overload.New(overload.Config{Waiting: 1})
	if !load.Enter(time.Now()) {
		t.Fatal("the first call may wait")
	}
	s := &Switch{
		config: Config{Load: load, MaxCalls: 1, Logger: slog.New(slog.DiscardHandler)},
		calls:  map[events.CallID]*session{}, invites: map[string]struct{}{}, parties: map[netip.Addr]int{},
	}
	peer := &wire.Originator{Id: "o"}
	admitted := func(urgent bool, merge string) bool {
		_, entered := s.enter(urgent)
		c, _, _ := s.admit(&caller{origin: peer, urgent: urgent}, netip.MustParseAddr("192.0.2.1"), merge)
		if c == nil && entered {
			t.Errorf("%s: let in, and refused", merge)
		}
		return c != nil && entered
	}
	if admitted(false, "slow") || !admitted(true, "first") {
		t.Error("a slow node takes emergency calls, and no others")
	}
	s.config.Load = nil
	if c, code, _ := s.admit(&caller{origin: peer}, netip.Addr{}, "full"); c != nil || code != 503 {
		t.Errorf("a full node answers %d", code)
	}
	if s.Drain(true); !admitted(true, "drained") {
		t.Error("a node that drains refuses an emergency call")
	}
	s.closed = true
	if c, _, _ := s.admit(&caller{origin: peer, urgent: true}, netip.Addr{}, "closed"); c != nil {
		t.Error("a node that is closed takes a call")
	}
}
