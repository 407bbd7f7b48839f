//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Insert gives a flow to the kernel. Errors: ErrFull, ErrRoute, ErrFlow.
func (p *Path) Insert(f Flow) error {
	if f.Copy && p.copies == nil {
		return errors.New("fastpath: insert: nobody is told of copies")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, there := p.flows[f.Key]; there {
		return fmt.Errorf("fastpath: insert: %w", ErrFlow)
	}
	if len(p.flows) >= p.config.MaxFlows {
		p.refused.Add(1)
		return fmt.Errorf("fastpath: insert: %w: %d flows", ErrFull, p.config.MaxFlows)
	}
	way := pair{from: f.From.Addr(), to: f.To.Addr()}
	exit, err := p.exits.take(way)
	if err != nil {
		return fmt.Errorf("fastpath: insert: %w", err)
	}
	if err := p.maps.Flows.Update(f.Key.raw(), f.raw(exit), ebpf.UpdateNoExist); err != nil {
		p.exits.put(way)
		if errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOMEM) {
			p.refused.Add(1)
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return fmt.Errorf("fastpath: insert: %w", err)
	}
	p.flows[f.Key] = entry{exit: way, copy: f.Copy}
	if f.Copy && p.copies.flows.Add(1) == 1 {
		if err := p.copies.reader.Flush(); err != nil {
			p.log.Warn("media fast path: ring", "err", err)
		}
	}
	return nil
}

// Remove takes a flow back and returns its final figures: its packets go to the
// socket from now on. Errors: ErrFlow.
func (p *Path) Remove(k Key) (Meter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, there := p.flows[k]
	if !there {
		return Meter{}, fmt.Errorf("fastpath: remove: %w", ErrFlow)
	}
	delete(p.flows, k)
	p.exits.put(e.exit)
	if e.copy {
		p.copies.flows.Add(-1)
	}
	var f rawFlow
	if err := p.maps.Flows.LookupAndDeleteWithFlags(k.raw(), &f, ebpf.LookupLock); err != nil {
		return Meter{}, fmt.Errorf("fastpath: remove: %w: %w", ErrFlow, err)
	}
	return f.Meter, nil
}

// Read returns a flow's figures so far. Errors: ErrFlow.
func (p *Path) Read(k Key) (Meter, error) {
	var f rawFlow
	if err := p.maps.Flows.LookupWithFlags(k.raw(), &f, ebpf.LookupLock); err != nil {
		return Meter{}, fmt.Errorf("fastpath: read: %w: %w", ErrFlow, err)
	}
	return f.Meter, nil
}

// eachBatch is how many flows are read by one system call.
const eachBatch = 512

// Each visits all flows with their figures, many with each system call. Flows
// that come and go meanwhile may be missed or visited twice.
func (p *Path) Each(visit func(Key, Meter)) error {
	keys, values := make([]rawKey, eachBatch), make([]rawFlow, eachBatch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := p.maps.Flows.BatchLookup(&cursor, keys, values, &ebpf.BatchOptions{ElemFlags: uint64(ebpf.LookupLock)})
		for i := range n {
			visit(keys[i].key(), values[i].Meter)
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fastpath: read all flows: %w", err)
		}
	}
}

// Drain waits until Config.Copied has been told all packets that were copied
// before.
func (p *Path) Drain() {
	if p.copies != nil {
		p.copies.drain()
	}
}

// Totals are the counters since Open.
func (p *Path) Totals() Totals {
	var sum [counts]uint64
	var perCPU []uint64
	for i := range uint32(counts) {
		if err := p.maps.Counts.Lookup(i, &perCPU); err != nil {
			continue // closed: zero is what there is
		}
		for _, n := range perCPU {
			sum[i] += n
		}
	}
	p.mu.Lock()
	flows := len(p.flows)
	p.mu.Unlock()
	return Totals{
		Packets: sum[countRelayed], Bytes: sum[countBytes], Failed: sum[countFailed],
		Up: Up{
			Shape: sum[countShape], Hops: sum[countHops], Length: sum[countLength],
			Format: sum[countFormat], Sequence: sum[countSequence], Unrouted: sum[countUnrouted],
		},
		Copied: sum[countCopied], Uncopied: sum[countUncopied],
		Flows: uint64(flows), Refused: p.refused.Load(),
	}
}
