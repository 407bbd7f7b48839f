package relay

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is one io_uring (io_uring(7)), as far as a worker needs it. It belongs to the
// thread that made it.
type ring struct {
	fd       int
	sqMemory []byte // the submission ring's indices
	cqMemory []byte // the completion ring
	sqes     []byte

	sqHead, sqTail, cqHead, cqTail *uint32
	sqMask, cqMask                 uint32
	cqes                           unsafe.Pointer
	tail                           uint32 // ours, ahead of *sqTail by what is not submitted
	submitted                      uint32
	waits                          bool // the kernel can gather completions
	longest                        unix.Timespec
	gathered                       ringWait
	table                          uint32 // how many descriptors the ring can know
}

// The parts of linux/io_uring.h that are used.
const (
	ringSetupCQSize      = 1 << 3
	ringSetupSubmitAll   = 1 << 7
	ringSetupSingle      = 1 << 12 // one thread submits
	ringSetupDeferred    = 1 << 13 // and completes, when it asks
	ringEnterGetEvents   = 1
	ringEnterWait        = 1 << 3  // with a ringWait
	ringCanGather        = 1 << 15 // from Linux 6.12 on
	ringRegisterUpdate   = 6       // descriptors in the table
	ringRegisterTable    = 13      // of descriptors
	ringRegisterBuffers  = 22      // a ring of buffers
	ringTableEmpty       = 1       // the table is to be filled later
	ringOffSQ, ringOffCQ = 0, 0x8000000
	ringOffSQEs          = 0x10000000

	opPollAdd, opRecvMsg, opAsyncCancel, opSend = 6, 10, 14, 26

	sqeFixedFile, sqeBufferSelect, sqeSkipSuccess = 1, 1 << 5, 1 << 6
	pollMultishot                                 = 1      // in len
	receiveMultishot                              = 1 << 1 // in ioprio
	cqeBuffer, cqeMore                            = 1, 2

	sqeSize, cqeSize = 64, 16
)

// ringParams is io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		_                                                           uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		_                                                           uint64
	}
}

// sqe is io_uring_sqe.
type sqe struct {
	op, flags    uint8
	ioprio       uint16
	fd           int32
	addr2        uint64
	addr         uint64
	len, opFlags uint32
	userData     uint64
	group, _     uint16
	addrLen, _   uint16
	_, _         uint64
}

// cqe is io_uring_cqe.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// ringWait is io_uring_getevents_arg.
type ringWait struct {
	mask            uint64
	maskSize, least uint32 // least is in µs
	longest         uint64
}

// newRing makes a ring with so many entries for submission and completion.
func newRing(entries, completions uint32) (*ring, error) {
	p := ringParams{
		flags:     ringSetupCQSize | ringSetupSubmitAll | ringSetupSingle | ringSetupDeferred,
		cqEntries: completions,
	}
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &ring{fd: int(fd), waits: p.features&ringCanGather != 0, longest: unix.Timespec{Sec: 1}}
	r.gathered.longest = uint64(uintptr(unsafe.Pointer(&r.longest)))
	if err := r.share(&p); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// share maps what is shared with the kernel.
func (r *ring) share(p *ringParams) error {
	for _, m := range []struct {
		to     *[]byte
		offset int64
		size   uint32
	}{
		{&r.sqMemory, ringOffSQ, p.sq.array + 4*p.sqEntries},
		{&r.cqMemory, ringOffCQ, p.cq.cqes + cqeSize*p.cqEntries},
		{&r.sqes, ringOffSQEs, sqeSize * p.sqEntries},
	} {
		memory, err := unix.Mmap(r.fd, m.offset, int(m.size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
		if err != nil {
			return fmt.Errorf("io_uring memory: %w", err)
		}
		*m.to = memory
	}
	r.sqHead, r.sqTail = word(r.sqMemory, p.sq.head), word(r.sqMemory, p.sq.tail)
	r.cqHead, r.cqTail = word(r.cqMemory, p.cq.head), word(r.cqMemory, p.cq.tail)
	r.sqMask, r.cqMask = *word(r.sqMemory, p.sq.ringMask), *word(r.cqMemory, p.cq.ringMask)
	r.cqes = unsafe.Pointer(&r.cqMemory[p.cq.cqes])
	for i := range p.sqEntries {
		*word(r.sqMemory, p.sq.array+4*i) = i // entry i is always at i
	}
	return nil
}

func word(memory []byte, at uint32) *uint32 { return (*uint32)(unsafe.Pointer(&memory[at])) }

func (r *ring) close() {
	for _, memory := range [][]byte{r.sqMemory, r.cqMemory, r.sqes} {
		if memory != nil {
			_ = unix.Munmap(memory) // it was mapped
		}
	}
	unix.Close(r.fd)
}

// next is an empty entry, with its index; nil when all are taken until they are
// submitted.
func (r *ring) next() (*sqe, uint32) {
	if r.tail-r.submitted > r.sqMask {
		return nil, 0
	}
	i := r.tail & r.sqMask
	r.tail++
	e := (*sqe)(unsafe.Pointer(&r.sqes[i*sqeSize]))
	*e = sqe{}
	return e, i
}

// submit hands all entries over and, where it is to wait, waits for a completion.
// For up to gather it waits for so many of them that a wake-up is worth while.
func (r *ring) submit(wait bool, gather time.Duration) error {
	for {
		atomic.StoreUint32(r.sqTail, r.tail)
		n, errno := r.enter(r.tail-r.submitted, wait, gather)
		switch errno {
		case 0:
			r.submitted += n
			if r.submitted == r.tail {
				return nil
			}
		case unix.EINTR, unix.EAGAIN, unix.EBUSY, unix.ETIME:
			if wait {
				return nil // what has completed makes room
			}
		default:
			return fmt.Errorf("io_uring_enter: %w", errno)
		}
	}
}

// worthWhile is how many completions are not waited for any longer.
const worthWhile = 128

// enter goes through the scheduler only where it may block.
func (r *ring) enter(submit uint32, wait bool, gather time.Duration) (uint32, unix.Errno) {
	if !wait {
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), 0, ringEnterGetEvents, 0, 0)
		return uint32(n), errno
	}
	if gather == 0 || !r.waits {
		n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), 1, ringEnterGetEvents, 0, 0)
		return uint32(n), errno
	}
	r.gathered.least = uint32(gather / time.Microsecond)
	n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(submit), worthWhile,
		ringEnterGetEvents|ringEnterWait, uintptr(unsafe.Pointer(&r.gathered)), unsafe.Sizeof(r.gathered))
	return uint32(n), errno
}

