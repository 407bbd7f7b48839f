package relay

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/tollbook/tollbook/media/fastpath"
)

// fast is the kernel's fast path as the engine uses it. Each side's direction is
// a flow of its own, given to the kernel once both ends are sure and an ordinary
// packet has passed here. The meter goes with it and comes back with it: while
// the kernel has a flow, its figures are the ones that count.
//
// One rule takes flows back: whatever changes or ends a call, and any packet of
// the far end's that reaches the socket all the same, since the kernel leaves to
// us what is out of the ordinary. A second later it may go again.
type fast struct {
	path   *fastpath.Path
	engine *Engine
	epoch  time.Duration // the engine's start on the fast path's clock
	offers chan offer
	done   chan struct{}
	ended  sync.WaitGroup

	mu   sync.Mutex
	tags map[uint64]*Call // of calls whose packets are copied for a tap
	last uint64
}

// offer is a direction that may go to the kernel, and the payload type it has.
type offer struct {
	call *Call
	side Side
	kind uint8
}

// aloft is what a leg knows of its far end's flow.
type aloft struct {
	on     bool
	copied bool
	key    fastpath.Key
	since  time.Duration // when it went up
	again  time.Duration // it is not offered before
}

const (
	// offerAgain is how long a flow that came back stays here at least.
	offerAgain = time.Second
	// offerLater is when one that was refused is offered again.
	offerLater = 20 * time.Second
	// straggling is how long a packet that came before its flow went up may take from
	// the socket to here. It says nothing against the flow.
	straggling = 10 * time.Millisecond
	mostOffers = 1024
)

// openFast adds the fast path to an engine whose transport is open.
func (e *Engine) openFast() error {
	f := &fast{
		engine: e, epoch: fastpath.Now() - e.now(), offers: make(chan offer, mostOffers),
		done: make(chan struct{}), tags: make(map[uint64]*Call),
	}
	var flows int
	var addresses []netip.Addr
	for _, p := range e.pools {
		flows += p.total()
		addresses = append(addresses, p.addr)
	}
	var err error
	f.path, err = fastpath.Open(fastpath.Config{
		Interfaces: e.config.Interfaces, Addresses: addresses, MaxFlows: flows, Copied: f.copied, Log: e.config.Log,
	})
	if err != nil {
		return err
	}
	e.fast = f
	f.ended.Go(f.insert)
	return nil
}

func (f *fast) close(log *slog.Logger) {
	close(f.done)
	f.ended.Wait()
	if err := f.path.Close(); err != nil {
		log.Warn("media fast path closes", "err", err)
	}
}

// offer tells of a relayed packet of a side's far end; the call's mutex is held.
// It costs two comparisons for most packets.
func (f *fast) offer(c *Call, side Side, now time.Duration) {
	in := &c.legs[side]
	if in.aloft.on || now < in.aloft.again || !c.mayFly(side, c.header.PayloadType) {
		return
	}
	in.aloft.again = now + offerAgain
	select {
	case f.offers <- offer{c, side, c.header.PayloadType}:
	default: // so many at once: in a second, then
	}
}

// comfortNoise is RFC 3389's static payload type, which many send unasked.
const comfortNoise = 13

// mayFly says whether packets of a side's far end may be the kernel's business:
// both ends are plain, sure and of one family, and the stream is settled.
func (c *Call) mayFly(side Side, kind uint8) bool {
	in, out := &c.legs[side], &c.legs[side.other()]
	for _, l := range []*leg{in, out} {
		if !l.known || l.secured || l.remote.Latch && !l.mediaLatched || l.local.Addr().IsUnspecified() || !reachable(l.media) {
			return false
		}
	}
	if in.media.Addr().Is4() != out.media.Addr().Is4() {
		return false
	}
	if in.remote.Opaque {
		return in.meter.packets > 1
	}
	m := &in.meter
	return m.unique > 1 && m.expectAt < 0 && m.timed &&
		(kind == comfortNoise || c.negotiated(side, kind) && speech(m.lookup(kind)))
}

// insert gives flows to the kernel, apart from the workers: it may have to ask
// for a route.
func (f *fast) insert() {
	for {
		select {
		case <-f.done:
			return
		case o := <-f.offers:
			if err := f.take(o); err != nil {
				f.engine.config.Log.Debug("media stays in user space", "call", o.call.id, "side", o.side.String(), "err", err)
			}
		}
	}
}

func (f *fast) take(o offer) error {
	c := o.call
	c.mu.Lock()
	defer c.mu.Unlock()
	in := &c.legs[o.side]
	if c.closed || in.aloft.on || !c.mayFly(o.side, o.kind) {
		return nil
	}
	flow := c.flow(o.side, o.kind, f.epoch)
	if flow.Copy {
		flow.Tag = f.tag(c)<<1 | uint64(o.side)
	}
	if err := f.path.Insert(flow); err != nil {
		// What cannot be now may be later, but to ask for routes costs something.
		in.aloft.again = f.engine.now() + offerLater
		return err
	}
	in.aloft = aloft{on: true, copied: flow.Copy, key: flow.Key, since: f.engine.now()}
	return nil
}

