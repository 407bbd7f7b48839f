// Package relay carries the media of calls: for every call it holds two legs,
// A towards the caller and B towards the callee, each with a local RTP port and
// the RTCP port above it, and passes what arrives on one leg out of the other.
//
// It trusts nobody. A datagram is passed on only when both ends are known and
// it comes from the address that its end negotiated, or from the one address
// that was learnt from the first valid packet where learning was allowed. All
// else is dropped and counted (the attack is known as RTPbleed).
//
// While packets pass, each leg's quality is measured without the help of RTCP:
// loss, duplicates, reordering, jitter (RFC 3550) and a MOS by the E-model
// (ITU-T G.107).
//
// On Linux a small pool of threads serves all sockets through epoll with raw
// system calls, since those are nearly the whole cost of a packet. Elsewhere,
// or with EnginePortable, every socket is a net.UDPConn with a goroutine.
//
// Ownership: a call's mutex guards its legs. A worker takes a datagram and sends it
// on while it holds that mutex; who owns a descriptor is told at pair. An
// uncontended mutex costs some 20 ns beside 7 to 11 µs of system calls.
package relay

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Open, NewCall and SetRemote, to be tested with errors.Is.
var (
	// ErrClosed means that the call or the engine has been closed.
	ErrClosed = errors.New("closed")
	// ErrPortsExhausted means that no port pair in the range could be bound.
	ErrPortsExhausted = errors.New("no free port pair")
	// ErrTooManyFiles means that RLIMIT_NOFILE does not allow another call.
	ErrTooManyFiles = errors.New("too many open files")
	// ErrAddress means that a remote address is of the other family or leads
	// back into this engine.
	ErrAddress = errors.New("address not usable")
)

// Config says where an engine listens.
type Config struct {
	// Addresses are the local addresses that calls can be on, of either family; the
	// first is the usual one. A leg's far end is of the family of its address.
	Addresses []netip.Addr
	// Coming are those of them that come and go: they need not be here yet, and calls
	// are on them while Hold says so.
	Coming []netip.Addr
	// PortMin and PortMax bound the local ports of each address, both included. A
	// call takes two even ports and the odd ones above them.
	PortMin, PortMax uint16
	// Workers is the number of threads on Linux; 0 means half of GOMAXPROCS, at
	// least one.
	Workers int
	// Engine is one of EngineAuto and the like; empty is EngineAuto.
	Engine string
	// Interfaces are those that EngineEBPF relays on; empty means those that carry one
	// of Addresses.
	Interfaces []string
	// Log is told at Open how many calls the limits allow. Nil means silence.
	Log *slog.Logger
}

// Engine relays calls until it is closed. Its methods may be called from any
// goroutine.
type Engine struct {
	config    Config
	pools     []*pool // by address
	transport transport
	fast      *fast     // nil without a fast path
	name, why string    // of the transport
	start     time.Time // the zero of all times kept for packets
	files     uint64    // RLIMIT_NOFILE, 0 when unknown
	next      atomic.Uint32
	// idle is the number of pairs at rest, mostIdle their bound.
	idle, mostIdle atomic.Int64

	packets, bytes atomic.Uint64
	opened         atomic.Uint64
	dropped        [dropReasons]atomic.Uint64

	mu     sync.Mutex
	closed bool
	calls  map[*Call]struct{}
}

// socketsPerCall is RTP and RTCP for two legs; reservedFiles is what the rest
// of the process is left when the limit is turned into a number of calls.
const (
	socketsPerCall = 4
	reservedFiles  = 256
)

// Open starts an engine. It fails when the range holds no two port pairs, an
// address is not this machine's, or RLIMIT_NOFILE allows not even one call. Where an
// engine that is asked for cannot run, another one does: Engine tells.
func Open(config Config) (*Engine, error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Workers <= 0 {
		config.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	e := &Engine{config: config, start: time.Now(), calls: make(map[*Call]struct{})}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("relay: open: %w", err)
	}
	return e, nil
}

func (e *Engine) open() error {
	if err := e.makePools(); err != nil {
		return err
	}
	if err := e.checkLimits(); err != nil {
		return err
	}
	for _, p := range e.pools {
		if p.away.Load() {
			continue
		}
		probe, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.addr, 0)))
		if err != nil {
			return err
		}
		probe.Close()
	}
	return e.choose()
}

func (e *Engine) makePools() error {
	for _, addr := range e.config.Addresses {
		p, err := newPool(e, addr.Unmap(), e.config.PortMin, e.config.PortMax)
		if err != nil {
			return err
		}
		p.away.Store(slices.Contains(e.config.Coming, addr))
		e.pools = append(e.pools, p)
	}
	if len(e.pools) == 0 {
		return fmt.Errorf("%w: no local address is given", ErrAddress)
	}
	return nil
}

// use has the engine use a transport.
func (e *Engine) use(t transport) {
	e.transport = t
	for _, p := range e.pools {
		p.idle = make([][]*pair, t.shards())
	}
}

// checkLimits logs what the port range and the descriptor limit allow.
func (e *Engine) checkLimits() error {
	byPorts := e.pools[0].total() / 2
	e.mostIdle.Store(mostIdle)
	log := e.config.Log.With("local", e.config.Addresses, "port_min", e.config.PortMin,
		"port_max", e.config.PortMax, "calls_by_ports", byPorts)
	limit, known := fileLimit()
	if !known {
		log.Info("media relay opens; the descriptor limit is unknown")
		return nil
	}
	e.files = limit
	byFiles := e.callsByFiles()
	if byFiles == 0 {
		return fmt.Errorf("%w: RLIMIT_NOFILE is %d and allows no call", ErrTooManyFiles, limit)
	}
	e.mostIdle.Store(min(mostIdle, int64(byFiles/2))) // two sockets a pair, of four a call
	log = log.With("rlimit_nofile", limit, "calls_by_files", byFiles)
	if byFiles < uint64(byPorts) {
		log.Warn("media relay opens; RLIMIT_NOFILE allows fewer calls than the port range")
	} else {
		log.Info("media relay opens")
	}
	return nil
}

func (e *Engine) callsByFiles() uint64 {
	if e.files <= reservedFiles {
		return 0
	}
	return (e.files - reservedFiles) / socketsPerCall
}

// Close ends every call and the workers, and waits for them. Further calls of
// it do nothing.
func (e *Engine) Close() {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	e.closed = true
	calls := make([]*Call, 0, len(e.calls))
	for c := range e.calls {
		calls = append(calls, c)
	}
	e.mu.Unlock()
	e.mostIdle.Store(0)
	for _, c := range calls {
		c.Close()
	}
	for e.evict() {
	}
	e.transport.stop()
	s := e.Stats()
	e.config.Log.Info("media relay closes", "calls", s.Opened, "packets", s.Packets, "by_kernel", s.Fast.Packets, "dropped", s.Dropped.Total())
	if e.fast != nil {
		e.fast.close(e.config.Log)
	}
}

// now is the time since the engine's start, from the monotonic clock.
func (e *Engine) now() time.Duration { return time.Since(e.start) }

// at turns a time kept for a packet into a time.Time; 0 is the zero Time.
func (e *Engine) at(since time.Duration) time.Time {
	if since == 0 {
		return time.Time{}
	}
	return e.start.Add(since)
}
