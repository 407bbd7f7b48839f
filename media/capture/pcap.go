// Package capture writes what a call said on the wire into pcap files, and sends it
// to a HOMER server as HEP3.
//
// A capture holds IP packets (LINKTYPE_RAW) with nanoseconds. Media stands in it as
// it came. Signalling stands in it in plain text, a message a packet, whatever it
// came over: what was inside TLS or a WebSocket is a UDP datagram between the true
// addresses and ports, since that is what every reader takes apart.
package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

const (
	// magic says that times have nanoseconds; linkRaw that packets begin with their
	// IP header.
	magic   = 0xa1b23c4d
	linkRaw = 101

	fileHeaderSize   = 24
	recordHeaderSize = 16
	snapLength       = 1<<18 - 1

	udpHeader, ip4Header, ip6Header = 8, 20, 40
	// maxPayload is the longest that a UDP datagram over IPv4 can hold; what is
	// longer is cut.
	maxPayload = 65535 - ip4Header - udpHeader
	hopLimit   = 64
	udp        = 17
)

// ErrEmpty says that a capture has no packet in it.
var ErrEmpty = errors.New("capture: no packet")

// errForeign says that a header is not one of those written here.
var errForeign = errors.New("capture: not a capture's header")

// FileHeader is what a capture begins with.
func FileHeader() []byte {
	le := binary.LittleEndian
	h := le.AppendUint32(make([]byte, 0, fileHeaderSize), magic)
	h = le.AppendUint16(h, 2)
	h = le.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = le.AppendUint32(h, snapLength)
	return le.AppendUint32(h, linkRaw)
}

// AppendDatagram appends a record with a UDP datagram between two addresses of the
// same family. id is the datagram's number, which IPv4 carries.
func AppendDatagram(b []byte, at time.Time, from, to netip.AddrPort, payload []byte, id uint16) []byte {
	payload = payload[:min(len(payload), maxPayload)]
	size := udpHeader + len(payload)
	src, dst := from.Addr().Unmap(), to.Addr().Unmap()
	four := src.Is4() && dst.Is4()
	if four {
		size += ip4Header
	} else {
		size += ip6Header
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(at.Unix()))
	b = le.AppendUint32(b, uint32(at.Nanosecond()))
	b = le.AppendUint32(b, uint32(size))
	b = le.AppendUint32(b, uint32(size))
	if four {
		b = appendIP4(b, src.As4(), dst.As4(), udpHeader+len(payload), id)
	} else {
		b = appendIP6(b, src.As16(), dst.As16(), udpHeader+len(payload))
	}
	return appendUDP(b, src, dst, from.Port(), to.Port(), payload)
}

func appendIP4(b []byte, src, dst [4]byte, length int, id uint16) []byte {
	at := len(b)
	be := binary.BigEndian
	b = append(b, 0x45, 0)
	b = be.AppendUint16(b, uint16(ip4Header+length))
	b = be.AppendUint16(b, id)
	b = append(b, 0x40, 0, hopLimit, udp, 0, 0) // do not fragment
	b = append(append(b, src[:]...), dst[:]...)
	be.PutUint16(b[at+10:], finish(sum(0, b[at:])))
	return b
}

func appendIP6(b []byte, src, dst [16]byte, length int) []byte {
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, udp, hopLimit)
	return append(append(b, src[:]...), dst[:]...)
}

func appendUDP(b []byte, src, dst netip.Addr, from, to uint16, payload []byte) []byte {
	at := len(b)
	be := binary.BigEndian
	length := uint16(udpHeader + len(payload))
	b = be.AppendUint16(b, from)
	b = be.AppendUint16(b, to)
	b = be.AppendUint16(b, length)
	b = append(b, 0, 0)
	b = append(b, payload...)
	check := sum(sum(uint32(udp)+uint32(length), src.AsSlice()), dst.AsSlice())
	if !src.Is4() || !dst.Is4() {
		a, z := src.As16(), dst.As16()
		check = sum(sum(uint32(udp)+uint32(length), a[:]), z[:])
	}
	if c := finish(sum(check, b[at:])); c != 0 {
		be.PutUint16(b[at+6:], c)
	} else {
		be.PutUint16(b[at+6:], 0xffff)
	}
	return b
}

// sum adds up 16-bit words (RFC 1071); finish folds and complements them.
func sum(s uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func finish(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// Repairable is an unfinished capture.
type Repairable interface {
	io.ReaderAt
	Size() (int64, error)
	Truncate(size int64) error
}

// Repair cuts off the record that a killed program wrote half. ErrEmpty is for a file
// without a packet.
func Repair(file Repairable) error {
	size, err := file.Size()
	if err != nil {
		return fmt.Errorf("repair a capture: %w", err)
	}
	if size < fileHeaderSize+recordHeaderSize {
		return ErrEmpty
	}
	var head [fileHeaderSize]byte
	if _, err := file.ReadAt(head[:], 0); err != nil {
		return fmt.Errorf("repair a capture: %w", err)
	}
	if string(head[:]) != string(FileHeader()) {
		return errForeign
	}
	at := int64(fileHeaderSize)
	for at+recordHeaderSize <= size {
		var record [recordHeaderSize]byte
		if _, err := file.ReadAt(record[:], at); err != nil {
			return fmt.Errorf("repair a capture: %w", err)
		}
		end := at + recordHeaderSize + int64(binary.LittleEndian.Uint32(record[8:]))
		if end > size {
			break
		}
		at = end
	}
	if at == fileHeaderSize {
		return ErrEmpty
	}
	if err := file.Truncate(at); err != nil {
		return fmt.Errorf("repair a capture: %w", err)
	}
	return nil
}
