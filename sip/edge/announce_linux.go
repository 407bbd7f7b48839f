package edge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// announce tells the network once that the address is here.
func announce(a Address) error {
	link, err := net.InterfaceByName(a.Interface)
	if err != nil {
		return fmt.Errorf("announce %s: %w", a, err)
	}
	if len(link.HardwareAddr) != 6 {
		return nil // no network that asks for addresses
	}
	if a.Addr().Is4() {
		err = sendFrames(link, gratuitous(link.HardwareAddr, a.Addr().As4()))
	} else {
		err = advertise(link, a)
	}
	if err != nil {
		return fmt.Errorf("announce %s on %s: %w", a, a.Interface, err)
	}
	return nil
}

const arpType = 0x0806

// gratuitous are two ARP messages to all, a request and a reply about the sender itself:
// some listen to one of them only (RFC 5227, section 3).
func gratuitous(mac net.HardwareAddr, ip [4]byte) [][]byte {
	var out [][]byte
	for operation := uint16(1); operation <= 2; operation++ {
		f := make([]byte, 0, 42)
		f = append(f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
		f = append(f, mac...)
		f = binary.BigEndian.AppendUint16(f, arpType)
		f = append(f, 0, 1, 8, 0, 6, 4) // Ethernet, IPv4
		f = binary.BigEndian.AppendUint16(f, operation)
		f = append(append(f, mac...), ip[:]...)
		f = append(append(f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), ip[:]...)
		out = append(out, f)
	}
	return out
}

func sendFrames(link *net.Interface, frames [][]byte) (err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open a socket of raw packets: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	to := &unix.SockaddrLinklayer{Ifindex: link.Index, Protocol: arpType<<8&0xffff | arpType>>8, Halen: 6}
	copy(to.Addr[:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	for _, f := range frames {
		if err := unix.Sendto(fd, f, 0, to); err != nil {
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

// advertise sends an unsolicited neighbour advertisement to all nodes on the link, with
// the flag that overrides what they remember (RFC 4861, section 4.4).
func advertise(link *net.Interface, a Address) (err error) {
	c, err := net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: a.Addr().AsSlice(), Zone: link.Name})
	if err != nil {
		return fmt.Errorf("open a socket of ICMP: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 255)
	}); err != nil || set != nil {
		return errors.Join(err, set)
	}
	const advertisement, override = 136, 0x20
	m := []byte{advertisement, 0, 0, 0, override, 0, 0, 0} // the kernel puts in the checksum
	ip := a.Addr().As16()
	m = append(m, ip[:]...)
	m = append(m, 2, 1) // the target's link-layer address, of 8 bytes in all
	m = append(m, link.HardwareAddr...)
	_, err = c.WriteToIP(m, &net.IPAddr{IP: net.ParseIP("ff02::1"), Zone: link.Name})
	return err
}
