package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// drainTimeout bounds one attempt to publish the spool's oldest block; for as
// long new events wait to become durable in the spool.
const drainTimeout = 500 * time.Millisecond

// run commits blocks until the log is closed and empty, or fails.
func (l *Log) run() {
	defer close(l.ended)
	for {
		if !l.drain() {
			return
		}
		p := l.held
		if l.held = nil; p == nil {
			p = l.take(l.spooled() == 0 || l.hard.Err() != nil)
		}
		switch {
		case p != nil:
			l.commit(p)
		case l.finished():
			return
		}
	}
}

// take gives the next block to be. It waits for one if told so, until the log
// is closed.
func (l *Log) take(wait bool) *pending {
	for {
		l.mu.Lock()
		early := l.opts.Pace - time.Since(l.lastCut)
		if len(l.queue) > 0 && (l.lastEvents < loadEvents && early <= 0 || l.queue[0].size >= loadBytes || l.closing) {
			p := l.queue[0]
			l.queue = l.queue[1:]
			l.inflight = p
			l.lastCut = time.Now()
			l.mu.Unlock()
			return p
		}
		linger := len(l.queue) > 0
		closing := l.closing
		l.mu.Unlock()
		switch {
		case linger:
			l.lastEvents = 0
			time.Sleep(max(l.opts.Linger, early))
		case !wait || closing:
			return nil
		default:
			<-l.wake
		}
	}
}

// finished says whether the goroutine's work is done: closed, nothing queued,
// and the spool empty or left to the next start.
func (l *Log) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed != nil || l.closing && len(l.queue) == 0
}

func (l *Log) spooled() int {
	if l.spool == nil {
		return 0
	}
	return len(l.spool.blocks)
}

// commit makes one block durable: in the stream, else in the spool.
func (l *Log) commit(p *pending) {
	doubt := p.draft != nil
	if !doubt {
		d, err := l.tail.draft(l.opts.Journal, l.opts.Node, l.opts.Now(), l.epoch, p.events)
		if err != nil { // The limits were checked when it was queued.
			l.fail(p, fmt.Errorf("log to %s: %w", l.opts.Journal, err))
			return
		}
		p.draft = &d
	}
	d := *p.draft
	for l.spooled() == 0 && l.hard.Err() == nil {
		ctx, cancel := context.WithTimeout(l.hard, l.opts.SpoolAfter)
		seq, err := settle(ctx, l.store, l.acked.Sequence, d, doubt)
		cancel()
		switch {
		case err == nil:
			l.done(p, d, seq)
			return
		case !errors.Is(err, ErrInDoubt):
			l.fail(p, fmt.Errorf("log to %s: %w", l.opts.Journal, err))
			return
		case l.spool != nil:
			l.toSpool(p, d)
			return
		case errors.Is(err, ErrStoreClosed):
			l.fail(p, fmt.Errorf("log to %s: %w", l.opts.Journal, err))
			return
		}
		doubt = true
	}
	if l.spool == nil {
		l.fail(p, fmt.Errorf("log to %s: the store did not commit before the end: %w", l.opts.Journal, ErrInDoubt))
		return
	}
	l.toSpool(p, d)
}

// done resolves a block that is in the stream.
func (l *Log) done(p *pending, d draft, seq uint64) {
	c := d.committed(seq)
	l.acked, l.tail = c.Cursor, c.Cursor
	l.lastEvents = c.Events
	l.resolve(p, c)
	l.remember()
}

// remember writes the head of the last committed block.
func (l *Log) remember() {
	if err := l.opts.Heads.Record(l.store.Name(), l.opts.Journal, l.acked); err != nil {
		l.fail(nil, fmt.Errorf("log to %s: %w", l.opts.Journal, err))
	}
}

// toSpool makes a block durable in the spool. When that is full the block waits,
// and with it, by the bounded queue, those who append.
func (l *Log) toSpool(p *pending, d draft) {
	err := l.spool.add(d)
	if errors.Is(err, errSpoolFull) && l.hard.Err() == nil {
		l.held = p
		return
	}
	if err != nil {
		l.fail(p, fmt.Errorf("log to %s: spool: %w", l.opts.Journal, err))
		return
	}
	c := d.committed(0)
	c.Spooled = true
	l.tail = c.Cursor
	l.resolve(p, c)
}

// drain publishes what the spool holds, oldest first. It is false when the log
// has ended.
func (l *Log) drain() bool {
	for l.spooled() > 0 && l.hard.Err() == nil {
		d := l.spool.blocks[0]
		ctx, cancel := context.WithTimeout(l.hard, drainTimeout)
		seq, err := settle(ctx, l.store, l.acked.Sequence, d, true)
		cancel()
		if errors.Is(err, ErrInDoubt) {
			if errors.Is(err, ErrStoreClosed) {
				l.stop() // Nothing will come of it: what is queued goes to the spool.
			}
			break
		}
		if err == nil {
			err = l.spool.pop()
		}
		if err != nil {
			l.fail(nil, fmt.Errorf("log to %s: publish the spool: %w", l.opts.Journal, err))
			return false
		}
		l.acked = d.committed(seq).Cursor
		if l.spooled() == 0 {
			l.tail = l.acked
		}
		l.remember()
		l.mu.Lock()
		l.stats.End, l.stats.Spooled = l.acked, l.spooled()
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed == nil
}

// resolve tells those who wait that their block is durable.
func (l *Log) resolve(p *pending, c Committed) {
	p.committed = c
	l.mu.Lock()
	l.waiting -= p.size
	l.inflight = nil
	l.stats.Blocks++
	l.stats.Events += uint64(c.Events)
	l.stats.End, l.stats.Spooled = l.acked, l.spooled()
	l.announce()
	l.mu.Unlock()
	close(p.done)
}

// announce wakes those who wait for space.
func (l *Log) announce() {
	close(l.space)
	l.space = make(chan struct{})
}

// fail ends the log: the block p and all that is queued are lost, and those who
// wait are told so.
func (l *Log) fail(p *pending, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
	lost := l.queue
	if l.held != nil {
		lost = append([]*pending{l.held}, lost...)
	}
	if p != nil {
		lost = append([]*pending{p}, lost...)
	}
	l.queue, l.held, l.inflight, l.waiting = nil, nil, nil, 0
	for _, q := range lost {
		q.err = l.failed
		close(q.done)
	}
	l.announce()
}
