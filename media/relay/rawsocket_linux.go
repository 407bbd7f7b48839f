package relay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSocket is a bound, non-blocking descriptor.
type rawSocket struct {
	fd   int
	port *port
	slot uint32 // in its worker's list
}

// bindRaw binds a pair's two sockets.
func bindRaw(p *pair) (bound [2]*rawSocket, err error) {
	for i := range bound {
		fd, err := bindFD(p.addr(i))
		if err != nil {
			if i == 1 {
				unix.Close(bound[0].fd)
			}
			return bound, err
		}
		bound[i] = &rawSocket{fd: fd, port: &p.ports[i]}
		p.sockets[i] = bound[i]
	}
	return bound, nil
}

func bindFD(addr netip.AddrPort) (int, error) {
	domain := unix.AF_INET6
	var local unix.Sockaddr = &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	if addr.Addr().Is4() {
		domain = unix.AF_INET
		local = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, local); err != nil {
		unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// receive reads one datagram. MSG_TRUNC is not needed: the buffer is one byte
// longer than the largest packet that is relayed.
func (s *rawSocket) receive(buffer []byte) (n int, from netip.AddrPort, ok bool) {
	var addr unix.RawSockaddrInet6 // large enough for both families
	size := uint32(unsafe.Sizeof(addr))
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd),
		uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)), unix.MSG_DONTWAIT,
		uintptr(unsafe.Pointer(&addr)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, netip.AddrPort{}, false
	}
	return int(got), decode(&addr), true
}

func (s *rawSocket) send(packet []byte, to netip.AddrPort) error {
	var addr unix.RawSockaddrInet6
	size := encode(&addr, to)
	var first unsafe.Pointer
	if len(packet) > 0 {
		first = unsafe.Pointer(&packet[0])
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(first),
		uintptr(len(packet)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL,
		uintptr(unsafe.Pointer(&addr)), size)
	if errno != 0 {
		return errno
	}
	return nil
}

// The kernel keeps ports in network order in both families, at the same place.
func decode(raw *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:])
	if raw.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw.Addr).Unmap(), port)
}

func encode(raw *unix.RawSockaddrInet6, to netip.AddrPort) (size uintptr) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], to.Port())
	if to.Addr().Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		four.Family, four.Addr = unix.AF_INET, to.Addr().As4()
		return unsafe.Sizeof(*four)
	}
	raw.Family, raw.Addr = unix.AF_INET6, to.Addr().As16()
	return unsafe.Sizeof(*raw)
}
