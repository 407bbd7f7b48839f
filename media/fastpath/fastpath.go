// Package fastpath lets the Linux kernel relay the media of established calls:
// a TC program rewrites and sends on the packets of known flows where they come
// in, and measures them there, so that they cost no visit to user space.
//
// A flow is one direction of one call. Whoever inserts it keeps its socket open:
// what is no ordinary packet of a flow (RTCP, another payload type or SSRC, a
// jump of the sequence, one hop left, a length that might need fragments) goes
// up to the socket as if there were no fast path. Removing the flow brings the
// packets back and returns what was measured.
//
// The program's source is bpf/relay.c; its object is committed and embedded, so
// that a build needs no clang ("make bpf" makes it anew). Nothing is pinned: the
// maps and, from kernel 6.6 on, the attachments end with the process.
//
// The packets of flows pass by the host's firewall and its connection tracking.
// What those refuse never makes a flow, since its first packet does not arrive.
package fastpath

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"
)

// Errors of Open and Insert, to be tested with errors.Is.
var (
	// ErrUnavailable means that this machine or process cannot have a fast path;
	// the text says why.
	ErrUnavailable = errors.New("no fast path")
	// ErrFull means that MaxFlows are there.
	ErrFull = errors.New("fast path is full")
	// ErrRoute means that the way to the far end does not leave by an Ethernet
	// interface: it is this host's own address, or there is none.
	ErrRoute = errors.New("not reached by an Ethernet interface")
	// ErrFlow means that the flow is there already, or is not there.
	ErrFlow = errors.New("no such flow, or there already")
)

// Config says what a path serves.
type Config struct {
	// Interfaces are the names of those that media arrives on. Empty means the
	// Ethernet interfaces that carry one of Addresses.
	Interfaces []string
	// Addresses are the local addresses of media; an unspecified one stands for
	// all of its family.
	Addresses []netip.Addr
	// MaxFlows bounds the flows, two for each call; 0 means 20,000.
	MaxFlows int
	// Copied is told the packets of flows with Copy, by one goroutine, in the
	// order in which they came. It must not keep the payload.
	Copied func(Copied)
	// Ring is the size of the buffer of copies in bytes, a power of two; 0 means
	// 8 MiB.
	Ring int
	// Clsact attaches by a clsact filter where tcx links exist, too.
	Clsact bool
	// Log is told of interfaces that come and go. Nil means silence.
	Log *slog.Logger
}

// Copied is a packet that the kernel relayed and copied.
type Copied struct {
	Tag     uint64 // of its flow
	Source  netip.AddrPort
	At      time.Duration // from the flow's epoch
	Payload []byte        // of UDP
}

// Key names a flow by where its packets arrive and where they come from.
type Key struct{ Local, Source netip.AddrPort }

// Format is a payload type that the fast path may relay.
type Format struct {
	Number uint8
	Clock  uint32 // of its timestamps, in Hz
	Speech bool   // not comfort noise
}

// MaxFormats is how many of a flow's formats count.
const MaxFormats = 4

// Flow is one direction of a call.
type Flow struct {
	Key
	// From and To are the packets' addresses when they leave; they are of the
	// family of Key's.
	From, To netip.AddrPort
	// Formats are the payload types of ordinary packets, MaxFormats at most.
	Formats []Format
	// SSRC is that of ordinary packets.
	SSRC uint32
	// Opaque media is not RTP: SSRC and Formats are not looked at.
	Opaque bool
	// Copy has the packets copied to Config.Copied, named by Tag.
	Copy bool
	Tag  uint64
	// Epoch is the zero of the flow's times on the monotonic clock (see Now).
	Epoch time.Duration
	// Meter is what has been measured so far; it goes on from there.
	Meter Meter
}

// Meter has the figures of a flow, as RFC 3550 defines them.
type Meter struct {
	Packets, Bytes        uint64 // of UDP payload
	Last                  time.Duration
	Longest               time.Duration // between two packets
	Duplicates, Reordered uint64
	Gaps                  uint64
	Base, Highest         int64  // sequence numbers, extended by the wraps
	Window                uint64 // bit i: Highest-i was received
	Unique                uint64 // packets without duplicates
	Changes               uint64 // of the payload type
	Jitter16              uint64 // in units of the clock, times 16
	Worst                 uint64 // the largest jitter, in µs
	Sum, Terms            uint64 // of the jitter after each packet in µs, for the mean
	Clock                 uint32 // Hz
	Transit, Timestamp    uint32
	Timed                 uint32 // 1 when Transit and Timestamp are set
	Type, Voice           uint32 // payload type of the last packet, and of the last speech
}

// Totals are the counters of all flows since Open.
type Totals struct {
	// Packets and Bytes were relayed by the kernel.
	Packets, Bytes uint64
	// Up went to user space though their flow was known, by reason.
	Up Up
	// Failed were lost because the kernel could not rewrite them.
	Failed uint64
	// Copied went into the ring, Uncopied found it full.
	Copied, Uncopied uint64
	// Flows is how many there are, Refused how often one more was too many.
	Flows, Refused uint64
}

// Up counts the packets of flows that went to user space, by reason.
type Up struct {
	Shape    uint64 // not RTP version 2, or RTCP
	Hops     uint64 // TTL or hop limit of 1
	Length   uint64 // might need fragments
	Format   uint64 // other payload type or SSRC
	Sequence uint64 // a jump
	Unrouted uint64 // no way out by Ethernet any more
}
