package fastpath

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tollbook/tollbook/media/testnet"
)

// wire sends whole Ethernet frames from a to r.
type wire struct {
	*line
	fd       int
	index    int
	from, to net.HardwareAddr
}

func newWire(l *line) *wire {
	l.t.Helper()
	w := &wire{line: l}
	l.In(l.R, func() { w.to = hardware(l.t, "e1").HardwareAddr })
	l.In(l.A, func() {
		eth0 := hardware(l.t, "eth0")
		w.index, w.from = eth0.Index, eth0.HardwareAddr
		var err error
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			l.t.Error(err)
		}
	})
	l.t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

func hardware(t *testing.T, name string) *net.Interface {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Error(err)
		return &net.Interface{}
	}
	return i
}

// send puts an IPv4 packet with a UDP datagram behind a link header.
func (w *wire) send(to net.HardwareAddr, tag []byte, options []byte, fragment uint16, datagram []byte) {
	w.t.Helper()
	ip := make([]byte, 20, 60)
	ip = append(ip, options...)
	ip[0], ip[8], ip[9] = 0x40|byte(len(ip)/4), 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(datagram)))
	binary.BigEndian.PutUint16(ip[6:], fragment)
	copy(ip[12:], w.flow.Source.Addr().AsSlice())
	copy(ip[16:], w.flow.Local.Addr().AsSlice())
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum))
	frame := append(append([]byte(nil), to...), w.from...)
	frame = append(append(frame, tag...), 0x08, 0x00)
	frame = append(append(frame, ip...), datagram...)
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
		w.t.Fatal(err)
	}
}

// Of frames that are made by hand, the plain ones pass. A tag, another machine's
// address, options and fragments are not the program's business: none of them is
// relayed or counted.
func TestFrames(t *testing.T) {
	w := newWire(newLine(t, Config{}, false))
	w.insert()
	datagramOf := func(number uint16) []byte { return datagram(w.flow.Source, w.flow.Local, rtp(7, number, 8)) }
	stranger := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	none := func(what string, inside bool) {
		t.Helper()
		if got, _ := testnet.Hear(t, w.inside[0], map[bool]time.Duration{true: patience, false: 20 * time.Millisecond}[inside]); (got != nil) != inside {
			t.Errorf("%s: %d bytes in user space", what, len(got))
		}
		if got, _ := testnet.Hear(t, w.callee, 20*time.Millisecond); got != nil {
			t.Errorf("%s: %d bytes at the callee", what, len(got))
		}
	}
	w.send(w.to, []byte{0x81, 0x00, 0x00, 0x07}, nil, 0, datagramOf(101))
	none("VLAN 7, of which this machine has no interface", false)
	w.send(w.to, []byte{0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08}, nil, 0, datagramOf(101))
	none("two tags", false)
	w.send(stranger, nil, nil, 0, datagramOf(101))
	none("another machine's", false)
	w.send(w.to, nil, []byte{1, 1, 1, 0}, 0, datagramOf(101))
	none("options", true)
	w.send(w.to, nil, nil, 0x2000, datagramOf(101))
	none("a fragment", false)
	if s := w.path.Totals(); s.Packets != 0 || s.Up != (Up{}) {
		t.Errorf("%+v", s)
	}
	w.send(w.to, nil, nil, 0, datagramOf(101))
	if got, from := testnet.Hear(t, w.callee, patience); len(got) != 172 || from != w.flow.From {
		t.Errorf("a plain frame: %d bytes from %v", len(got), from)
	}
	// A wrong checksum stays wrong: the callee's stack drops it, as it would have here.
	broken := datagramOf(102)
	broken[6] ^= 1
	w.send(w.to, nil, nil, 0, broken)
	if got, _ := testnet.Hear(t, w.callee, 20*time.Millisecond); got != nil {
		t.Errorf("a broken datagram was mended: %d bytes", len(got))
	}
}
