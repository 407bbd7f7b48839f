package resolve

import (
	"math"
	"time"

	"github.com/tollbook/tollbook/graphql/model"
)

// Standing is how a node stands.
type Standing interface {
	// Stands is how this node stands now.
	Stands() NodeState
}

// NodeState is how a node stands. Counts are since its start.
type NodeState struct {
	Name, Version   string
	Started         time.Time
	Calls, MaxCalls int
	Begun           uint64
	// TakenOver are calls of nodes that have died which go on here, NotTakenOver those
	// that could not, LetGo those that other nodes have taken from this one.
	TakenOver, NotTakenOver, LetGo uint64
	Draining                       bool
	// Holds counts the shared addresses that it has.
	Holds int
	// PerSecond is how many new calls are let in a second, 0 for no limit; Waiting
	// those that wait for their decision, Refused those that were not let in.
	PerSecond, Waiting int
	Refused            uint64
	BadDescriptions    uint64
	// Malformed are messages of peers, Rejected those and what strangers and banned
	// sources sent.
	Malformed, Rejected uint64
	Banned              int
	// Servers and Clients are transactions that are remembered.
	Servers, Clients int
	Connections      int
	// Packets and Bytes of media were passed on, Drops were not.
	Packets, Bytes uint64
	Drops          []Drop
	// KernelPackets are those of Packets that the kernel passed on by itself, Uncopied
	// those of them that a recording did not hear.
	KernelPackets, Uncopied uint64
	// Engine relays media, for the reason Why.
	Engine, Why string
	// Memory is the bytes of the heap that live, as far as is known.
	Memory uint64
}

// Drop counts packets that were not passed on for a reason.
type Drop struct {
	Reason  string
	Packets uint64
}

// thisNode shows how the node stands.
func (r *Resolver) thisNode() *model.ThisNode {
	s := r.Backend.Stands()
	out := &model.ThisNode{
		Name: s.Name, Version: s.Version, StartedAt: s.Started, Calls: s.Calls, MaxCalls: s.MaxCalls, CallsBegun: count(s.Begun),
		CallsTakenOver: count(s.TakenOver), CallsNotTakenOver: count(s.NotTakenOver), CallsLetGo: count(s.LetGo),
		Draining: s.Draining, Overload: model.OverloadState{Waiting: s.Waiting, Refused: count(s.Refused)},
		BadDescriptions: count(s.BadDescriptions), MalformedMessages: count(s.Malformed), RejectedMessages: count(s.Rejected),
		BannedSources: s.Banned, Transactions: s.Servers + s.Clients, Connections: s.Connections,
		MediaEngine: s.Engine, MediaEngineReason: s.Why,
		MediaDrops: []*model.MediaDrop{}, Memory: model.Decimal{Units: int64(s.Memory)},
	}
	if s.PerSecond > 0 {
		out.Overload.PerSecond = &s.PerSecond
	}
	if s.Packets > 0 {
		out.MediaByKernel = int(s.KernelPackets * 100 / s.Packets)
	}
	for _, d := range s.Drops {
		if d.Packets > 0 {
			out.MediaDrops = append(out.MediaDrops, &model.MediaDrop{Reason: d.Reason, Packets: count(d.Packets)})
		}
	}
	return out
}

// count fits a count into what the API's Int holds.
func count(n uint64) int { return int(min(n, math.MaxInt32)) }
