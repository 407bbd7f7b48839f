package fastpath

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tollbook/tollbook/media/testnet"
)

// open opens a path in r until the test ends.
func open(t *testing.T, n *testnet.Net, c Config) *Path {
	t.Helper()
	p := openAlone(t, n, c)
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func openAlone(t *testing.T, n *testnet.Net, c Config) *Path {
	t.Helper()
	if c.Addresses == nil {
		c.Addresses = []netip.Addr{netip.MustParseAddr("10.77.1.2"), netip.MustParseAddr("10.77.2.2")}
	}
	var p *Path
	var err error
	n.In(n.R, func() { p, err = Open(c) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rtp is a packet of G.711 with 160 bytes of speech.
func rtp(ssrc uint32, number uint16, kind uint8) []byte {
	p := make([]byte, 172)
	stamp := uint32(number) * 160
	copy(p, []byte{0x80, kind, byte(number >> 8), byte(number), byte(stamp >> 24), byte(stamp >> 16), byte(stamp >> 8),
		byte(stamp), byte(ssrc >> 24), byte(ssrc >> 16), byte(ssrc >> 8), byte(ssrc)})
	return p
}

// datagram is a UDP header with its checksum, and a payload.
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	size := uint16(8 + len(payload))
	d := binary.BigEndian.AppendUint16(nil, from.Port())
	d = binary.BigEndian.AppendUint16(d, to.Port())
	d = binary.BigEndian.AppendUint16(d, size)
	d = append(append(d, 0, 0), payload...)
	sum := uint32(pseudo(from, to, len(d)))
	for part := append(bytes.Clone(d), 0); len(part) > 1; part = part[2:] {
		sum += uint32(binary.BigEndian.Uint16(part))
	}
	binary.BigEndian.PutUint16(d[6:], ^fold(sum))
	return d
}

// pseudo is the sum of the header that a UDP checksum covers beside the datagram.
func pseudo(from, to netip.AddrPort, size int) uint16 {
	sum := uint32(unix.IPPROTO_UDP) + uint32(size)
	for _, part := range [][]byte{from.Addr().AsSlice(), to.Addr().AsSlice()} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
	}
	return fold(sum)
}

func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}

// readRaw is the next datagram with what headers the system gives.
func readRaw(t *testing.T, raw *net.IPConn) []byte {
	t.Helper()
	control, err := raw.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, 2048)
	var size int
	var failed error
	err = control.Read(func(fd uintptr) bool {
		size, failed = unix.Read(int(fd), packet)
		return failed != unix.EAGAIN
	})
	if err != nil || failed != nil || size < 28 {
		t.Fatalf("%v, %v: %d bytes", err, failed, size)
	}
	return packet[:size]
}
