package relay

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ioUring is a transport of Linux from 6.1 on: a few threads, each with an io_uring.
// A socket is told once to receive all that comes; what is sent goes to the kernel
// by the batch, with the call that waits for more.
type ioUring struct {
	engine  *Engine
	workers []*ringWorker
	running sync.WaitGroup
}

// ringWorker serves the sockets of its shard. All below mu is its own thread's.
type ringWorker struct {
	engine *Engine
	bell   bell

	mu      sync.Mutex
	opening []*pair
	closing []closing
	ending  bool
	ended   bool

	ring    *ring
	in      *buffers
	out     []byte        // a place for each entry of the submission ring: address and packet
	header  *unix.Msghdr  // of all that is received
	sockets []*ringSocket // by user data; nil while free
	unused  []uint32
	now     time.Duration
	packets int // that came since it last waited
	pairs   int
}

// ringSocket is a bound descriptor.
type ringSocket struct {
	worker *ringWorker
	fd     int
	port   *port
	slot   uint32
	known  bool // to the ring, by its slot
	// closing is set while the end of its receiving is waited for.
	closing *closing
}

const (
	ringEntries     = 256
	ringCompletions = 4096
	ringBuffers     = 1024
	// Packets that come less than busyRing apart are gathered for ringGather, and for
	// fullGather where more than full come in a second: a processor that has no rest
	// serves more of them for each time that it wakes up.
	busyRing   = time.Millisecond
	ringGather = 300 * time.Microsecond
	fullGather = 700 * time.Microsecond
	full       = 70_000
	// ringTable bounds the descriptors that a ring knows.
	ringTable = 1 << 16
	// ringHeader is io_uring_recvmsg_out and the address behind it.
	ringHeader = 16 + unix.SizeofSockaddrInet6
	// ringAddress is where the packet begins in an outgoing place; sealed packets are
	// longer than those that came.
	ringAddress = 32
	ringPlace   = ringAddress + maxPacket + 224
)

// What a completion is of: the upper half of its user data. The lower one is a slot;
// a sent packet's length is between them.
const (
	ofBell uint64 = iota
	ofReceive
	ofSend
	ofCancel
	kindShift = 56
	sizeShift = 32
)

func newIOUring(e *Engine) (*ioUring, error) {
	t := &ioUring{engine: e}
	for range e.config.Workers {
		w := &ringWorker{engine: e}
		var err error
		if w.bell, err = newBell(); err != nil {
			t.stop()
			return nil, err
		}
		opened := make(chan error, 1)
		t.running.Go(func() { w.run(opened) })
		if err := <-opened; err != nil {
			w.bell.close()
			t.stop()
			return nil, err
		}
		t.workers = append(t.workers, w)
	}
	return t, nil
}

func (t *ioUring) shards() int { return len(t.workers) }

func (t *ioUring) open(p *pair) error {
	w := t.workers[p.shard]
	for i := range p.sockets {
		fd, err := bindFD(p.addr(i))
		if err != nil {
			if i == 1 {
				unix.Close(p.sockets[0].(*ringSocket).fd)
			}
			return err
		}
		p.sockets[i] = &ringSocket{worker: w, fd: fd, port: &p.ports[i]}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ending {
		for _, s := range p.sockets {
			unix.Close(s.(*ringSocket).fd)
		}
		return ErrClosed
	}
	w.opening = append(w.opening, p)
	w.bell.ring()
	return nil
}

func (t *ioUring) close(p *pair, done func()) {
	w := t.workers[p.shard]
	w.mu.Lock()
	ended := w.ended
	if !ended {
		w.closing = append(w.closing, closing{p, done})
		w.bell.ring()
	}
	w.mu.Unlock()
	if ended {
		for _, s := range p.sockets {
			unix.Close(s.(*ringSocket).fd)
		}
		done()
	}
}

func (t *ioUring) stop() {
	for _, w := range t.workers {
		w.mu.Lock()
		w.ending = true
		w.mu.Unlock()
		w.bell.ring()
	}
	t.running.Wait()
	for _, w := range t.workers {
		w.bell.close()
	}
}

// prepare makes what the worker needs, on its thread.
func (w *ringWorker) prepare() (err error) {
	if w.ring, err = newRing(ringEntries, ringCompletions); err != nil {
		return err
	}
	if w.in, err = w.ring.bufferRing(ringBuffers, ringHeader+maxPacket+1); err != nil {
		return err
	}
	if w.out, err = anonymous(ringEntries * ringPlace); err != nil {
		return err
	}
	w.ring.knowFiles(ringTable)
	w.header = &unix.Msghdr{Namelen: unix.SizeofSockaddrInet6}
	return nil
}

// release gives it back. Closing the ring ends all that it still does.
func (w *ringWorker) release() {
	if w.ring != nil {
		w.ring.close()
	}
	if w.in != nil {
		w.in.free()
	}
	if w.out != nil {
		_ = unix.Munmap(w.out) // it was mapped
	}
}

// run is the loop of one thread.
func (w *ringWorker) run(opened chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer w.release()
	err := w.prepare()
	opened <- err
	if err != nil {
		return
	}
	w.listen()
	var gather time.Duration
	for {
		if err := w.ring.submit(true, gather); err != nil {
			panic("relay: " + err.Error()) // the ring is ours and the arguments are right
		}
		last := w.now
		w.now = w.engine.now()
		w.packets = 0
		w.ring.completed(w.completion)
		gather = gathering(w.packets, w.now-last)
		if w.over() {
			return
		}
	}
}

// gathering is how long the next packets are gathered, after so many came in a time.
func gathering(packets int, within time.Duration) time.Duration {
	switch {
	case within >= busyRing:
		return 0
	case int64(packets)*int64(time.Second) > full*int64(within):
		return fullGather
	default:
		return ringGather
	}
}

// on names the socket in an entry.
func (s *ringSocket) on(e *sqe, flags uint8) {
	if e.flags, e.fd = flags, int32(s.fd); s.known {
		e.flags, e.fd = flags|sqeFixedFile, int32(s.slot)
	}
}

// over tells that the worker is to end and that nothing is open.
func (w *ringWorker) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = w.ending && w.pairs == 0 && len(w.opening) == 0 && len(w.closing) == 0
	return w.ended
}

