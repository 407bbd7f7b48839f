//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"
)

// rawKey, rawFlow, rawExit and rawHead have the layout of the structs in
// bpf/relay.c; ports are in network order.
type rawKey struct {
	Local, Source         [16]byte
	LocalPort, SourcePort [2]byte
}

type rawFormat struct {
	Clock        uint32
	Type, Speech uint8
	_            [2]byte
}

type rawFlow struct {
	Lock             uint32
	Exit             uint32
	From, To         [16]byte
	FromPort, ToPort [2]byte
	Flags            uint32
	SSRC             uint32
	Formats          uint32
	Format           [MaxFormats]rawFormat
	Tag, Epoch       uint64
	Missed           uint64
	Meter            Meter
}

type rawExit struct{ Interface, Longest uint32 }

type rawHead struct {
	Tag, At    uint64
	Source     [16]byte
	SourcePort [2]byte
	Size       uint16
	_          uint32
}

// The flags of a flow, and the order of the program's counts.
const (
	flagOpaque = 1
	flagCopy   = 2
)

const (
	countRelayed = iota
	countBytes
	countShape
	countHops
	countLength
	countFormat
	countSequence
	countUnrouted
	countFailed
	countCopied
	countUncopied
	counts
)

func portOf(p uint16) [2]byte { return [2]byte{byte(p >> 8), byte(p)} }

func (k Key) raw() rawKey {
	return rawKey{
		Local: k.Local.Addr().As16(), LocalPort: portOf(k.Local.Port()),
		Source: k.Source.Addr().As16(), SourcePort: portOf(k.Source.Port()),
	}
}

func (r rawKey) key() Key {
	return Key{Local: addrPort(r.Local, r.LocalPort), Source: addrPort(r.Source, r.SourcePort)}
}

func addrPort(addr [16]byte, port [2]byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(addr).Unmap(), binary.BigEndian.Uint16(port[:]))
}

func (f *Flow) raw(exit uint32) *rawFlow {
	r := &rawFlow{
		Exit: exit, From: f.From.Addr().As16(), To: f.To.Addr().As16(),
		FromPort: portOf(f.From.Port()), ToPort: portOf(f.To.Port()),
		SSRC: f.SSRC, Tag: f.Tag, Epoch: uint64(f.Epoch), Meter: f.Meter,
	}
	if f.Opaque {
		r.Flags |= flagOpaque
	}
	if f.Copy {
		r.Flags |= flagCopy
	}
	for i, t := range f.Formats[:min(len(f.Formats), MaxFormats)] {
		r.Format[i] = rawFormat{Clock: t.Clock, Type: t.Number}
		if t.Speech {
			r.Format[i].Speech = 1
		}
		r.Formats++
	}
	return r
}

// copied takes a record of the ring apart; ok is false for one that is too short.
func copied(record []byte) (c Copied, ok bool) {
	var head rawHead
	const size = int(unsafe.Sizeof(head))
	if len(record) < size {
		return c, false
	}
	head = *(*rawHead)(unsafe.Pointer(unsafe.SliceData(record)))
	if len(record) < size+int(head.Size) {
		return c, false
	}
	return Copied{
		Tag: head.Tag, Source: addrPort(head.Source, head.SourcePort),
		At: time.Duration(head.At), Payload: record[size : size+int(head.Size)],
	}, true
}
