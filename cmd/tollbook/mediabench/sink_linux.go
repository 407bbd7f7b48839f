package mediabench

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sink receives what the relay sends, by a ring that it shares with the kernel
// (TPACKET_V3, packet(7)): the kernel notes when each frame came, and no call is
// made for one.
type sink struct {
	fd   int
	ring []byte
	stop chan struct{}
	// seen are the frames by when they were sent and how long they took; they are
	// counted when it is known which time is measured.
	seen []sighting
}

type sighting struct {
	sent int64
	took uint32 // µs
}

const (
	blockSize = 256 << 10
	blocks    = 32
	// blockOwner, blockCount and blockFirst are where a block says whose it is, how
	// many frames it has and where the first is.
	blockOwner, blockCount, blockFirst = 8, 12, 16
)

func newSink(link string) (*sink, error) {
	at, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	req := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blocks, Frame_size: 512, Frame_nr: blockSize / 512 * blocks, Retire_blk_tov: 1,
	}
	for _, option := range []struct{ name, value int }{
		{unix.PACKET_VERSION, unix.TPACKET_V3}, {unix.PACKET_IGNORE_OUTGOING, 1},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option.name, option.value); err != nil {
			return nil, fmt.Errorf("packet socket: %w", err)
		}
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return nil, fmt.Errorf("packet ring: %w", err)
	}
	ring, err := unix.Mmap(fd, 0, blockSize*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("packet ring: %w", err)
	}
	const ipv4 = 0x0008 // ETH_P_IP in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: at.Index, Protocol: ipv4}); err != nil {
		return nil, fmt.Errorf("receive by %s: %w", link, err)
	}
	return &sink{fd: fd, ring: ring, stop: make(chan struct{})}, nil
}

// run reads blocks as the kernel fills them.
func (s *sink) run() error {
	for next := 0; ; next = (next + 1) % blocks {
		block := s.ring[next*blockSize : (next+1)*blockSize]
		owner := (*uint32)(unsafe.Pointer(&block[blockOwner]))
		for atomic.LoadUint32(owner)&unix.TP_STATUS_USER == 0 {
			select {
			case <-s.stop:
				return nil
			default:
			}
			fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
			if _, err := unix.Poll(fds, 50); err != nil && err != unix.EINTR {
				return fmt.Errorf("packet ring: %w", err)
			}
		}
		at := binary.NativeEndian.Uint32(block[blockFirst:])
		for range binary.NativeEndian.Uint32(block[blockCount:]) {
			frame := block[at:]
			s.take(frame)
			at += binary.NativeEndian.Uint32(frame)
		}
		atomic.StoreUint32(owner, unix.TP_STATUS_KERNEL)
	}
}

// take reads a tpacket3_hdr and the frame behind it.
func (s *sink) take(header []byte) {
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(header[4*i:]) }
	came := int64(word(1))*int64(time.Second) + int64(word(2))
	size, at := word(3), binary.NativeEndian.Uint16(header[24:])
	if size < frameLen {
		return
	}
	f := header[at:]
	if binary.BigEndian.Uint32(f[payloadAt:]) != mark {
		return
	}
	sent := int64(binary.BigEndian.Uint64(f[sentAt:]))
	s.seen = append(s.seen, sighting{sent, uint32(max(0, came-sent) / 1000)})
}

// report counts what was sent in the time that was measured.
func (s *sink) report(begin, end int64, sent uint64) farReport {
	const longest = 1_000_000 // µs
	r := farReport{Sent: sent}
	counts := make([]uint64, longest+1)
	for _, one := range s.seen {
		if one.sent >= begin && one.sent < end {
			r.Received++
			counts[min(one.took, longest)]++
		}
	}
	var sum uint64
	for took, n := range counts {
		if sum*100 < r.Received*50 && (sum+n)*100 >= r.Received*50 {
			r.P50US = float64(took)
		}
		if sum*100 < r.Received*99 && (sum+n)*100 >= r.Received*99 {
			r.P99US = float64(took)
		}
		sum += n
	}
	return r
}
