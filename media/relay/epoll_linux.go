package relay

import (
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the transport of Linux: a few threads, each with an epoll instance.
type epoll struct {
	engine  *Engine
	workers []*worker
	running sync.WaitGroup
	more    int // places for goroutines that the scheduler was given
}

// worker serves the sockets of its shard. It alone closes them, between two
// batches, so that an event names a socket that is still open.
type worker struct {
	engine *Engine
	epfd   int
	bell   bell

	mu      sync.Mutex
	slots   []*rawSocket // by epoll's data; nil while free
	unused  []uint32     // free ones
	closing []closing
	ending  bool // stop was called
	ended   bool // the loop is over
}

// closing is a pair that is to be closed, and who wants to know.
type closing struct {
	pair *pair
	done func()
}

// eventBatch is how many sockets are served per epoll_wait, and per reading of the
// clock.
const eventBatch = 128

// Packets that come less than busy apart are gathered: after what was ready is
// served the worker sleeps for a nap (to which Linux adds 50 µs of slack), so that
// fewer wake-ups serve more packets. It costs them some 150 µs, and saves a quarter
// of the processor's time at 500 calls.
const (
	busy = 250 * time.Microsecond
	nap  = 100 * time.Microsecond
)

func newEpoll(e *Engine) (*epoll, error) {
	t := &epoll{engine: e}
	for range e.config.Workers {
		w, err := newWorker(e)
		if err != nil {
			t.stop()
			return nil, err
		}
		t.workers = append(t.workers, w)
		t.running.Go(w.run)
	}
	t.makePlaces(len(t.workers))
	return t, nil
}

// makePlaces gives the scheduler as many more places for goroutines as there are workers:
// one that naps keeps its place, and others must not wait for it.
func (t *epoll) makePlaces(more int) {
	t.more += more
	runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)+more))
}

func newWorker(e *Engine) (*worker, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	w := &worker{engine: e, epfd: epfd, slots: make([]*rawSocket, 1)}
	if w.bell, err = newBell(); err != nil {
		unix.Close(epfd)
		return nil, err
	}
	// Slot 0 stays empty: its event is the bell's.
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, w.bell.fd, &event); err != nil {
		unix.Close(epfd)
		w.bell.close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return w, nil
}

func (t *epoll) shards() int { return len(t.workers) }

func (t *epoll) open(p *pair) error {
	bound, err := bindRaw(p)
	if err != nil {
		return err
	}
	w := t.workers[p.shard]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending {
		unix.Close(bound[0].fd)
		unix.Close(bound[1].fd)
		return ErrClosed
	}
	for _, s := range bound {
		w.place(s)
	}
	for _, s := range bound {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.slot)}
		if err = unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			// The worker may be reading the first one by now: closing is for it.
			w.closing = append(w.closing, closing{p, func() {}})
			w.bell.ring()
			return fmt.Errorf("epoll: %w", err)
		}
	}
	return nil
}

func (t *epoll) close(p *pair, done func()) {
	w := t.workers[p.shard]
	w.mu.Lock()
	w.closing = append(w.closing, closing{p, done})
	first, ended := len(w.closing) == 1, w.ended
	w.mu.Unlock()
	switch {
	case ended:
		w.closePairs()
	case first:
		w.bell.ring()
	}
}

func (t *epoll) stop() {
	for _, w := range t.workers {
		w.mu.Lock()
		w.ending = true
		w.mu.Unlock()
		w.bell.ring()
	}
	t.running.Wait()
	for _, w := range t.workers {
		unix.Close(w.epfd)
		w.bell.close()
	}
	t.makePlaces(-t.more)
}

// place gives a socket a slot.
func (w *worker) place(s *rawSocket) {
	if n := len(w.unused); n > 0 {
		s.slot, w.unused = w.unused[n-1], w.unused[:n-1]
	} else {
		s.slot = uint32(len(w.slots))
		w.slots = append(w.slots, nil)
	}
	w.slots[s.slot] = s
}

// remove ends the service of a socket. It is taken out of epoll by name, since
// closing does that only when no process that is being started has a copy.
func (w *worker) remove(s *rawSocket) {
	_ = unix.EpollCtl(w.epfd, unix.EPOLL_CTL_DEL, s.fd, nil) // fails only for what is not in it
	w.slots[s.slot] = nil
	w.unused = append(w.unused, s.slot)
}

// closePairs closes what is to be closed. False means that the worker is to end.
func (w *worker) closePairs() bool {
	w.mu.Lock()
	list := w.closing
	w.closing = nil
	for _, c := range list {
		for _, s := range c.pair.sockets {
			raw := s.(*rawSocket)
			if !w.ended {
				w.remove(raw)
			}
			unix.Close(raw.fd)
		}
	}
	if w.ending {
		w.ended = true
	}
	goOn := !w.ended
	w.mu.Unlock()
	for _, c := range list {
		c.done()
	}
	return goOn
}

// run is the loop of one thread. The wait goes through the scheduler, since it
// blocks; the packet calls do not block and skip it.
func (w *worker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, eventBatch)
	ready := make([]*rawSocket, 0, eventBatch)
	buffer := make([]byte, maxPacket+1)
	var last time.Duration
	for {
		n, err := unix.EpollWait(w.epfd, events, -1)
		if err != nil && err != unix.EINTR {
			// The descriptor is ours and the arguments are right.
			panic("relay: epoll_wait: " + err.Error())
		}
		ready = ready[:0]
		rung := false
		w.mu.Lock()
		for _, event := range events[:max(n, 0)] {
			if s := w.slots[event.Fd]; s != nil {
				ready = append(ready, s)
			} else {
				rung = true
			}
		}
		w.mu.Unlock()
		// Level triggering brings a socket back when there is more, which keeps a busy
		// one from starving the others and saves the read that would find it empty.
		now := w.engine.now()
		for _, s := range ready {
			if n, from, ok := s.receive(buffer); ok {
				w.engine.deliver(s.port, buffer[:n], from, now)
			}
		}
		if rung {
			w.bell.answer()
			if !w.closePairs() {
				return
			}
		}
		if n < eventBatch && now-last < busy {
			pause := unix.NsecToTimespec(int64(nap))
			// Past the scheduler: a nap that it knows of has its processor taken away, by a
			// thread that wakes up for that as often as we do. A signal only makes it shorter.
			_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		}
		last = now
	}
}
