package relay

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// bell wakes a worker: an eventfd.
type bell struct{ fd int }

func newBell() (bell, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return bell{}, fmt.Errorf("eventfd: %w", err)
	}
	return bell{fd}, nil
}

func (b bell) ring() {
	one := [8]byte{0: 1, 7: 1} // not zero in either byte order
	if _, err := unix.Write(b.fd, one[:]); err != nil && err != unix.EAGAIN {
		panic("relay: an eventfd takes no number: " + err.Error())
	}
}

// answer makes it silent.
func (b bell) answer() {
	var count [8]byte
	if _, err := unix.Read(b.fd, count[:]); err != nil && err != unix.EAGAIN {
		panic("relay: an eventfd gives no number: " + err.Error())
	}
}

func (b bell) close() { unix.Close(b.fd) }
