package relay

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// epoll is the transport of Linux: a few threads, each with an epoll instance.
type epoll struct {
	engine  *Engine
	workers []*worker
	next    atomic.Uint32
	running sync.WaitGroup
}

// worker serves the sockets of its calls. Slots are named in epoll's data by
// index and generation, so an event that was fetched before its socket was
// closed is recognised even when the slot serves another call by then.
type worker struct {
	engine *Engine
	epfd   int
	wake   int // eventfd, written once to end the loop

	mu    sync.Mutex
	slots []slot
	free  []uint32
}

type slot struct {
	generation uint32
	at         *rawSocket // nil while free
}

// eventBatch is how many sockets are served per epoll_wait.
const eventBatch = 128

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
	return t, nil
}

func newWorker(e *Engine) (*worker, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epfd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	w := &worker{engine: e, epfd: epfd, wake: wake, slots: make([]slot, 1)}
	// Slot 0 stays empty: its event means that the worker is to end.
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wake, &event); err != nil {
		unix.Close(epfd)
		unix.Close(wake)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return w, nil
}

func (t *epoll) start(s socket, p *port) error {
	raw := s.(*rawSocket)
	raw.port = p
	// All sockets of a call go to one worker, so that its mutex is rarely
	// contended.
	if p.call.shard == 0 {
		p.call.shard = t.next.Add(1)%uint32(len(t.workers)) + 1
	}
	return t.workers[p.call.shard-1].add(raw)
}

func (t *epoll) stop() {
	for _, w := range t.workers {
		one := [8]byte{0: 1, 7: 1} // not zero in either byte order
		if _, err := unix.Write(w.wake, one[:]); err != nil {
			panic("relay: an eventfd takes no number: " + err.Error())
		}
	}
	t.running.Wait()
	for _, w := range t.workers {
		unix.Close(w.wake)
		unix.Close(w.epfd)
	}
}

func (w *worker) add(s *rawSocket) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var i uint32
	if n := len(w.free); n > 0 {
		i, w.free = w.free[n-1], w.free[:n-1]
	} else {
		i = uint32(len(w.slots))
		w.slots = append(w.slots, slot{})
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i), Pad: int32(w.slots[i].generation)}
	if err := unix.EpollCtl(w.epfd, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
		w.free = append(w.free, i)
		return fmt.Errorf("epoll: %w", err)
	}
	w.slots[i].at, s.worker, s.slot = s, w, i
	return nil
}

func (w *worker) remove(i uint32) {
	w.mu.Lock()
	w.slots[i].at = nil
	w.slots[i].generation++
	w.free = append(w.free, i)
	w.mu.Unlock()
}

// run is the loop of one thread. The wait goes through the scheduler, since it
// blocks; the packet calls do not block and skip it.
func (w *worker) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	events := make([]unix.EpollEvent, eventBatch)
	ready := make([]*rawSocket, 0, eventBatch)
	buffer := make([]byte, maxPacket+1)
	for {
		n, err := unix.EpollWait(w.epfd, events, -1)
		if err != nil && err != unix.EINTR {
			w.engine.config.Log.Error("media worker ends", "err", err)
			return
		}
		ready = ready[:0]
		end := false
		w.mu.Lock()
		for _, event := range events[:max(n, 0)] {
			s := w.slots[event.Fd]
			if event.Fd == 0 {
				end = true
			} else if s.at != nil && s.generation == uint32(event.Pad) {
				ready = append(ready, s.at)
			}
		}
		w.mu.Unlock()
		if end {
			return
		}
		for _, s := range ready {
			w.serve(s, buffer)
		}
	}
}

// serve takes one datagram. Level triggering brings the socket back when there
// are more, which keeps one busy socket from starving the others and saves the
// read that would find an idle one empty.
func (w *worker) serve(s *rawSocket, buffer []byte) {
	call := s.port.call
	call.mu.Lock()
	defer call.mu.Unlock()
	if call.closed {
		return
	}
	n, from, ok := s.receive(buffer)
	if ok {
		call.take(s.port, buffer[:n], from, w.engine.now())
	}
}