// entry is the next place of the submission ring, emptied if need be.
func (w *ringWorker) entry() (*sqe, uint32) {
	for {
		if e, i := w.ring.next(); e != nil {
			return e, i
		}
		if err := w.ring.submit(false, 0); err != nil {
			panic("relay: " + err.Error())
		}
	}
}

// listen has the bell heard.
func (w *ringWorker) listen() {
	e, _ := w.entry()
	e.op, e.fd, e.len, e.opFlags = opPollAdd, int32(w.bell.fd), pollMultishot, unix.POLLIN
	e.userData = ofBell << kindShift
}

// receive has a socket's datagrams received.
func (w *ringWorker) receive(s *ringSocket) {
	e, _ := w.entry()
	s.on(e, sqeBufferSelect)
	e.op, e.ioprio = opRecvMsg, receiveMultishot
	e.addr, e.len = uint64(uintptr(unsafe.Pointer(w.header))), 1
	e.userData = ofReceive<<kindShift | uint64(s.slot)
}

func (w *ringWorker) completion(c cqe) {
	slot := uint32(c.userData)
	switch c.userData >> kindShift {
	case ofBell:
		if c.flags&cqeMore == 0 {
			w.listen()
		}
		w.bell.answer()
		w.openAndClose()
	case ofReceive:
		s := w.sockets[slot]
		if c.flags&cqeBuffer != 0 {
			w.received(s, uint16(c.flags>>16), c.res)
		}
		if c.flags&cqeMore != 0 {
			return
		}
		if s.closing != nil {
			w.closed(s)
			return
		}
		w.receive(s) // the buffers had run out
	case ofSend: // only what failed
		if s := w.sockets[slot]; s != nil {
			w.engine.unsent(s.port, c.userData>>sizeShift&0xffffff)
		}
	}
}

// received takes one datagram: the lengths, the address, the packet.
func (w *ringWorker) received(s *ringSocket, id uint16, res int32) {
	w.packets++
	buffer := w.in.at(id)
	if res >= ringHeader {
		size := binary.NativeEndian.Uint32(buffer[8:])
		end := min(ringHeader+int(size), int(res))
		from := decode((*unix.RawSockaddrInet6)(unsafe.Pointer(&buffer[16])))
		w.engine.deliver(s.port, buffer[ringHeader:end], from, w.now)
	}
	w.in.give(id)
}

// errTooLong means that a packet does not fit into a place for outgoing ones.
var errTooLong = errors.New("packet too long")

// send puts a packet into the next batch. Only the worker's thread delivers what
// comes to its sockets, and so sends.
func (s *ringSocket) send(packet []byte, to netip.AddrPort) error {
	if len(packet) > ringPlace-ringAddress {
		return errTooLong
	}
	e, i := s.worker.entry()
	place := s.worker.out[i*ringPlace : (i+1)*ringPlace]
	s.on(e, sqeSkipSuccess)
	e.op = opSend
	e.addrLen = uint16(encode((*unix.RawSockaddrInet6)(unsafe.Pointer(&place[0])), to))
	e.addr2 = uint64(uintptr(unsafe.Pointer(&place[0])))
	e.addr = uint64(uintptr(unsafe.Pointer(&place[ringAddress])))
	e.len = uint32(copy(place[ringAddress:], packet))
	e.opFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL // done at once, and the place is free
	e.userData = ofSend<<kindShift | uint64(len(packet))<<sizeShift | uint64(s.slot)
	return nil
}

// openAndClose does what other threads have asked for.
func (w *ringWorker) openAndClose() {
	w.mu.Lock()
	opening, closing := w.opening, w.closing
	w.opening, w.closing = nil, nil
	w.mu.Unlock()
	for _, p := range opening {
		w.pairs++
		for _, one := range p.sockets {
			s := one.(*ringSocket)
			if n := len(w.unused); n > 0 {
				s.slot, w.unused = w.unused[n-1], w.unused[:n-1]
				w.sockets[s.slot] = s
			} else {
				s.slot = uint32(len(w.sockets))
				w.sockets = append(w.sockets, s)
			}
			s.known = w.ring.know(s.slot, s.fd)
			w.receive(s)
		}
	}
	for i := range closing {
		for _, one := range closing[i].pair.sockets {
			s := one.(*ringSocket)
			s.closing = &closing[i]
			e, _ := w.entry()
			e.op, e.flags, e.fd = opAsyncCancel, sqeSkipSuccess, -1
			e.addr, e.userData = ofReceive<<kindShift|uint64(s.slot), ofCancel<<kindShift
		}
	}
}

// closed ends a socket that receives no more.
func (w *ringWorker) closed(s *ringSocket) {
	if s.known {
		w.ring.know(s.slot, -1) // or it would go on to have the port
	}
	unix.Close(s.fd)
	w.sockets[s.slot] = nil
	w.unused = append(w.unused, s.slot)
	s.fd = -1
	for _, other := range s.closing.pair.sockets {
		if other.(*ringSocket).fd != -1 {
			return
		}
	}
	w.pairs--
	s.closing.done()
}
