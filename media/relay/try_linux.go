package relay

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// tryIOUring passes a packet through an engine of its own: systems forbid io_uring, or
// have one that lacks what is used here, in too many ways to ask for each.
func tryIOUring(config Config) error {
	config.Addresses, config.Workers, config.Log = config.Addresses[:1], 1, slog.New(slog.DiscardHandler)
	config.PortMin, config.PortMax = 16384, 65535 // any: those of the range may be in use
	e := &Engine{config: config, start: time.Now(), calls: make(map[*Call]struct{})}
	if err := e.makePools(); err != nil {
		return err
	}
	t, err := newIOUring(e)
	if err != nil {
		return err
	}
	e.use(t)
	defer e.Close()
	c, err := e.NewCall("trial", netip.Addr{})
	if err != nil {
		return err
	}
	var ends [2]*net.UDPConn
	for side := range ends {
		at := netip.AddrPortFrom(c.Local(Side(side)).Addr(), 0)
		if ends[side], err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at)); err != nil {
			return err
		}
		defer ends[side].Close()
		bound := ends[side].LocalAddr().(*net.UDPAddr).AddrPort()
		if err := c.SetRemote(Side(side), Remote{Addr: bound, Opaque: true}); err != nil {
			return err
		}
	}
	sent, got := []byte("does it pass?"), make([]byte, 64)
	if _, err := ends[A].WriteToUDPAddrPort(sent, c.Local(A)); err != nil {
		return err
	}
	if err := ends[B].SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	n, from, err := ends[B].ReadFromUDPAddrPort(got)
	if err != nil || string(got[:n]) != string(sent) || from.Port() != c.Local(B).Port() {
		return fmt.Errorf("%w: a packet does not pass: %q from %v: %w", errEngine, got[:n], from, err)
	}
	return nil
}