// completed gives each completion, those too that come meanwhile up to the ring's
// size, and frees its place.
func (r *ring) completed(each func(cqe)) {
	head := *r.cqHead
	for range r.cqMask + 1 {
		if head == atomic.LoadUint32(r.cqTail) {
			return
		}
		c := *(*cqe)(unsafe.Add(r.cqes, uintptr(head&r.cqMask)*cqeSize))
		head++
		atomic.StoreUint32(r.cqHead, head)
		each(c)
	}
}

// knowFiles makes the ring's table of descriptors, which spares the kernel looking each
// one up for each packet. What does not fit goes without.
func (r *ring) knowFiles(most uint32) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return
	}
	table := struct {
		size, flags uint32
		_           uint64
		data, tags  uint64
	}{size: uint32(min(uint64(most), limit.Cur)), flags: ringTableEmpty}
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ringRegisterTable,
		uintptr(unsafe.Pointer(&table)), unsafe.Sizeof(table), 0, 0)
	if errno == 0 {
		r.table = table.size
	}
}

// know puts a descriptor into a place of the table, -1 empties it. False means that the
// ring does not know it.
func (r *ring) know(place uint32, fd int) bool {
	if place >= r.table {
		return false
	}
	one := int32(fd)
	update := struct {
		place, _ uint32
		fds      uint64
	}{place: place, fds: uint64(uintptr(unsafe.Pointer(&one)))}
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ringRegisterUpdate,
		uintptr(unsafe.Pointer(&update)), 1, 0, 0)
	return errno == 0
}

// buffers is a ring of buffers that the kernel receives into (io_uring_buf_ring).
type buffers struct {
	ring, memory []byte
	size, mask   uint32
	tail         uint16
}

// bufferRing registers so many buffers, a power of two, of a size.
func (r *ring) bufferRing(count, size uint32) (*buffers, error) {
	b := &buffers{size: size, mask: count - 1}
	var err error
	if b.ring, err = anonymous(int(count) * 16); err != nil {
		return nil, err
	}
	if b.memory, err = anonymous(int(count * size)); err != nil {
		b.free()
		return nil, err
	}
	registration := struct {
		addr        uint64
		entries     uint32
		group, mode uint16
		_           [3]uint64
	}{addr: uint64(uintptr(unsafe.Pointer(&b.ring[0]))), entries: count}
	_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), ringRegisterBuffers, uintptr(unsafe.Pointer(&registration)), 1, 0, 0)
	if errno != 0 {
		b.free()
		return nil, fmt.Errorf("io_uring buffers: %w", errno)
	}
	for i := range count {
		b.give(uint16(i))
	}
	return b, nil
}

func anonymous(size int) ([]byte, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("io_uring memory: %w", err)
	}
	return memory, nil
}

func (b *buffers) free() {
	for _, memory := range [][]byte{b.ring, b.memory} {
		if memory != nil {
			_ = unix.Munmap(memory) // it was mapped
		}
	}
}

func (b *buffers) at(id uint16) []byte {
	from := uint32(id) * b.size
	return b.memory[from : from+b.size : from+b.size]
}

// give lets the kernel have a buffer again: {addr u64, len u32, id u16}, with the
// ring's tail behind the id of the first.
func (b *buffers) give(id uint16) {
	entry := b.ring[(uint32(b.tail)&b.mask)*16:]
	*(*uint64)(unsafe.Pointer(&entry[0])) = uint64(uintptr(unsafe.Pointer(&b.memory[uint32(id)*b.size])))
	*(*uint32)(unsafe.Pointer(&entry[8])) = b.size
	*(*uint16)(unsafe.Pointer(&entry[12])) = id
	b.tail++
	// The tail is published together with the id of the first buffer beside it, which
	// the kernel does not write.
	var both [4]byte
	copy(both[:2], b.ring[12:14])
	binary.NativeEndian.PutUint16(both[2:], b.tail)
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&b.ring[12])), binary.NativeEndian.Uint32(both[:]))
}
