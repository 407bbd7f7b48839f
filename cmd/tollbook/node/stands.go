package node

import (
	"runtime/metrics"

	"github.com/tollbook/tollbook/graphql/resolve"
	"github.com/tollbook/tollbook/media/relay"
)

// Stands is how this node stands now.
func (n *Node) Stands() resolve.NodeState {
	calls, door, load, media := n.sw.Counts(), n.gate.Counts(), n.load.State(), n.engine.Stats()
	s := resolve.NodeState{
		Name: n.settings.Node, Version: Version, Started: n.started,
		Calls: calls.Calls, MaxCalls: n.settings.MaxCalls, Begun: calls.Begun, Draining: calls.Draining, Holds: len(n.sharing.holding()),
		PerSecond: load.PerSecond, Waiting: load.Waiting, Refused: load.Refused,
		BadDescriptions: calls.BadDescriptions, Malformed: door.Malformed, Rejected: door.Rejected, Banned: len(n.door.Bans()),
		Servers: door.Servers, Clients: door.Clients, Connections: door.Connections,
		Packets: media.Packets, Bytes: media.Bytes, Memory: heap(),
	}
	s.TakenOver, s.NotTakenOver, s.LetGo = calls.Resumed, calls.Untaken, calls.Dropped
	s.Engine, s.Why = n.engine.Engine()
	s.KernelPackets, s.Uncopied = media.Fast.Packets, media.Fast.Uncopied
	for reason, packets := range media.Dropped {
		s.Drops = append(s.Drops, resolve.Drop{Reason: relay.Drop(reason).String(), Packets: packets})
	}
	return s
}

// heap is how many bytes the last collection of garbage left.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
