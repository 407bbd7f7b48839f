//go:build amd64 || arm64 || riscv64 || loong64

package fastpath

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// watch tells of changes of links, addresses, routes and rules.
type watch struct {
	socket  *nl.NetlinkSocket
	changed func()
	stop    chan struct{}
	running sync.WaitGroup
}

// settle is how long changes are collected before they are told: they come in
// crowds.
const settle = 50 * time.Millisecond

func newWatch(changed func()) (*watch, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_RULE)
	if err != nil {
		return nil, fmt.Errorf("netlink: %w", err)
	}
	w := &watch{socket: socket, changed: changed, stop: make(chan struct{})}
	events := make(chan struct{}, 1)
	w.running.Go(func() { w.listen(events) })
	w.running.Go(func() { w.tell(events) })
	return w, nil
}

// listen reads until the socket is closed. What the messages say does not
// matter, nor whether some were lost (ENOBUFS): everything is looked at again.
func (w *watch) listen(events chan<- struct{}) {
	for {
		_, _, err := w.socket.Receive()
		select {
		case <-w.stop:
			return
		default:
		}
		if errors.Is(err, os.ErrClosed) || errors.Is(err, unix.EBADF) {
			return
		}
		select {
		case events <- struct{}{}:
		default:
		}
	}
}

func (w *watch) tell(events <-chan struct{}) {
	for {
		select {
		case <-w.stop:
			return
		case <-events:
		}
		select {
		case <-w.stop:
			return
		case <-time.After(settle):
		}
		select {
		case <-events: // what came meanwhile is covered by what follows
		default:
		}
		w.changed()
	}
}

func (w *watch) close() {
	close(w.stop)
	w.socket.Close()
	w.running.Wait()
}