// flow describes a direction for the kernel.
func (c *Call) flow(side Side, kind uint8, epoch time.Duration) fastpath.Flow {
	in, out := &c.legs[side], &c.legs[side.other()]
	f := fastpath.Flow{
		Key:  fastpath.Key{Local: in.local, Source: in.media},
		From: out.local, To: out.media,
		Opaque: in.remote.Opaque, SSRC: in.meter.ssrc, Copy: c.tap != nil, Epoch: epoch, Meter: in.meter.lend(kind),
	}
	if f.Opaque {
		return f
	}
	add := func(t PayloadType) {
		for _, have := range f.Formats {
			if have.Number == t.Number {
				return
			}
		}
		if len(f.Formats) < fastpath.MaxFormats {
			f.Formats = append(f.Formats, fastpath.Format{Number: t.Number, Clock: t.ClockRate, Speech: speech(t)})
		}
	}
	add(in.meter.lookup(kind))
	add(in.meter.lookup(comfortNoise))
	for _, t := range in.meter.table {
		// Events (RFC 4733) come here, to be seen.
		if t = in.meter.lookup(t.Number); speech(t) {
			add(t)
		}
	}
	return f
}

// tag is the number that a call's copies are named by.
func (f *fast) tag(c *Call) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.tag == 0 {
		f.last++
		c.tag = f.last
		f.tags[c.tag] = c
	}
	return c.tag
}

func (f *fast) forget(c *Call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tags, c.tag)
}

// copied gives a packet that the kernel relayed to its call's tap.
func (f *fast) copied(packet fastpath.Copied) {
	f.mu.Lock()
	c := f.tags[packet.Tag>>1]
	f.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tap != nil {
		c.tapped(Side(packet.Tag&1), false, packet.Payload, packet.Source, packet.At)
	}
}

// ground takes a side's flow back; the call's mutex is held.
func (c *Call) ground(side Side, now time.Duration) {
	l := &c.legs[side]
	if !l.aloft.on {
		return
	}
	l.aloft.on, l.aloft.again = false, now
	if now-l.aloft.since > straggling {
		l.aloft.again = now + offerAgain
	}
	m, err := c.engine.fast.path.Remove(l.aloft.key)
	if err != nil {
		c.engine.config.Log.Error("media flow is lost", "call", c.id, "side", side.String(), "err", err)
		return
	}
	c.absorb(side, m)
}

// groundBoth takes both flows back before something changes; the call's mutex is
// held.
func (c *Call) groundBoth() {
	if c.engine.fast == nil {
		return
	}
	now := c.engine.now()
	c.ground(A, now)
	c.ground(B, now)
}

// land takes both flows back and waits until a tap has heard what was copied: some
// milliseconds at most. The call's mutex is not held.
func (c *Call) land() {
	if c.engine.fast == nil {
		return
	}
	c.mu.Lock()
	copies := false
	for i := range c.legs {
		copies = copies || c.legs[i].aloft.on && c.legs[i].aloft.copied
	}
	c.groundBoth()
	c.mu.Unlock()
	if copies {
		c.engine.fast.path.Drain()
	}
}

// sync reads the figures of both flows; the call's mutex is held.
func (c *Call) sync() {
	for side := range c.legs {
		l := &c.legs[side]
		if !l.aloft.on {
			continue
		}
		m, err := c.engine.fast.path.Read(l.aloft.key)
		if err != nil && !errors.Is(err, fastpath.ErrFlow) {
			c.engine.config.Log.Error("media flow cannot be read", "call", c.id, "err", err)
		}
		if err == nil {
			c.absorb(Side(side), m)
		}
	}
}

// absorb makes the kernel's figures the leg's. What was received since was sent.
func (c *Call) absorb(side Side, m fastpath.Meter) {
	in, out := &c.legs[side], &c.legs[side.other()]
	packets, bytes := m.Packets-in.meter.packets, m.Bytes-in.meter.bytes
	out.sentPackets += packets
	out.sentBytes += bytes
	in.fastPackets += packets
	in.meter.regain(m)
}

// lend gives the figures of the stream that goes on to the kernel.
func (m *meter) lend(kind uint8) fastpath.Meter {
	f := fastpath.Meter{
		Packets: m.packets, Bytes: m.bytes, Last: m.last, Longest: m.longest,
		Duplicates: m.duplicates, Reordered: m.reordered, Gaps: m.gaps,
		Base: m.base, Highest: m.highest, Window: m.window, Unique: m.unique,
		Jitter16: m.jitter16, Worst: uint64(m.worst / time.Microsecond),
		Sum: uint64(m.summed / time.Microsecond), Terms: m.estimates,
		Clock: m.clock, Transit: m.transit, Timestamp: m.timestamp, Type: uint32(kind), Voice: uint32(m.voice),
	}
	if m.timed {
		f.Timed = 1
	}
	return f
}

// regain is the reverse.
func (m *meter) regain(f fastpath.Meter) {
	m.packets, m.bytes, m.last, m.longest = f.Packets, f.Bytes, f.Last, f.Longest
	m.duplicates, m.reordered, m.gaps = f.Duplicates, f.Reordered, f.Gaps
	m.base, m.highest, m.window, m.unique = f.Base, f.Highest, f.Window, f.Unique
	m.jitter16, m.worst = f.Jitter16, time.Duration(f.Worst)*time.Microsecond
	m.clock, m.transit, m.timestamp, m.timed = f.Clock, f.Transit, f.Timestamp, f.Timed != 0
	m.voice = uint8(f.Voice)
	m.summed, m.estimates = time.Duration(f.Sum)*time.Microsecond, f.Terms
	if m.clock != 0 {
		m.jitter = time.Duration(m.jitter16>>4*1_000_000/uint64(m.clock)) * time.Microsecond
	}
}
