//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

//go:embed bpf/relay.o
var object []byte

// Path is the fast path of the network namespace in which it was opened. Its
// methods may be called from any goroutine.
type Path struct {
	config Config
	log    *slog.Logger
	maps   objects
	routes *netlink.Handle
	exits  exits
	doors  doors
	watch  *watch
	copies *copies

	mu      sync.Mutex // guards flows
	flows   map[Key]entry
	refused atomic.Uint64
}

// entry is what is kept of a flow outside the kernel.
type entry struct {
	exit pair
	copy bool
}

type objects struct {
	Relay  *ebpf.Program `ebpf:"relay"`
	Flows  *ebpf.Map     `ebpf:"flows"`
	Exits  *ebpf.Map     `ebpf:"exits"`
	Counts *ebpf.Map     `ebpf:"counts"`
	Ring   *ebpf.Map     `ebpf:"ring"`
}

const (
	defaultFlows = 20_000
	defaultRing  = 8 << 20
)

// Open loads the program and attaches it. Errors: ErrUnavailable with the reason.
func Open(config Config) (*Path, error) {
	if config.MaxFlows <= 0 {
		config.MaxFlows = defaultFlows
	}
	if config.Ring <= 0 {
		config.Ring = defaultRing
	}
	if config.Copied == nil {
		config.Ring = os.Getpagesize()
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if bits.OnesCount(uint(config.Ring)) != 1 || config.Ring%os.Getpagesize() != 0 {
		return nil, fmt.Errorf("fastpath: a ring of %d bytes: not a power of two of whole pages", config.Ring)
	}
	p := &Path{config: config, log: config.Log, flows: make(map[Key]entry)}
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), p.Close())
	}
	p.log.Info("media fast path opens", "interfaces", p.doors.names(), "max_flows", config.MaxFlows)
	return p, nil
}

func (p *Path) open() error {
	var err error
	if p.routes, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("netlink: %w", err)
	}
	if err := p.load(); err != nil {
		return err
	}
	p.exits = exits{table: p.maps.Exits, routes: p.routes, most: p.config.MaxFlows, pairs: make(map[pair]*way)}
	p.doors = doors{config: p.config, routes: p.routes, program: p.maps.Relay, open: make(map[int]door)}
	if err := p.doors.attach(); err != nil {
		return err
	}
	if p.config.Copied != nil {
		if p.copies, err = newCopies(p.maps.Ring, p.config.Copied); err != nil {
			return fmt.Errorf("ring buffer: %w", err)
		}
	}
	p.watch, err = newWatch(p.changed)
	return err
}

func (p *Path) load() error {
	// Older kernels count maps as locked memory.
	if err := rlimit.RemoveMemlock(); err != nil {
		return explain("RLIMIT_MEMLOCK", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	spec.Maps["flows"].MaxEntries = uint32(p.config.MaxFlows)
	spec.Maps["exits"].MaxEntries = uint32(p.config.MaxFlows)
	spec.Maps["ring"].MaxEntries = uint32(p.config.Ring)
	if err := spec.LoadAndAssign(&p.maps, nil); err != nil {
		return explain("load the program", err)
	}
	return nil
}

// explain adds what is to be done to what the kernel refuses.
func explain(what string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w: the process needs CAP_BPF and CAP_NET_ADMIN", what, err)
	case errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("%s: %w: the kernel is too old, 5.14 or newer is needed", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close detaches the program; the sockets get the packets of all flows again.
func (p *Path) Close() error {
	if p.watch != nil {
		p.watch.close()
	}
	err := p.doors.close()
	if p.copies != nil {
		err = errors.Join(err, p.copies.close())
	}
	for _, m := range []*ebpf.Map{p.maps.Flows, p.maps.Exits, p.maps.Counts, p.maps.Ring} {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
	}
	if p.maps.Relay != nil {
		err = errors.Join(err, p.maps.Relay.Close())
	}
	if p.routes != nil {
		p.routes.Close()
	}
	return err
}

// changed follows the host's links, addresses and routes.
func (p *Path) changed() {
	if err := p.doors.attach(); err != nil {
		p.log.Warn("media fast path: interfaces", "err", err)
	}
	if err := p.exits.refresh(); err != nil {
		p.log.Warn("media fast path: routes", "err", err)
	}
}

// Describe names how and where the program is attached, as "tcx on eth0, eth1".
func (p *Path) Describe() string { return p.doors.describe() }

// Now is the monotonic clock that Flow.Epoch is of.
func Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("fastpath: no monotonic clock: " + err.Error()) // it exists on every Linux
	}
	return time.Duration(t.Nano())
}

// copies reads the ring.
type copies struct {
	reader  *ringbuf.Reader
	told    func(Copied)
	flows   atomic.Int64 // with Copy
	drained chan chan struct{}
	done    chan struct{}
}

// readEvery is how long copies wait in the ring at most.
const readEvery = 10 * time.Millisecond

func newCopies(ring *ebpf.Map, told func(Copied)) (*copies, error) {
	reader, err := ringbuf.NewReader(ring)
	if err != nil {
		return nil, err
	}
	c := &copies{reader: reader, told: told, drained: make(chan chan struct{}, 1), done: make(chan struct{})}
	go c.read()
	return c, nil
}

// read looks into the ring every few milliseconds while anything is copied, and
// sleeps otherwise.
func (c *copies) read() {
	defer close(c.done)
	var record ringbuf.Record
	for {
		if c.flows.Load() > 0 {
			c.reader.SetDeadline(time.Now().Add(readEvery))
		} else {
			c.reader.SetDeadline(time.Time{})
		}
		err := c.reader.ReadInto(&record)
		for err == nil {
			if packet, ok := copied(record.RawSample); ok {
				c.told(packet)
			}
			err = c.reader.ReadInto(&record)
		}
		if errors.Is(err, os.ErrClosed) {
			return
		}
		select {
		case waits := <-c.drained:
			close(waits)
		default:
		}
	}
}

// drain returns when all that was in the ring has been told.
func (c *copies) drain() {
	waits := make(chan struct{})
	select {
	case c.drained <- waits:
	case <-c.done:
		return
	}
	// The reader ends each round at a flush; the one that takes the request may be
	// under way since before, so that one more round is asked for.
	for {
		if c.reader.Flush() != nil {
			return
		}
		select {
		case <-waits:
			return
		case <-c.done:
			return
		case <-time.After(readEvery):
		}
	}
}

func (c *copies) close() error {
	err := c.reader.Close()
	<-c.done
	return err
}
